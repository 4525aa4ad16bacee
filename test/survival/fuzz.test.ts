/*
 * The parsers of tokens, headers and what stands in them, against inputs that are nearly right: it never throws, and of what it takes something is true that can be
 * said without it. Prints how much of each got through: a fuzz that is always refused at the door tests the door.
 */
import { BlockList, isIP } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
// Before everything that is covered.
import { tellCoverage } from './coverage.ts';
import { readEveryParameter, readParameters } from '#gateway/request/query.ts';
import { parseAccess } from '#protocol/access.ts';
import { parseBase64, parseHex } from '#protocol/bytes.ts';
import { canonicalizePath, decodePath } from '#protocol/canonical-path.ts';
import { CAVEAT_KINDS, caveatKind, SERVICE_CAVEAT_KINDS } from '#protocol/caveat-kinds.ts';
import {
  parseCallLimit,
  parseHosts,
  parseMethods,
  parseMsatLimit,
  parsePathPrefix,
  parseQuoteDigest,
  parseRequestDigest,
  parseSeconds,
} from '#protocol/caveat-values.ts';
import { formatL402Challenge, parseChallenges, parseL402Offer } from '#protocol/challenge-header.ts';
import { cidrContains, formatAddress, parseAddress, parseCidr } from '#protocol/cidr.ts';
import {
  formatCredential,
  parseCredential,
  parseMetadataMacaroon,
  parsePreimage,
  splitAuthorization,
} from '#protocol/credential-header.ts';
import { decodeIdentifier } from '#protocol/identifier.ts';
import { parseInvoice } from '#protocol/invoice.ts';
import { decodeMacaroon, encodeMacaroon, formatToken, parseToken } from '#protocol/macaroon-codec.ts';
import { parseMsat } from '#protocol/msat.ts';
import { accept } from '#protocol/result.ts';
import { deriveEpochKey } from '#protocol/root-key.ts';
import { parseServices } from '#protocol/services.ts';
import { verifyToken } from '#protocol/token.ts';
import { decodeTokenId } from '#protocol/token-id.ts';
import { nodeHmac } from '#adapters/node-hmac.ts';
import { TOKEN_SECRET } from '#support/tokens.ts';
import { feed, FUZZ_TIMEOUT_MS, hold, INPUTS } from './feed.ts';
import { mutateBytes, mutateInvoice, mutateText } from './mutations.ts';
import { collectSamples, type Samples } from './samples.ts';
import { createChance, SEED, tell } from './seed.ts';

const timeout = FUZZ_TIMEOUT_MS;

let samples: Samples;
let macaroons: readonly Uint8Array[];

beforeAll(async () => {
  samples = await collectSamples(createChance(SEED));
  macaroons = samples.tokens.map(({ token }) => parseBase64(token)!);
});

/** What reads inputs that strangers write. */
const PARSERS = [
  ...['access', 'bytes', 'canonical-path', 'caveat', 'caveat-kinds', 'caveat-values', 'challenge-header', 'cidr'],
  ...['credential-header', 'identifier', 'invoice', 'macaroon-codec', 'msat', 'services', 'token', 'token-id'],
].map((name) => `/src/protocol/${name}.ts`);
afterAll(() => tellCoverage([...PARSERS, '/src/gateway/request/query.ts']));

const isTaken = (value: unknown) =>
  typeof value === 'object' && value !== null && 'ok' in value ? value.ok === true : value !== undefined;

describe('parsers of texts', () => {
  const VALUES = {
    parseAccess: [parseAccess, ['pass', 'pass:60', 'calls:100', 'credit:1000000']],
    parseMsat: [parseMsat, ['0', '1000', '2100000000000000000']],
    parseSeconds: [parseSeconds, ['0', '1700000000']],
    parseMethods: [parseMethods, ['GET', 'GET,POST', 'DELETE,PATCH']],
    parseHosts: [parseHosts, ['a.example', 'a.example,b.example', '[2001:db8::1]']],
    parsePathPrefix: [parsePathPrefix, ['/', '/v1', '/v1/reports']],
    parseCallLimit: [parseCallLimit, ['10:00112233445566ff', '1:ff66554433221100']],
    parseMsatLimit: [parseMsatLimit, ['10:00112233445566ff', '2100:ff66554433221100']],
    parseServices: [parseServices, ['a:0', 'weather:1,radar:2', 'a:255']],
    parseQuoteDigest: [parseQuoteDigest, ['00112233445566778899aabbccddeeff']],
    parseRequestDigest: [parseRequestDigest, ['0f'.repeat(32)]],
    parsePreimage: [parsePreimage, ['0f'.repeat(32), 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=']],
    parseHex: [parseHex, ['00ff', '']],
    parseBase64: [parseBase64, ['AgEE', 'AgE=', '-_8']],
  } as const;

  it.each(Object.entries(VALUES))('%s', { timeout }, (name, [read, own]) => {
    const texts = [...own, ...own, ...samples.values.slice(0, own.length)];
    feed(name, { make: (chance) => mutateText(texts, chance), read: (text) => isTaken(read(text)) });
  });

  it('every kind of caveat, alone and after another', { timeout }, () => {
    const kinds = [...CAVEAT_KINDS, ...SERVICE_CAVEAT_KINDS.map((name) => `a_${name}`)].map((name) => caveatKind(name, 'a')!);
    const facts = {
      service: 'a',
      tier: 0,
      capabilities: [],
      nowSeconds: 0,
      skewSeconds: 0,
      preimage: new Uint8Array(32),
      method: 'GET',
      host: 'h',
      path: '/',
    };
    feed('caveats', {
      make: (chance) => [chance.pick(kinds), mutateText(samples.values, chance), mutateText(samples.values, chance)] as const,
      read([kind, one, other]) {
        const parses = kind.parses(one);
        hold((kind.satisfied(one, facts)?.code === 'caveat_malformed') === !parses, 'a value that does not parse is refused, and no other');
        hold(!kind.narrows(one, other) || (parses && kind.parses(other)), 'only what parses narrows');
        return parses;
      },
    });
  });

  it('M25: canonicalizePath gives a path that no reader takes for another', { timeout }, () =>
    feed('canonicalizePath', {
      make: (chance) => mutateText(samples.paths, chance),
      read(text) {
        const path = canonicalizePath(text);
        if (!path.ok) return false;
        const { value } = path;
        hold(new URL(`http://h.test${value}`).pathname === value, 'it is what WHATWG makes of it');
        const again = canonicalizePath(value);
        hold(again.ok && again.value === value, 'it is its own canonical form');
        const decoded = decodePath(value)!;
        const hasControl = Array.from(decoded).some((one) => one < ' ' || one === '\u007f');
        hold(!hasControl && !/[\\;%]|\/\/|\/\.{1,2}(\/|$)/.test(decoded), 'decoded, it has nothing that servers read in two ways');
        hold(decoded.split('/').length === value.split('/').length, 'decoded, it has the same segments');
        return true;
      },
    }),
  );

  it('M26: readParameters reads what URLSearchParams reads, or nothing', { timeout }, () =>
    feed('readParameters', {
      make: (chance) => mutateText(samples.queries, chance),
      read(text) {
        // As a URL has it: what is beyond ASCII is encoded.
        const query = new URL(`http://h.test/?${text.replace(/^\?/, '').replaceAll('#', '')}`).search;
        const read = readParameters(query, ['n', 'model']);
        const every = readEveryParameter(query);
        const theirs = new URLSearchParams(query);
        for (const values of [read, every]) {
          if (!values.ok) continue;
          for (const name of ['n', 'model']) {
            hold(
              JSON.stringify(theirs.getAll(name)) === JSON.stringify(values.value.has(name) ? [values.value.get(name)] : []),
              `${name} is read alike`,
            );
          }
        }
        return read.ok && read.value.size > 0;
      },
    }),
  );

  it('parseAddress agrees with node:net', { timeout }, () =>
    feed('parseAddress', {
      make: (chance) => mutateText(samples.addresses, chance),
      read(text) {
        const address = parseAddress(text);
        // Node takes a zone behind an address; a header has none.
        hold((address !== undefined) === (isIP(text) !== 0 && !text.includes('%')), 'one is an address, the other is not');
        if (address !== undefined) hold(parseAddress(formatAddress(address))?.value === address.value, 'it reads back');
        return address !== undefined;
      },
    }),
  );

  it('parseCidr agrees with BlockList', { timeout }, () =>
    feed('parseCidr', {
      make: (chance) => [mutateText(samples.ranges, chance), chance.below(2 ** 31), chance.below(128)] as const,
      read([text, noise, bit]) {
        const range = parseCidr(text);
        if (range === undefined) return false;
        const { address, prefix } = range;
        const list = new BlockList();
        list.addSubnet(formatAddress(address), prefix, address.bits === 32 ? 'ipv4' : 'ipv6');
        const near = { bits: address.bits, value: address.value ^ (1n << BigInt(bit % address.bits)) };
        const far = { bits: 32, value: BigInt(noise) } as const;
        for (const one of [address, near, far]) {
          // To BlockList a mapped address lies in ranges of both versions; to us it is an IPv4 address.
          const isMapped = address.bits === 128 && one.bits === 128 && one.value >> 32n === 0xffffn;
          if (isMapped || one.bits !== address.bits) continue;
          hold(
            cidrContains(range, one) === list.check(formatAddress(one), one.bits === 32 ? 'ipv4' : 'ipv6'),
            `${formatAddress(one)} lies in one only`,
          );
        }
        return true;
      },
    }),
  );

  it('M27: parseCredential reads back what it takes, and what splitAuthorization leaves holds no credential', { timeout }, () =>
    feed('parseCredential', {
      make: (chance) => mutateText(samples.credentials, chance),
      read(text) {
        const { credentials, rest } = splitAuthorization(text);
        const left = splitAuthorization(rest);
        hold(left.credentials.length === 0 && left.rest === rest, 'the rest is all rest');
        parseMetadataMacaroon(text);
        const read = credentials.flatMap((credential) => {
          const parsed = parseCredential(credential);
          return parsed.ok ? parsed.value : [];
        });
        for (const { macaroon, preimage } of read) {
          const token = formatToken(macaroon);
          const [again = ''] = splitAuthorization(formatCredential({ scheme: 'L402', token, preimage })).credentials;
          const written = parseCredential(again);
          hold(written.ok && written.value.length === 1 && formatToken(written.value[0]!.macaroon) === token, 'it reads back');
        }
        return read.length > 0;
      },
    }),
  );

  it('parseL402Offer reads back what it takes', { timeout }, () =>
    feed('parseL402Offer', {
      make: (chance) => mutateText(samples.challenges, chance),
      read(text) {
        parseChallenges(text);
        const offer = parseL402Offer(text);
        if (!offer.ok) return false;
        const { token, invoice } = offer.value;
        // What they hold is for their own parsers to judge.
        if (!/^[\w+/=-]+$/.test(token + invoice)) return true;
        const again = parseL402Offer(formatL402Challenge({ token, invoice }));
        hold(again.ok && again.value.token === token && again.value.invoice === invoice, 'it reads back');
        return true;
      },
    }),
  );

  it('parseInvoice', { timeout }, () =>
    feed('parseInvoice', {
      make: (chance) => (chance.percent(50) ? mutateInvoice(samples.invoices, chance) : mutateText(samples.invoiceTexts, chance)),
      read: (text) => isTaken(parseInvoice(text)),
    }),
  );
});

describe('parsers of bytes', () => {
  it('decodeMacaroon, decodeIdentifier and decodeTokenId write back what they take', { timeout }, () =>
    feed('decodeMacaroon', {
      make: (chance) => mutateBytes(macaroons, chance),
      read(bytes) {
        const macaroon = decodeMacaroon(bytes);
        if (!macaroon.ok) return false;
        hold(Buffer.compare(encodeMacaroon(macaroon.value), bytes) === 0, 'one macaroon has one spelling');
        const identifier = decodeIdentifier(macaroon.value.identifier);
        if (identifier.ok) decodeTokenId(identifier.value.tokenId);
        return true;
      },
    }),
  );

  it('parseToken', { timeout }, () =>
    feed('parseToken', { make: (chance) => mutateText(samples.tokenTexts, chance), read: (text) => isTaken(parseToken(text)) }),
  );

  it('P8: no token that was changed is proved', { timeout }, async () => {
    const chance = createChance(SEED);
    const good = new Set(samples.tokens.map(({ token }) => token));
    const keys = new Map<string, Uint8Array>();
    let proved = 0;
    let tried = 0;
    for (let count = 0; count < INPUTS; count++) {
      const at = chance.below(macaroons.length);
      const macaroon = decodeMacaroon(mutateBytes([macaroons[at]!, macaroons[at]!, chance.pick(macaroons)], chance));
      if (!macaroon.ok) continue;
      tried += 1;
      const { ok } = await verifyToken(macaroon.value, {
        preimage: samples.tokens[at]!.preimage,
        async epochKeys(_, epoch) {
          const name = JSON.stringify(epoch);
          const key = keys.get(name) ?? (await deriveEpochKey(TOKEN_SECRET, { epoch, hmac: nodeHmac }));
          keys.set(name, key);
          return accept(key);
        },
        hmac: nodeHmac,
      });
      if (!ok) continue;
      proved += 1;
      expect(good.has(formatToken(macaroon.value))).toBe(true);
    }
    tell(`verifyToken: ${INPUTS} inputs, ${tried} macaroons, ${proved} proved, all of them unchanged`);
    expect(tried).toBeGreaterThan(INPUTS / 10);
  });
});
