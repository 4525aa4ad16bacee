/*
 * Good inputs to start from: tokens of every kind as they are sold and narrowed, credentials and challenges with them,
 * invoices, paths, queries, addresses. From chance, so that a run can be played again.
 */
import { attenuate } from '#client/attenuate.ts';
import { encodeInvoice } from '#lnd-bridge/nodes/bolt11-encode.ts';
import { formatHex } from '#protocol/bytes.ts';
import { formatL402Challenge } from '#protocol/challenge-header.ts';
import { LARGEST_MSAT, msat } from '#protocol/msat.ts';
import { type Access } from '#protocol/access.ts';
import { makeToken, type TestToken } from '#support/tokens.ts';
import challenges from '../vectors/challenges.json' with { type: 'json' };
import credentials from '../vectors/credentials.json' with { type: 'json' };
import caveats from '../vectors/caveats.json' with { type: 'json' };
import invoices from '../vectors/invoices.json' with { type: 'json' };
import realInvoices from '../vectors/real-invoices.json' with { type: 'json' };
import { type Chance } from './seed.ts';

export const NODE_SECRET = new Uint8Array(32).fill(3);
const KINDS = 24;

export interface Samples {
  readonly tokens: readonly TestToken[];
  /** The texts of the tokens. */
  readonly tokenTexts: readonly string[];
  readonly credentials: readonly string[];
  readonly challenges: readonly string[];
  /** Signed, of regtest. */
  readonly invoices: readonly string[];
  /** Also of other networks, and bad ones. */
  readonly invoiceTexts: readonly string[];
  readonly paths: readonly string[];
  readonly queries: readonly string[];
  readonly addresses: readonly string[];
  readonly ranges: readonly string[];
  readonly values: readonly string[];
}

const ACCESSES: readonly Access[] = [
  { kind: 'call' },
  { kind: 'calls', calls: 100 },
  { kind: 'pass', maxPerMinute: 60 },
  { kind: 'credit', creditMsat: msat(1_000_000n) },
];

/** One set of samples. */
export async function collectSamples(chance: Chance): Promise<Samples> {
  const bytes = (length: number) => Uint8Array.from({ length }, () => chance.below(256));
  const tokens = await Promise.all(
    Array.from({ length: KINDS }, async (_, index) => {
      const access = ACCESSES[index % ACCESSES.length]!;
      const id = { region: chance.below(32), shardBits: chance.below(17), random: bytes(21) };
      const made = await makeToken({ service: 'call', preimage: bytes(32), id, terms: { access } });
      if (index < KINDS / 2) return made;
      const text = await attenuate(made.token, {
        maxCalls: 10,
        pathPrefix: '/v1/reports',
        methods: ['GET', 'POST'],
        clientNetworks: ['192.0.2.0/24', '2001:db8::/32'],
      });
      return { ...made, token: text, authorization: made.authorization.replace(made.token, text) };
    }),
  );
  const signed = Array.from({ length: KINDS }, (_, index) =>
    encodeInvoice(
      {
        amountMsat: msat(index % 2 === 0 ? BigInt(1 + chance.below(2 ** 30)) : LARGEST_MSAT / BigInt(10 ** (index % 12))),
        paymentHash: bytes(32),
        paymentSecret: bytes(32),
        description: ['', 'one call', 'ünï \u{1f4a5}', 'x'.repeat(300)][index % 4]!,
        createdAtSeconds: 1_700_000_000 + chance.below(2 ** 20),
        expirySeconds: chance.below(2 ** (index + 1)),
      },
      NODE_SECRET,
    ),
  );
  const tokenTexts = tokens.map(({ token }) => token);
  const hexTokens = tokenTexts.map((token) => formatHex(Buffer.from(token, 'base64')));
  return {
    tokens,
    tokenTexts: [
      ...tokenTexts,
      ...hexTokens,
      ...tokenTexts.map((token) => token.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')),
    ],
    credentials: [
      ...tokens.map(({ authorization }) => authorization),
      `${tokens[0]!.authorization}, ${tokens[1]!.authorization.replace('L402', 'LSAT')}`,
      `Bearer abc, ${tokens[2]!.authorization}, Basic dXNlcjpwYXNz`,
      ...credentials.map(({ input }) => ('authorization' in input ? input.authorization : input.metadata) ?? ''),
    ],
    challenges: [
      ...signed.map((invoice, index) => formatL402Challenge({ token: tokenTexts[index % tokenTexts.length]!, invoice })),
      ...challenges.map(({ input }) => input.header.slice(0, 2000)),
    ],
    invoices: signed,
    invoiceTexts: [...signed, ...[...invoices, ...realInvoices].map(({ input }) => input.invoice.slice(0, 1500))],
    paths: [
      '/',
      '/v1/weather',
      '/v1/a/b.json',
      '/caf%C3%A9/x',
      '/a%20b/c',
      "/-._~!$&'()*+,=:@[]",
      '/users/:id/*',
      '/%F0%9F%92%A5',
      '/a%2fb',
      '/a;b=c',
    ],
    queries: [
      '',
      '?n=1',
      '?n=1&model=large',
      '?model=a+b&x=%20',
      '?N=1&n=2',
      '?n[]=1&n=2',
      '?n=%C3%A9',
      '?a&b=&=c',
      '?n=1;model=2',
      '?n=1&n=1',
    ],
    addresses: [
      '192.0.2.7',
      '0.0.0.0',
      '255.255.255.255',
      '2001:db8::1',
      '::',
      '::1',
      '::ffff:192.0.2.7',
      '2001:db8:0:0:1:2:3:4',
      '1:2:3:4:5:6:192.0.2.1',
    ],
    ranges: [
      '192.0.2.0/24',
      '0.0.0.0/0',
      '10.0.0.0/8',
      '192.0.2.7',
      '192.0.2.7/32',
      '2001:db8::/32',
      '::/0',
      '::ffff:192.0.2.0/120',
      '2001:db8::1/128',
    ],
    values: caveats.flatMap(({ input }) => input.caveats.map((text) => text.slice(text.indexOf('=') + 1))),
  };
}
