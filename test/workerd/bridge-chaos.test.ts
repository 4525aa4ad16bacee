/*
 * The bridge seen from the gateway when it is slow, lies, or has another time: signed requests and answers as they are, over
 * a binding that leads to a bridge of the test's. docs/failure.md names these tests.
 */
import { reset } from 'cloudflare:test';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createBridgeLightning } from '#adapters/bridge-lightning.ts';
import { MintRequest } from '#lnd-bridge/contract.ts';
import { checkRequest, signAnswer } from '#lnd-bridge/request-auth.ts';
import { formatHex } from '#protocol/bytes.ts';
import { parseInvoice } from '#protocol/invoice.ts';
import { msat } from '#protocol/msat.ts';
import { defineGateway } from '#src/config/config.ts';
import { makeToken } from '#support/tokens.ts';
import { startEmbedded } from './embedded-mint.ts';
import { buy, codeOf, openGateway, type DoorOptions } from './front-door.ts';

const KEY = { id: '1', secret: new Uint8Array(32).fill(0xb1) };
/** Of a bridge whose settings say nothing of it. */
const MAX_SKEW_SECONDS = 60;
const MINT_LIMIT_MS = 10_000;

const shop = defineGateway({
  policy: { challenges: { perMinute: 30, open: 2 } },
  routes: [{ match: 'GET /call', service: 'call', priceSats: 1 }],
});

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** A bridge with the embedded node whose clock is so many seconds off, and whose answers may be changed on their way. */
function startBridge({ aheadSeconds = 0, change = (answer: Answer) => answer } = {}) {
  const nowMs = () => Date.now() + aheadSeconds * 1000;
  const node = startEmbedded(nowMs);
  const answer = async ({ method, pathAndQuery, body, headers }: Sent): Promise<Answer> => {
    const header = (name: string) => headers.get(name);
    const bounds = { keys: [KEY], nowSeconds: Math.floor(nowMs() / 1000), maxSkewSeconds: MAX_SKEW_SECONDS };
    const checked = checkRequest({ method, pathAndQuery, body, header }, bounds);
    if (!checked.ok) return { status: 401, body: JSON.stringify(checked.refusal), headers: {} };
    const { amountMsat, ...order } = MintRequest.parse(JSON.parse(body));
    const { invoice, settlement } = await node.mint({ ...order, amountMsat: msat(BigInt(amountMsat)) });
    const facts = parseInvoice(invoice);
    if (!facts.ok) throw new Error(facts.refusal.code);
    const { paymentHash, expiresAtSeconds } = facts.value;
    const told = JSON.stringify({ invoice, paymentHashHex: formatHex(paymentHash), expiresAtSeconds, settlement });
    const { nonceHex } = checked.value;
    return change({ status: 200, body: told, headers: signAnswer({ status: 200, body: told, nonceHex }, KEY) });
  };
  return { answer, pay: node.pay };
}

interface Sent {
  readonly method: string;
  readonly pathAndQuery: string;
  readonly body: string;
  readonly headers: Headers;
}

function openBefore(answer: (sent: Sent, signal: AbortSignal) => Promise<Answer>, options: DoorOptions = {}) {
  const fetch = async (address: string, init: RequestInit) => {
    const { pathname, search } = new URL(address);
    const sent = {
      method: init.method!,
      pathAndQuery: pathname + search,
      body: String(init.body ?? ''),
      headers: new Headers(init.headers as Headers),
    };
    const { status, body, headers } = await answer(sent, init.signal!);
    return new Response(body, { status, headers });
  };
  const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
  const lightning = createBridgeLightning({ url: 'http://bridge.test', binding: { fetch }, key: KEY, clock: Date.now, random });
  const door = openGateway(shop, { ...options, parts: { lightning, ...options.parts } });
  const expectNothingSold = async () => {
    const refused = await door.ask('/call');
    expect([refused.status, await codeOf(refused.clone()), refused.headers.get('retry-after')]).toEqual([503, 'node_unavailable', '5']);
    expect([refused.headers.has('www-authenticate'), (await refused.text()).includes('lnbc')]).toEqual([false, false]);
    // Who has paid needs no bridge.
    const { authorization } = await makeToken({ service: 'call' });
    expect((await door.ask('/call', { headers: { authorization } })).status).toBe(200);
  };
  return { door, expectNothingSold, reasons: () => door.logged.flatMap(([event, { message }]) => (event === 'fault' ? [message] : [])) };
}

beforeEach(() => reset());

describe('a bridge that does not answer', () => {
  it('M17: is waited for ten seconds and no longer; nothing is sold, no place for an invoice is taken, and who has paid is served', async () => {
    const limits: { readonly ms: number; readonly end: () => void }[] = [];
    vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => {
      const controller = new AbortController();
      limits.push({ ms, end: () => controller.abort(new DOMException('too late', 'TimeoutError')) });
      return controller.signal;
    });
    onTestFinished(() => void vi.restoreAllMocks());
    const bridge = startBridge();
    let isSlow = true;
    const { door, expectNothingSold, reasons } = openBefore((sent, signal) => {
      if (!isSlow) return bridge.answer(sent);
      // The time is over as soon as the bridge has the request.
      queueMicrotask(() => limits.at(-1)!.end());
      return new Promise((_, reject) => void signal.addEventListener('abort', () => reject(signal.reason as Error)));
    });
    // More often than a client may have open invoices.
    for (let asked = 0; asked < 4; asked++) await expectNothingSold();
    // Beside them, which node it is was asked for once, in the background.
    expect(limits.map(({ ms }) => ms).filter((ms) => ms === MINT_LIMIT_MS)).toHaveLength(4);
    expect(reasons()).toEqual(Array.from({ length: 4 }, () => 'too late'));
    isSlow = false;
    const offered = [await door.ask('/call'), await door.ask('/call')];
    expect(offered.map(({ status }) => status)).toEqual([402, 402]);
  });
});

describe('a bridge that is not the bridge, or lies', () => {
  const bend = (answer: Answer, change: (told: Record<string, unknown>) => void): Answer => {
    const told = JSON.parse(answer.body) as Record<string, unknown>;
    change(told);
    return { ...answer, body: JSON.stringify(told) };
  };
  let recorded: Answer | undefined;
  it.each<readonly [string, string, (answer: Answer) => Answer]>([
    ['signs nothing', 'without a signature', (answer) => ({ ...answer, headers: {} })],
    ['sends another invoice than it has signed', 'without a signature', (answer) => bend(answer, (told) => (told['invoice'] = 'lnbcrt1'))],
    ['gives the answer to another request again', 'without a signature', (answer) => (recorded ??= answer)],
    ['says that all is well with another status', 'without a signature', (answer) => ({ ...answer, status: 201 })],
    ['leads elsewhere', 'without a signature', () => ({ status: 302, body: '', headers: { location: 'http://elsewhere.test/' } })],
    ['sends a mebibyte', 'too large', (answer) => ({ ...answer, body: 'x'.repeat(1 << 20) })],
  ])('M28: and %s is not believed: nothing is sold, and who has paid is served', async (what, reason, change) => {
    const { expectNothingSold, reasons, door } = openBefore(startBridge({ change }).answer);
    // The first of two answers is its own.
    if (what.includes('another request')) expect((await door.ask('/call')).status).toBe(402);
    await expectNothingSold();
    expect(reasons()).toEqual([expect.stringContaining(reason)]);
  });
});

describe('a bridge with another time than the gateway', () => {
  it.each([-MAX_SKEW_SECONDS + 1, MAX_SKEW_SECONDS - 1])('M28: by %i s sells as ever', async (aheadSeconds) => {
    const bridge = startBridge({ aheadSeconds });
    const { door } = openBefore(bridge.answer);
    const authorization = await buy(door, '/call', bridge.pay);
    expect((await door.ask('/call', { headers: { authorization } })).status).toBe(200);
  });

  it.each([-MAX_SKEW_SECONDS - 2, MAX_SKEW_SECONDS + 2])(
    'M28: by %i s takes no request for fresh: nothing is sold, and who has paid is served',
    async (aheadSeconds) => {
      const { expectNothingSold, reasons } = openBefore(startBridge({ aheadSeconds }).answer);
      await expectNothingSold();
      expect(reasons()).toEqual([expect.stringContaining('401')]);
    },
  );
});
