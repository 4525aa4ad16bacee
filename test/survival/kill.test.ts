/*
 * workerd is killed at random points under mixed load and started again on its disk, while the driver keeps a ledger of
 * every use (ledger.ts). At the end every payment is used up, and the ledger is held against what came of it.
 */
import { type IncomingMessage, type ServerResponse } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestSystem } from '#support/test-system.ts';
import { createCaller, type Answer, type Caller } from './caller.ts';
import { createLedger, judge, type Ending, type Ledger, type Use } from './ledger.ts';
import { startPair } from './pair.ts';
import { sell, type Holder, type Sale, type Ware } from './sales.ts';
import { createChance, SEED, sized, tell, type Chance } from './seed.ts';

const KILLS = sized({ short: 20, long: 200 });
const CALLERS = 24;
/** Events (requests at the origin, answers) between a start and a kill. */
const MOST_EVENTS = 400;
/** Payments that are in use at a time. */
const OPEN_SALES = 40;

let system: TestSystem;

beforeAll(async () => {
  system = await startPair();
});
afterAll(() => system.close());

/** The load, the ledger and the moments at which a kill may happen. */
class Driver {
  readonly ledger: Ledger = createLedger();
  readonly #chance: Chance;
  readonly #caller: Caller = createCaller();
  readonly #uses = new Map<string, Use>();
  readonly #sales: Sale[] = [];
  readonly #open: Sale[] = [];
  readonly answers = new Map<string, number>();
  #sold = 0;
  #events = 0;
  #onEvent: (() => void) | undefined;
  #isDying = false;

  constructor(seed: number) {
    this.#chance = createChance(seed);
  }

  get sales(): readonly Sale[] {
    return this.#sales;
  }

  /** Answers as the path says, and remembers what was done for whom. */
  respond(request: IncomingMessage, response: ServerResponse): void {
    const use = this.#uses.get(String(request.headers['x-use']));
    if (use !== undefined) use.isAtOrigin = true;
    this.#tick();
    if (request.url!.endsWith('/503')) return void response.writeHead(503).end('busy');
    if (request.url!.endsWith('/reset')) return void request.socket.resetAndDestroy();
    response.writeHead(200).end('done');
    if (use !== undefined) use.isDone = true;
  }

  /** Resolves when so many things have happened. */
  after(events: number): Promise<void> {
    this.#events = events;
    return new Promise((resolve) => {
      this.#onEvent = resolve;
    });
  }

  #tick(): void {
    if (--this.#events > 0 || this.#onEvent === undefined) return;
    this.#onEvent();
    this.#onEvent = undefined;
  }

  /** Lets callers call until the process is killed, and ends when every call has. */
  async live(kill: () => Promise<void>): Promise<void> {
    this.#isDying = false;
    const callers = Array.from({ length: CALLERS }, () => this.#callOn());
    await this.after(1 + this.#chance.below(MOST_EVENTS));
    // Some turns of the loop later, so that kills fall between events too.
    for (let turns = this.#chance.below(8); turns > 0; turns--) await new Promise((resolve) => void setImmediate(resolve));
    this.#isDying = true;
    await kill();
    await Promise.all(callers);
    this.#caller.hangUp();
    this.ledger.kill();
  }

  async #callOn(): Promise<void> {
    while (!this.#isDying) {
      const sale = await this.#chooseSale();
      const holder = this.#chance.pick(sale.holders);
      const fails = sale.failuresLeft > 0 && this.#chance.percent(15);
      if (fails) sale.failuresLeft -= 1;
      const suffix = fails ? this.#chance.pick(['503', 'reset']) : 'good';
      const answer = await this.use(sale, { holder, ware: this.#chance.pick(sale.wares), suffix });
      if (answer !== 'cut' && answer.code === 'payment_spent' && this.#open.includes(sale)) {
        this.#open.splice(this.#open.indexOf(sale), 1);
      }
    }
  }

  /** Mostly one that is in use, sometimes one that has been used up. */
  async #chooseSale(): Promise<Sale> {
    if (this.#sales.length > 0 && this.#chance.percent(15)) return this.#chance.pick(this.#sales);
    if (this.#open.length >= OPEN_SALES) return this.#chance.pick(this.#open);
    const sale = await sell(this.#sold++, { ledger: this.ledger, chance: this.#chance });
    this.#sales.push(sale);
    this.#open.push(sale);
    return sale;
  }

  async use(
    { place }: Sale,
    { holder: { authorization, accounts }, ware: { path, cost }, suffix }: { holder: Holder; ware: Ware; suffix: string },
  ): Promise<Answer | 'cut'> {
    const use = this.ledger.begin(
      place,
      accounts.map((account) => ({ account, cost })),
    );
    const name = String(this.#uses.size);
    this.#uses.set(name, use);
    const port = system.ports[this.#chance.pick(['gateway', 'second'])]!;
    const answer = await this.#caller.call({ port, path: `${path}/${suffix}`, authorization, headers: { 'x-use': name } });
    const ending = endingOf(answer);
    this.ledger.end(use, ending);
    const label = answer === 'cut' ? 'cut' : `${answer.status} ${answer.code}`.trim();
    this.answers.set(label, (this.answers.get(label) ?? 0) + 1);
    if (answer === 'cut' && !this.#isDying) throw new Error(`${path}: cut off, though nobody was killed`);
    this.#tick();
    return answer;
  }
}

/** What an answer says of the use. Failures that do not say that the payment is good leave it in doubt. */
function endingOf(answer: Answer | 'cut'): Ending {
  if (answer === 'cut') return 'cut';
  const { status, left } = answer;
  if (status === 200) return 'counted';
  if (status === 402 || status === 409) return 'refused';
  if ((status === 503 || status === 502) && left !== undefined) return 'released';
  throw new Error(`an answer that nothing explains: ${status} ${answer.code}`);
}

/** Uses up every account, asking again while calls are in doubt, and notes what each refusal says is left. */
async function drain(driver: Driver): Promise<void> {
  // The narrowest first: a payment that is used up says nothing of its counters.
  let waiting = driver.sales.flatMap((sale) => sale.holders.toReversed().map((holder) => ({ sale, holder })));
  while (waiting.length > 0) {
    const again: typeof waiting = [];
    for (const one of waiting) {
      // A holder waits for those below it.
      if (again.some(({ sale }) => sale === one.sale) || !(await useUp(driver, one))) again.push(one);
    }
    waiting = again;
  }
}

/** Calls until the holder is refused for good; false when it is to ask again. */
async function useUp(driver: Driver, { sale, holder }: { sale: Sale; holder: Holder }): Promise<boolean> {
  const [ware] = sale.wares as [Ware];
  const account = holder.accounts.at(-1)!;
  for (let calls = 0; ; calls++) {
    const answer = await driver.use(sale, { holder, ware, suffix: 'good' });
    if (answer === 'cut') throw new Error('cut off, though nobody was killed');
    if (answer.status === 409) return false;
    if (answer.status !== 200) {
      if (answer.code === 'payment_spent' && account.isPayment) account.left = answer.left ?? 0;
      return true;
    }
    // The token below was refused though this one is good: its own counter was at its end, within less than a call.
    const below = sale.holders[sale.holders.indexOf(holder) + 1]?.accounts.at(-1);
    if (calls === 0 && below !== undefined) below.left = ware.cost - 1;
  }
}

describe('workerd killed under load', () => {
  it(
    `M10 M11: ${KILLS} kills lose no paid call, and accept none again after its outcome was on disk`,
    { timeout: sized({ short: 180_000, long: 3_600_000 }) },
    async () => {
      const driver = new Driver(SEED);
      system.origin.respond = (request, response) => driver.respond(request, response);
      for (let kills = 0; kills < KILLS; kills++) {
        await driver.live(() => system.restart());
        system.origin.seen.length = 0;
      }
      await drain(driver);
      driver.ledger.settle();
      const { accounts } = driver.ledger;
      const uses = [...new Set(accounts.flatMap((account) => account.uses))];
      const count = (isOne: (use: Use) => boolean) => uses.filter(isOne).length;
      const inDoubt = count(({ ending, isDurable }) => ending === 'counted' && !isDurable);
      tell(
        `${KILLS} kills, ${driver.sales.length} payments, ${uses.length} calls: ${[...driver.answers].map(([label, times]) => `${times} x ${label}`).join(', ')}; ` +
          `${inDoubt} answers within the window before a kill, ${count(({ ending, isDone }) => ending === 'cut' && isDone)} done for nobody`,
      );
      expect(judge(accounts)).toEqual({ overspent: [], lost: [] });
      // Each refusal that was waited for has come, and what was used up stays so.
      expect(accounts.filter(({ isPayment, left }) => isPayment && left === undefined)).toEqual([]);
      for (const sale of driver.sales) {
        const { left } = sale.holders[0]!.accounts[0]!;
        const again = await driver.use(sale, { holder: sale.holders[0]!, ware: sale.wares[0]!, suffix: 'good' });
        expect(again).toMatchObject({ status: 402, code: 'payment_spent', left });
      }
      // A run in which nothing was cut off would prove nothing.
      expect(driver.answers.get('cut')).toBeGreaterThan(KILLS);
      expect(driver.answers.get('200')).toBeGreaterThan(KILLS);
    },
  );
});
