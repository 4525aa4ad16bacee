/*
 * The seller's node goes away, the hard way, at the worst moments, and comes back: nothing is lost and nothing is handed
 * out twice.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { createCredential, PaymentRefused, readOffer } from '#client/index.ts';
import { answerOf, askOffer, errorOf, payAfter } from './buying.ts';
import { until } from './daemon-process.ts';
import { startLightning, type Lightning } from './lightning.ts';
import { bridgeSettings, openWallet, startBridgeProcess, startSystem, type LndSystem } from './system.ts';

const daemons = inject('daemons');
const AT_ONCE = 40;

let lightning: Lightning;
let system: LndSystem;

/** What an unpaid request gets: the payment hash of its invoice, or the status and code of a refusal. */
async function askUnpaid(path: string): Promise<string> {
  const response = await fetch(`${system.gateway}${path}`);
  const { code } = (await response.json()) as { code: string };
  const offer = readOffer(response);
  return offer.ok ? offer.value.paymentHashHex : `${response.status} ${code}`;
}

/** The bridge leaves a node alone for some seconds after it failed, so its return is noticed a little later. */
const soldAgain = () => until('an invoice', async () => /^[0-9a-f]{64}$/.test(await askUnpaid('/call/again')));

describe.skipIf(daemons === undefined)('with a real LND that fails', () => {
  beforeAll(async () => {
    lightning = await startLightning(daemons!);
    system = await startSystem(lightning);
  });
  // A test that failed in the middle must not fail the next.
  afterEach(async () => {
    if (!(await lightning.seller.isActive())) {
      await lightning.seller.kill();
      await lightning.seller.restart();
    }
    await lightning.connect();
    await soldAgain();
  });
  afterAll(async () => {
    await system?.close();
    await lightning?.close();
  });

  it('M31: killed between the 402 and the payment: nothing is paid, and the same invoice is paid and good once the node is back', async () => {
    const before = await lightning.buyerSats();
    const kill = async (): Promise<void> => {
      await lightning.seller.kill();
      await lightning.disconnected();
    };
    const error = await errorOf(system.client({ wallet: payAfter(kill, system.wallet) })(`${system.gateway}/call/killed`));
    expect([error.code, error.paid]).toEqual(['payment_refused', 'no']);
    expect(error.cause).toBeInstanceOf(PaymentRefused);
    expect(await lightning.buyerSats()).toBe(before);

    await lightning.seller.restart();
    await lightning.connect();
    const preimageHex = await system.wallet(error.offer!.invoice);
    const credential = createCredential(error.offer!, preimageHex)!;
    expect(await answerOf(`${system.gateway}/call/killed`, credential)).toMatchObject({ status: 200, left: '0' });
    expect(before - (await lightning.buyerSats())).toBe(10n);
  });

  it('M23 D26: killed while it mints: every 402 that went out has an invoice of its own that the node still knows, and a repeated order gets no second one', async () => {
    const order = () => ({ amountMsat: '7000', memo: 'order', expirySeconds: 600, idempotencyKey: randomBytes(16).toString('hex') });
    const orders = Array.from({ length: AT_ONCE }, order);
    const place = async (ordered: (typeof orders)[number]) => {
      const { status, body } = await system.askBridge('POST', '/v1/invoices', ordered);
      return status === 200 ? String(body['invoice']) : `${status} ${String(body['code'])}`;
    };
    const asked = Array.from({ length: AT_ONCE }, (_, index) => askUnpaid(`/call/flood/${index}`));
    const placed = orders.map(place);
    await Promise.race([...asked, ...placed]);
    await lightning.seller.kill();
    const [answers, first] = await Promise.all([Promise.all(asked), Promise.all(placed)]);
    expect(await askUnpaid('/call/away')).toBe('503 node_unavailable');

    await lightning.seller.restart();
    await soldAgain();
    const later = await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => askUnpaid(`/call/later/${index}`)));
    // The kill came between them.
    expect(new Set([...answers, ...first].map((answer) => (answer.includes(' ') ? answer : 'invoice')))).toEqual(
      new Set(['invoice', '503 node_unavailable']),
    );
    const hashes = [...answers, ...later].filter(isHash);
    expect(new Set(hashes).size).toBe(hashes.length);
    for (const hash of hashes) expect((await system.askBridge('GET', `/v1/invoices/${hash}`)).body).toMatchObject({ state: 'open' });

    const repeated = await Promise.all(orders.map(place));
    expect(new Set(repeated).size).toBe(AT_ONCE);
    expect(await Promise.all(orders.map(place))).toEqual(repeated);
    const [answered, again] = [first, repeated].map((invoices) => invoices.filter((_, index) => first[index]!.startsWith('lnbcrt')));
    expect(again).toEqual(answered);
    expect(repeated.every((invoice) => invoice.startsWith('lnbcrt'))).toBe(true);
  });

  it('M23: killed while invoices lie ready: they are handed out, each once, and are good once the node is back', async () => {
    const url = `${system.pooledGateway}/call/ready`;
    const asked = async () => {
      const response = await fetch(url);
      return { status: response.status, ...((await response.json()) as { token: string; invoice: string }) };
    };
    await until('an invoice of the pool', async () => {
      await asked();
      return system.log().includes('"source":"ready"');
    });
    await lightning.seller.kill();
    const offers = [await asked(), await asked()];
    expect(offers.map(({ status }) => status)).toEqual([402, 402]);
    expect(offers[0]!.invoice).not.toBe(offers[1]!.invoice);
    await lightning.seller.restart();
    await lightning.connect();
    for (const { token, invoice } of offers) {
      const headers = { authorization: `L402 ${token}:${await system.wallet(invoice)}` };
      expect((await fetch(url, { headers })).status).toBe(200);
    }
  });

  it('D26: with a locked wallet it sells nothing and says why to its operator; unlocked, it sells again', async () => {
    const { invoice } = await askOffer(`${system.gateway}/call/before-lock`);
    await lightning.seller.kill();
    await lightning.seller.restart({ locked: true });
    expect(await askUnpaid('/call/locked')).toBe('503 node_unavailable');
    await until('the line in the log', async () => system.log().includes('"fault":"wallet_locked"'));
    const check = startBridgeProcess(bridgeSettings(lightning.seller, system.macaroons.bridge), ['check']);
    expect(await check.ended).toBe(1);
    expect(check.output()).toContain('the wallet of the node is locked. Unlock it');
    const wallet = openWallet(lightning.seller, system.macaroons.wallet);
    await expect(wallet(invoice)).rejects.toEqual(new PaymentRefused('the wallet of the node is locked'));

    await lightning.seller.unlock();
    await lightning.connect();
    await soldAgain();
    expect((await system.client()(`${system.gateway}/call/unlocked`)).status).toBe(200);
  });
});

function isHash(answer: string): boolean {
  return /^[0-9a-f]{64}$/.test(answer);
}
