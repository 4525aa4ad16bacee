import { createHash } from 'node:crypto';
import { bech32 } from '@scure/base';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createWalletServer } from '#lnd-bridge/nodes/embedded-wallet-server.ts';
import { msat } from '#protocol/msat.ts';
import { createTestClock, createTestNode, nextNonceHex, START_SECONDS, type TestClock } from './bridge-harness.ts';

const TOKEN = 'token-of-the-tests-0123456789abcdef';

interface Wallet {
  readonly clock: TestClock;
  readonly url: string;
  mint(): Promise<string>;
  pay(body: unknown, headers?: Record<string, string>): Promise<{ status: number; body: Record<string, string> }>;
}

/** Nodes with one key are one node: of another it is only when it has another. */
async function startWallet(secretKey?: Uint8Array): Promise<Wallet> {
  const clock = createTestClock();
  const node = createTestNode(clock, secretKey === undefined ? {} : { secretKey });
  const server = createWalletServer(node, { port: 0, token: TOKEN, log: () => undefined });
  const { port } = await server.listen();
  onTestFinished(() => server.close());
  const url = `http://127.0.0.1:${port}`;
  return {
    clock,
    url,
    async mint() {
      const minted = await node.mint({ amountMsat: msat(10_000n), memo: 'x', expirySeconds: 600, idempotencyKey: nextNonceHex() });
      if (!minted.ok) throw new Error(minted.refusal.code);
      return minted.value.invoice;
    },
    async pay(body, headers = { authorization: `Bearer ${TOKEN}` }) {
      const response = await fetch(`${url}/v1/pay`, { method: 'POST', headers, body: JSON.stringify(body) });
      return { status: response.status, body: (await response.json()) as Record<string, string> };
    },
  };
}

/** The same invoice, the same payment hash, a sound checksum: another network. */
function moveTo(prefix: string, invoice: string): string {
  const decoded = bech32.decode(invoice as `ln1${string}`, false);
  return bech32.encode(decoded.prefix.replace('lnbcrt', prefix), decoded.words, false);
}

describe('the pay endpoint of the embedded node', () => {
  test('gives the preimage of the payment hash for the token and the invoice', async () => {
    const { mint, pay } = await startWallet();
    const invoice = await mint();
    const { status, body } = await pay({ invoice });
    expect([status, Object.keys(body).sort()]).toEqual([200, ['amountMsat', 'feeMsat', 'preimageHex']]);
    expect(body).toMatchObject({ amountMsat: '10000', feeMsat: '0' });
    const hash = createHash('sha256').update(Buffer.from(body['preimageHex']!, 'hex')).digest();
    const words = bech32.toWords(new Uint8Array(hash));
    expect(bech32.decode(invoice as `ln1${string}`, false).words.join(',')).toContain(words.join(','));
  });

  test('gives the first result again when a paid invoice is paid again, even after its end', async () => {
    const { mint, pay, clock } = await startWallet();
    const invoice = await mint();
    const first = await pay({ invoice });
    expect(await pay({ invoice })).toEqual(first);
    clock.set(START_SECONDS + 600);
    expect(await pay({ invoice: invoice.toUpperCase() })).toEqual(first);
  });

  test('M28 refuses mainnet, testnet, signet and simnet invoices, also over a payment hash of its own', async () => {
    const { mint, pay } = await startWallet();
    const invoice = await mint();
    for (const prefix of ['lnbc', 'lntb', 'lntbs', 'lnsb']) {
      expect(await pay({ invoice: moveTo(prefix, invoice) })).toMatchObject({ status: 403, body: { code: 'network_refused' } });
    }
  });

  test('M28 refuses a missing or wrong token before it looks at the invoice', async () => {
    const { mint, pay, url } = await startWallet();
    const invoice = await mint();
    const wrong = [undefined, '', 'Bearer', `Bearer ${TOKEN}x`, `Bearer ${TOKEN.slice(1)}`, `Basic ${TOKEN}`, TOKEN];
    for (const authorization of wrong) {
      const answer = await pay({ invoice }, authorization === undefined ? {} : { authorization });
      expect(answer).toMatchObject({ status: 401, body: { code: 'token_wrong' } });
      expect(JSON.stringify(answer.body)).not.toMatch(/[0-9a-f]{64}/);
    }
    const bare = await fetch(`${url}/v1/pay`, { method: 'POST' });
    expect(bare.headers.get('www-authenticate')).toBe('Bearer');
  });

  test('M28 refuses invoices that it did not make, also those over one of its hashes', async () => {
    const { mint, pay } = await startWallet();
    const foreign = await (await startWallet(new Uint8Array(32).fill(0x55))).mint();
    expect(await pay({ invoice: foreign })).toMatchObject({ status: 404, body: { code: 'invoice_unknown' } });
    const dearer = moveTo('lnbcrt9', await mint());
    expect(await pay({ invoice: dearer })).toMatchObject({ status: 404, body: { code: 'invoice_unknown' } });
  });

  test('refuses an invoice whose end has come, and one that does not decode', async () => {
    const { mint, pay, clock } = await startWallet();
    const invoice = await mint();
    clock.set(START_SECONDS + 600);
    expect(await pay({ invoice })).toMatchObject({ status: 410, body: { code: 'invoice_expired' } });
    expect(await pay({ invoice: 'lnbcrt1' })).toMatchObject({ status: 400, body: { code: 'invoice_malformed' } });
  });

  test('refuses other bodies, paths and methods', async () => {
    const { pay, url } = await startWallet();
    expect(await pay({})).toMatchObject({ status: 400, body: { code: 'body_invalid' } });
    expect(await pay({ invoice: 'x', more: 1 })).toMatchObject({ status: 400 });
    expect(await pay({ invoice: 'x'.repeat(8192) })).toMatchObject({ status: 413, body: { code: 'body_too_large' } });
    expect((await fetch(url)).status).toBe(404);
    const got = await fetch(`${url}/v1/pay`);
    expect([got.status, got.headers.get('allow')]).toEqual([405, 'POST']);
  });
});
