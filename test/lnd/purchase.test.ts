/*
 * Buying and selling with real nodes: two LNDs with a channel on a chain of their own, the bridge's process, the built
 * gateway on raw workerd, our client with an LND wallet.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { attenuate, createCredential, PaymentRefused, type Offer } from '#client/index.ts';
import { createEmbeddedNode } from '#lnd-bridge/nodes/embedded.ts';
import { SYSTEM_CLOCK } from '#lnd-bridge/start.ts';
import { formatHex, parseHex } from '#protocol/bytes.ts';
import { parseInvoice } from '#protocol/invoice.ts';
import { msat } from '#protocol/msat.ts';
import { answerOf, askOffer, errorOf, payAfter } from './buying.ts';
import { until } from './daemon-process.ts';
import { leaveFigures, spreadOf } from './figures.ts';
import { startLightning, type Lightning } from './lightning.ts';
import { BRIDGE_PERMISSIONS, bridgeSettings, openPort, openWallet, startBridgeProcess, startSystem, type LndSystem } from './system.ts';

const daemons = inject('daemons');
const PURCHASES = 40;

let lightning: Lightning;
let system: LndSystem;

const stateOf = async (paymentHashHex: string) => (await system.askBridge('GET', `/v1/invoices/${paymentHashHex}`)).body;
const seenAt = (path: string): number => system.origin.seen.filter(({ url }) => url === path).length;

/** Pays for what this path sells. */
async function buy(path: string): Promise<{ offer: Offer; preimageHex: string; credential: string }> {
  const offer = await askOffer(`${system.gateway}${path}`);
  const preimageHex = await system.wallet(offer.invoice);
  return { offer, preimageHex, credential: createCredential(offer, preimageHex)! };
}

describe.skipIf(daemons === undefined)('with a real LND', () => {
  beforeAll(async () => {
    lightning = await startLightning(daemons!);
    system = await startSystem(lightning);
  });
  afterAll(async () => {
    await system?.close();
    await lightning?.close();
  });

  describe('the bridge before it', () => {
    async function check(settings: Readonly<Record<string, string>>): Promise<{ code: number | null; output: string }> {
      const bridge = startBridgeProcess(settings, ['check']);
      return { code: await bridge.ended, output: bridge.output() };
    }

    it('F1: check finds nothing wrong with the node and the macaroon that the docs tell to bake', async () => {
      expect(await check(bridgeSettings(lightning.seller, system.macaroons.bridge))).toEqual({ code: 0, output: 'lnd (lnd): ok\n' });
    });

    it('P23: a macaroon that can spend is found out, and one of another node is refused', async () => {
      const strong = await lightning.seller.bake(['invoices:read', 'invoices:write', 'info:read', 'offchain:read', 'offchain:write']);
      const found = await check(bridgeSettings(lightning.seller, strong));
      expect([found.code, found.output]).toEqual([1, expect.stringContaining('might spend: offchain:write')]);
      const foreign = await lightning.buyer.bake(BRIDGE_PERMISSIONS);
      const refused = await check(bridgeSettings(lightning.seller, foreign));
      expect([refused.code, refused.output]).toEqual([1, expect.stringContaining('the node refuses the macaroon')]);
    });

    it('P23: its macaroon cannot pay, and the macaroon of the wallet cannot make invoices', async () => {
      const { invoice } = await askOffer(`${system.gateway}/call/macaroon`);
      const wallet = openWallet(lightning.seller, system.macaroons.bridge);
      await expect(wallet(invoice)).rejects.toEqual(new PaymentRefused('the macaroon does not allow this call'));
      const mint = lightning.buyer.callWith(system.macaroons.wallet.hex)('POST', '/v1/invoices', { value: '1' });
      await expect(mint).rejects.toThrow('permission denied');
    });
  });

  describe('a purchase', () => {
    it('D26 F5: is asked for by the node, paid to it, answered by the origin, and settled there for exactly the price', async () => {
      const before = await lightning.buyerSats();
      const { offer, credential } = await buy('/call/bought');
      expect([offer.priceSats, offer.network]).toEqual(['10', 'regtest']);
      expect(await stateOf(offer.paymentHashHex)).toMatchObject({ state: 'settled', paidMsat: '10000' });
      expect(await answerOf(`${system.gateway}/call/bought`, credential)).toEqual({ status: 200, code: '', left: '0' });
      expect(before - (await lightning.buyerSats())).toBe(10n);
    });

    it('D20: is good once: the same credential again is refused and reaches nobody', async () => {
      const { credential } = await buy('/call/once');
      expect((await answerOf(`${system.gateway}/call/once`, credential)).status).toBe(200);
      expect(await answerOf(`${system.gateway}/call/once`, credential)).toMatchObject({ status: 402, code: 'payment_spent' });
      expect(seenAt('/call/once')).toBe(1);
    });

    it('D26: paying its invoice a second time costs nothing and gives the same preimage', async () => {
      const { offer, preimageHex } = await buy('/call/twice');
      const before = await lightning.buyerSats();
      expect(await system.wallet(offer.invoice)).toBe(preimageHex);
      expect(await lightning.buyerSats()).toBe(before);
    });

    it('P2: of a pass is good for any number of calls, and the client pays for it once', async () => {
      let payments = 0;
      const l402Fetch = system.client({ wallet: payAfter(async () => (payments += 1), system.wallet) });
      for (let calls = 0; calls < 5; calls++) expect((await l402Fetch(`${system.gateway}/pass/day`)).status).toBe(200);
      expect([payments, seenAt('/pass/day')]).toEqual([1, 5]);
    });

    it('P8 P9: can be handed on as a sub-token: two calls below one path, and not one more, while its giver keeps the rest', async () => {
      const { offer, preimageHex, credential } = await buy('/calls/a');
      const child = await attenuate(offer.token, { maxCalls: 2, pathPrefix: '/calls/a' });
      const issued = createCredential({ ...offer, token: child }, preimageHex)!;
      expect(await answerOf(`${system.gateway}/calls/b`, issued)).toMatchObject({ status: 402, code: 'caveat_path' });
      for (const left of ['1', '0']) expect(await answerOf(`${system.gateway}/calls/a`, issued)).toMatchObject({ status: 200, left });
      expect(await answerOf(`${system.gateway}/calls/a`, issued)).toMatchObject({ status: 402, code: 'caveat_exhausted' });
      expect(await answerOf(`${system.gateway}/calls/b`, credential)).toMatchObject({ status: 200, left: '7' });
    });
  });

  describe('an invoice that cannot be paid', () => {
    it('M31: because it has ended: the client does not ask the wallet, and the wallet says that nothing was paid', async () => {
      const late = () => Date.now() + 3_600_000;
      const asked: string[] = [];
      const wallet = payAfter(async (invoice) => asked.push(invoice), system.wallet);
      const error = await errorOf(system.client({ clock: late, wallet })(`${system.gateway}/call/ended`));
      expect([error.code, error.paid, asked]).toEqual(['invoice_expired', 'no', []]);
      // The gateway sells none that end this soon.
      const short = await lightning.seller.call<{ payment_request: string; r_hash: string }>('POST', '/v1/invoices', {
        value: '1',
        expiry: '1',
      });
      const paymentHashHex = Buffer.from(short.r_hash, 'base64').toString('hex');
      await until('the end of the invoice', async () => (await stateOf(paymentHashHex))['state'] === 'expired');
      await expect(system.wallet(short.payment_request)).rejects.toEqual(new PaymentRefused('the invoice has expired'));
    });

    it('M31: because the seller has cancelled it: the client says that nothing was paid, and nothing was', async () => {
      const before = await lightning.buyerSats();
      // Not the newest of the node: the pool may hold others that were made after it.
      const cancel = async (invoice: string): Promise<void> => {
        const facts = parseInvoice(invoice);
        if (!facts.ok) throw new Error(facts.refusal.code);
        const hash = Buffer.from(facts.value.paymentHash).toString('base64');
        await lightning.seller.call('POST', '/v2/invoices/cancel', { payment_hash: hash });
      };
      const error = await errorOf(system.client({ wallet: payAfter(cancel, system.wallet) })(`${system.gateway}/call/cancelled`));
      expect(error).toMatchObject({ code: 'payment_refused', paid: 'no' });
      expect(error.cause).toEqual(
        new PaymentRefused('the receiver rejected the payment: the invoice was cancelled, has expired or is unknown'),
      );
      expect(await stateOf(error.offer!.paymentHashHex)).toMatchObject({ state: 'canceled' });
      expect([await lightning.buyerSats(), seenAt('/call/cancelled')]).toEqual([before, 0]);
    });

    it('M31: because the channels hold too little: the client says so, nothing is lost, and the next purchase works', async () => {
      const before = await lightning.buyerSats();
      const l402Fetch = system.client({ maxPriceSats: 16_000_000 });
      const error = await errorOf(l402Fetch(`${system.gateway}/dear/thing`));
      expect(error).toMatchObject({ code: 'payment_refused', paid: 'no' });
      expect(error.cause).toEqual(new PaymentRefused("not enough balance in the node's channels"));
      expect(await stateOf(error.offer!.paymentHashHex)).toMatchObject({ state: 'open' });
      expect(await lightning.buyerSats()).toBe(before);
      expect((await l402Fetch(`${system.gateway}/call/after-dear`)).status).toBe(200);
    });
  });

  describe('two networks mixed up', () => {
    it('D33: the bridge refuses to start before a node of another network than its own', async () => {
      const bridge = startBridgeProcess({ ...bridgeSettings(lightning.seller, system.macaroons.bridge), BRIDGE_NETWORK: 'signet' });
      expect(await bridge.ended).toBe(1);
      expect(bridge.output()).toContain('the node is not on signet');
    });

    it('D33: a gateway of another network sells nothing, and a client of another network buys nothing', async () => {
      const refused = await fetch(`${system.signetGateway}/call/signet`);
      expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([503, 'node_unavailable']);
      expect(refused.headers.has('www-authenticate')).toBe(false);
      const asked: string[] = [];
      const wallet = payAfter(async (invoice) => asked.push(invoice), system.wallet);
      const error = await errorOf(system.client({ network: 'signet', wallet })(`${system.gateway}/call/signet`));
      expect([error.code, error.paid, asked]).toEqual(['invoice_network_wrong', 'no', []]);
    });
  });

  it('D26: waiting for an invoice ends by the stream of the node when it is paid, and when it is cancelled', async () => {
    const port = openPort(lightning.seller, system.macaroons.bridge);
    const [paid, cancelled] = await Promise.all(
      ['paid', 'cancelled'].map(async (memo) => {
        const order = { amountMsat: msat(3000n), memo, expirySeconds: 600, idempotencyKey: formatHex(randomBytes(16)) };
        const minted = await port.mint(order);
        if (!minted.ok) throw new Error(minted.refusal.detail);
        const { invoice, paymentHashHex } = minted.value;
        return { invoice, paymentHashHex, end: port.waitSettled(paymentHashHex, { signal: AbortSignal.timeout(30_000) }) };
      }),
    );
    await system.wallet(paid!.invoice);
    const payment_hash = Buffer.from(cancelled!.paymentHashHex, 'hex').toString('base64');
    await lightning.seller.call('POST', '/v2/invoices/cancel', { payment_hash });
    expect(await paid!.end).toMatchObject({ ok: true, value: { state: 'settled', paidMsat: 3000n } });
    expect(await cancelled!.end).toMatchObject({ ok: true, value: { state: 'canceled' } });
    port.close();
  });

  it('F5: lncli reads an invoice of the embedded node as it was ordered', async () => {
    const secretKey = parseHex('11'.repeat(32))!;
    const node = createEmbeddedNode({ secretKey, clock: SYSTEM_CLOCK, random: randomBytes });
    const order = { amountMsat: msat(1_234_567n), memo: 'Weather, 1 day', expirySeconds: 600, idempotencyKey: formatHex(randomBytes(16)) };
    const minted = await node.mint(order);
    if (!minted.ok) throw new Error(minted.refusal.detail);
    const key = await node.nodeKeyHex();
    const read = JSON.parse(await lightning.buyer.lncli('decodepayreq', minted.value.invoice)) as Record<string, string>;
    expect(read).toMatchObject({
      destination: key.ok && key.value,
      payment_hash: minted.value.paymentHashHex,
      num_msat: '1234567',
      description: 'Weather, 1 day',
      expiry: '600',
    });
  });

  it('P36: forty purchases in a row, each part measured; no log holds a preimage, a token or a macaroon', async () => {
    const times = { mint: [] as number[], pay: [] as number[], verify: [] as number[], purchase: [] as number[] };
    const preimages: string[] = [];
    async function measure<Value>(part: keyof typeof times, work: () => Promise<Value>): Promise<Value> {
      const startedMs = performance.now();
      const value = await work();
      times[part].push(performance.now() - startedMs);
      return value;
    }
    const tokens = new Set<string>();
    const l402Fetch = system.client({
      fetch: (input, init) => {
        const authorization = new Headers(init?.headers).get('authorization');
        if (authorization !== null) tokens.add(authorization.slice('L402 '.length, authorization.lastIndexOf(':')));
        return measure(authorization === null ? 'mint' : 'verify', () => fetch(input, init));
      },
      wallet: (invoice) =>
        measure('pay', async () => {
          const preimageHex = await system.wallet(invoice);
          preimages.push(preimageHex);
          return preimageHex;
        }),
    });
    for (let index = 0; index < PURCHASES; index++) {
      const response = await measure('purchase', () => l402Fetch(`${system.gateway}/call/measured/${index}`));
      expect([response.status, await response.text()]).toEqual([200, 'origin']);
    }
    expect([new Set(preimages).size, tokens.size, times.verify.length]).toEqual([PURCHASES, PURCHASES, PURCHASES]);
    const spreads = Object.fromEntries(Object.entries(times).map(([part, list]) => [part, spreadOf(list)]));
    leaveFigures({ suite: 'lnd', unit: 'ms', purchases: PURCHASES, ...spreads, versions: daemons!.versions });
    const log = system.log();
    expect(log).toContain('invoice_minted');
    const secrets = [...preimages, ...tokens, system.macaroons.bridge.hex, system.macaroons.wallet.hex];
    expect(secrets.some((secret) => log.includes(secret))).toBe(false);
  });
});
