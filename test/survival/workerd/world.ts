/*
 * The gateway that the model test holds against its reference: two Workers over real objects, whose clock, origin and
 * wallet are the test's. Time is the isolate's own, so that objects live by it too.
 */
import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { vi } from 'vitest';
import { attenuate } from '#client/attenuate.ts';
import { type Narrowing } from '#client/narrowing.ts';
import { createDurableClaims } from '#adapters/do-claims.ts';
import { parseL402Offer } from '#protocol/challenge-header.ts';
import { type Control } from '#durable-objects/control.ts';
import { type ReplaySet } from '#durable-objects/replay-set.ts';
import { defineGateway } from '#src/config/config.ts';
import { type Claims } from '#src/ports.ts';
import { MANY_CHALLENGES } from '#support/fakes.ts';
import { startEmbedded } from '../../workerd/embedded-mint.ts';
import { codeOf, openGateway, type FrontDoor } from '../../workerd/front-door.ts';
import { type Token } from './reference.ts';

export const PACK_CALLS = 4;
export const PURSE_SATS = 100;
export const PRICES_MSAT = { once: 1000, pack: 1000, pass: 1000, cheap: 10_000, expensive: 45_000 } as const;
export type Ware = keyof typeof PRICES_MSAT;

const REFRESH_SECONDS = 1;
const ADMIN_SECRET = 'ad'.repeat(32);

const purse = { service: 'purse', access: { creditSats: PURSE_SATS } } as const;
const shop = defineGateway({
  // One object to reset.
  claimShardBits: 0,
  // The model knows payments; its origins fail far more often than a breaker lets them, and nobody counts who asks.
  policy: { breaker: false, challenges: MANY_CHALLENGES },
  controlRefreshSeconds: REFRESH_SECONDS,
  graceHours: 24 * 100,
  routes: [
    { match: '/once/*', service: 'once', priceSats: 1 },
    { match: '/pack/*', service: 'pack', priceSats: 1, access: { calls: PACK_CALLS } },
    { match: '/pass/*', service: 'pass', priceSats: 1, access: { seconds: 7200 } },
    { match: '/cheap/*', ...purse, priceSats: 10 },
    { match: '/expensive/*', ...purse, priceSats: 45 },
  ],
});

const { REPLAY_SET: namespace, CONTROL: controls } = env as unknown as {
  REPLAY_SET: DurableObjectNamespace<ReplaySet>;
  CONTROL: DurableObjectNamespace<Control>;
};
const place = () => namespace.get(namespace.idFromName('1/0/0/0'));
const claims = createDurableClaims(namespace);
const lightning = startEmbedded();

/** The gateway, the wallet, and the texts of the tokens that the reference knows. */
export class World {
  readonly tokens: { readonly token: Token; readonly text: string; readonly preimageHex: string }[] = [];
  nowMs = Date.now();
  origin: 'good' | 'fails' | 'vanishes' = 'good';
  /** Calls that have reached the origin. */
  seen = 0;
  keyIds: readonly number[] = [2];
  #doors: readonly FrontDoor[] = [];

  constructor() {
    this.rotate([2]);
  }

  /** Deploys anew, with these keys; the first one signs. */
  rotate(keyIds: readonly number[]): void {
    this.keyIds = keyIds;
    const secrets = Object.fromEntries(keyIds.map((id) => [`TOKEN_SECRET_${id}`, `0${id}`.repeat(32)]));
    const vanishing: Claims = {
      reserve: async (order) => {
        const answer = await claims.reserve(order);
        // The Worker is gone before it can say what became of the call.
        return answer.kind === 'granted' && this.origin === 'vanishes' ? { ...answer, lease: { finish: () => Promise.resolve() } } : answer;
      },
    };
    const open = () =>
      openGateway(shop, {
        variables: { ...secrets, TOKEN_KEY_ID: String(keyIds[0]), ADMIN_SECRET },
        parts: {
          lightning,
          claims: vanishing,
          origin: () => {
            this.seen += 1;
            return Promise.resolve(new Response('origin', { status: this.origin === 'fails' ? 503 : 200 }));
          },
        },
      });
    this.#doors = [open(), open()];
  }

  /** Buys, and tells when the token ends. */
  async buy(ware: Ware, tokenOf: (endsAtSeconds: number) => Token): Promise<void> {
    const response = await this.#doors[0]!.ask(`/${ware}/a`);
    const offer = parseL402Offer(response.headers.get('www-authenticate') ?? '');
    if (!offer.ok) throw new Error(offer.refusal.code);
    const { token_expires_at: end } = await response.json<{ token_expires_at: string }>();
    const preimageHex = lightning.pay(offer.value.invoice);
    this.tokens.push({ token: tokenOf(Date.parse(end) / 1000), text: offer.value.token, preimageHex });
  }

  async narrow(index: number, { narrowing, token }: { narrowing: Narrowing; token: Token }): Promise<void> {
    const { text, preimageHex } = this.tokens[index]!;
    this.tokens.push({ token, text: await attenuate(text, narrowing), preimageHex });
  }

  async use(index: number, { door, path }: { door: number; path: string }) {
    const { text, preimageHex } = this.tokens[index]!;
    const before = this.seen;
    const response = await this.#doors[door]!.ask(path, { headers: { authorization: `L402 ${text}:${preimageHex}` } });
    const { status, headers } = response;
    const told = headers.get('l402-remaining') ?? headers.get('l402-remaining-msat');
    const code = await codeOf(response);
    return { status, code, left: told === null ? undefined : Number(told), calls: this.seen - before };
  }

  /** Moves the clock of gateway and objects. */
  moveClock(seconds: number): void {
    this.nowMs += seconds * 1000;
    vi.spyOn(Date, 'now').mockReturnValue(this.nowMs);
  }

  /** The operator's order, given at the first door. */
  async revoke(index: number): Promise<void> {
    const body = JSON.stringify({ revoke: 'token', token: this.tokens[index]!.text });
    const headers = { authorization: `Bearer ${ADMIN_SECRET}` };
    const answer = await this.#doors[0]!.ask('/_l402/control', { method: 'POST', headers, body });
    if (!answer.ok) throw new Error(`not revoked: ${await answer.text()}`);
  }

  /** Lets the interval pass in which doors ask for what was revoked, and the request that makes each of them ask. */
  async hear(): Promise<void> {
    // Twice: the clock was set back meanwhile, perhaps, and one step brings it to where it was when a door asked last.
    for (let times = 0; times < 2; times++) {
      this.moveClock(REFRESH_SECONDS);
      for (const door of this.#doors) await door.ask('/once/a');
    }
  }

  /** Forgets other lives: a bounded number of revocations is kept, and the clock goes back to where this life begins (M32). */
  async forgetOtherLives(): Promise<void> {
    for (const object of [controls.get(controls.idFromName('control/1')), place()]) {
      await runInDurableObject(object as DurableObjectStub, (_, { storage }) => storage.deleteAll());
    }
    await abortAllDurableObjects();
  }

  /** Resets every object, after what was told is on disk. */
  async restart(): Promise<void> {
    const paymentHash = crypto.getRandomValues(new Uint8Array(32)).buffer;
    const endsAtSeconds = Math.floor(Date.now() / 1000) + 3600;
    const scrap = await place().reserve({
      paymentHash,
      reservationId: 'scrap',
      leaseMs: 1000,
      endsAtSeconds,
      limit: 1,
      cost: 1,
      draws: [],
    });
    if (scrap.answer.kind !== 'granted') throw new Error('a new payment was refused');
    await abortAllDurableObjects();
  }

  /** Drops rows that have ended. */
  async prune(): Promise<void> {
    await runDurableObjectAlarm(place());
  }
}
