/*
 * Strict settlement fed by the subscription of a real LND (M24): what is sold is believed once the node has told of its
 * payment, without asking it, whatever is restarted in between.
 */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createCredential, type Offer } from '#client/index.ts';
import { answerOf, askOffer } from './buying.ts';
import { until } from './daemon-process.ts';
import { startLightning, type Lightning } from './lightning.ts';
import { startSystem, type LndSystem } from './system.ts';

const daemons = inject('daemons');
const REFUSED = { status: 503, code: 'invoice_unsettled', left: null };
const SERVED = { status: 200, code: '', left: '0' };

let lightning: Lightning;
let system: LndSystem;

const order = (path: string) => askOffer(`${system.gateway}${path}`);
/** Resolves when the gateway has been told of this payment. */
async function pushed({ paymentHashHex }: Offer): Promise<void> {
  const { settle_index } = await lightning.seller.call<{ settle_index: string }>('GET', `/v1/invoice/${paymentHashHex}`);
  await until('the payment at the gateway', async () => (await system.pushedIndex()) >= Number(settle_index));
}

/** Uses it while nobody can be asked about it: what is good then was pushed. */
async function useAlone(path: string, credential: string) {
  await system.stopBridge();
  const answer = await answerOf(`${system.gateway}${path}`, credential);
  await system.startBridge();
  return answer;
}

async function pay(offer: Offer): Promise<string> {
  return createCredential(offer, await system.wallet(offer.invoice))!;
}

/** What LND tells of an invoice that nobody has paid, to anyone who may read invoices. */
async function readLeak({ paymentHashHex }: Offer): Promise<string> {
  const { r_preimage } = await lightning.seller.call<{ r_preimage: string }>('GET', `/v1/invoice/${paymentHashHex}`);
  return Buffer.from(r_preimage, 'base64').toString('hex');
}

describe.skipIf(daemons === undefined)('strict settlement with a real LND', () => {
  beforeAll(async () => {
    lightning = await startLightning(daemons!);
    system = await startSystem(lightning, { hasFeed: true });
    await lightning.connect();
    // A feed of LND begins with the first payment that comes while it is followed.
    await until('the first payment of the feed', async () => {
      await pay(await order('/call/begin'));
      return (await system.pushedIndex()) > 0;
    });
  });
  afterAll(async () => {
    await system?.close();
    await lightning?.close();
  });

  it('M24: a preimage that LND itself tells before the payment buys nothing; the payment does', async () => {
    const offer = await order('/call/leaked');
    const credential = createCredential(offer, await readLeak(offer))!;
    for (let uses = 0; uses < 2; uses++) expect(await answerOf(`${system.gateway}/call/leaked`, credential)).toEqual(REFUSED);
    const bought = await order('/call/first');
    expect(await answerOf(`${system.gateway}/call/first`, await pay(bought))).toEqual(SERVED);
    expect(system.origin.seen.map(({ url }) => url)).toEqual(['/call/first']);
  });

  it('M24: a payment is pushed from the subscription: the token is good while the bridge is away', async () => {
    const offer = await order('/call/pushed');
    const credential = await pay(offer);
    await pushed(offer);
    expect(await useAlone('/call/pushed', credential)).toEqual(SERVED);
  });

  it('M24: payments made while the bridge was away are pushed when it is back, in sequence and each once', async () => {
    const offers = [await order('/call/away/1'), await order('/call/away/2'), await order('/call/away/3')];
    await system.stopBridge();
    const credentials: string[] = [];
    for (const offer of offers) credentials.push(await pay(offer));
    await system.startBridge();
    await pushed(offers[2]!);
    await system.stopBridge();
    for (const [index, credential] of credentials.entries()) {
      expect(await answerOf(`${system.gateway}/call/away/${index + 1}`, credential)).toEqual(SERVED);
    }
    await system.startBridge();
  });

  it('M24: the feed goes on after the node was killed and started again', async () => {
    await lightning.seller.kill();
    await lightning.seller.restart();
    await lightning.connect();
    const offer = await until('an invoice', () => order('/call/restarted'));
    const credential = await pay(offer);
    await pushed(offer);
    expect(await useAlone('/call/restarted', credential)).toEqual(SERVED);
    expect(system.log()).toContain('"event":"feed_failed"');
  });

  it('M28: no log holds a macaroon or the preimage that was read', async () => {
    const leak = await readLeak(await order('/call/log'));
    const log = system.log();
    for (const secret of [leak, system.macaroons.bridge.hex, system.macaroons.wallet.hex]) expect(log).not.toContain(secret);
  });
});
