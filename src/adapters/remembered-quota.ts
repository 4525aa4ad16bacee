/*
 * The quota port with a memory of an isolate in front: a client that is surely refused, or that is over its bounds and would
 * only be given the same challenge again, is not asked about more than once a second (M37). So a flood of one spent, expired
 * or forged credential does not reach the object that others need. Nothing that hands out something new is remembered.
 * Effects: memory; those of the quota behind it.
 */
import { LEAST_REPEATED_LIFE_MS } from '#durable-objects/issued-rules.ts';
import { type Clock, type Quota, type QuotaAnswer, type QuotaOrder } from '../ports.ts';

/** An answer is used again for so long, and never for longer than the object itself would refuse. */
export const ANSWER_KEPT_MS = 1000;
/** Clients that are remembered; the oldest goes first. */
export const MOST_CLIENTS_REMEMBERED = 2048;
/** Answers for one client: it may ask for several services and offers. */
const MOST_ANSWERS_OF_CLIENT = 16;

interface Remembered {
  readonly order: QuotaOrder;
  readonly answer: QuotaAnswer;
  readonly atMs: number;
  readonly untilMs: number;
}

/** The same quota, asked less often. */
export function rememberAnswers(quota: Quota, clock: Clock): Quota {
  const clients = new Map<string, readonly Remembered[]>();
  const isFresh = ({ atMs, untilMs }: Remembered, nowMs: number) => atMs <= nowMs && nowMs < untilMs;
  const keep = (order: QuotaOrder, answer: QuotaAnswer) => {
    const keptMs = lifeOf(order, answer);
    if (keptMs === 0) return;
    const { key } = order.client;
    const nowMs = clock();
    const others = (clients.get(key) ?? []).filter((one) => isFresh(one, nowMs)).slice(1 - MOST_ANSWERS_OF_CLIENT);
    clients.delete(key);
    if (clients.size >= MOST_CLIENTS_REMEMBERED) clients.delete(clients.keys().next().value!);
    clients.set(key, [...others, { order, answer, atMs: nowMs, untilMs: nowMs + keptMs }]);
  };
  return {
    ...quota,
    async ask(order) {
      const remembered = clients.get(order.client.key);
      if (remembered !== undefined) {
        const nowMs = clock();
        const known = remembered.find((one) => isFresh(one, nowMs) && holdsFor(one, order, nowMs));
        if (known !== undefined) return known.answer;
        // Whose payment was shown once is not given again (M18).
        const { presented = [] } = order.ask;
        if (remembered.some((one) => isOfPresented(one, presented))) clients.delete(order.client.key);
      }
      const answer = await quota.ask(order);
      keep(order, answer);
      return answer;
    },
    giveBack(paid, background) {
      clients.delete(paid.client.key);
      quota.giveBack(paid, background);
    },
    keep(challenge) {
      clients.delete(challenge.client.key);
      quota.keep(challenge);
    },
  };
}

/** For how long an answer is sure to be the same. */
function lifeOf({ bounds }: QuotaOrder, answer: QuotaAnswer): number {
  if (answer.kind === 'refused') return Math.min(ANSWER_KEPT_MS, answer.retryAfterSeconds * 1000);
  // Where requests are counted, one that is given a challenge again counts too.
  return answer.kind === 'challenge' && answer.isRepeated === true && bounds.requests === undefined ? ANSWER_KEPT_MS : 0;
}

/** Whether an answer to one order is the answer to another. */
function holdsFor({ order, answer }: Remembered, asked: QuotaOrder, nowMs: number): boolean {
  // Bounds belong to a route, and are compiled once.
  if (order.trafficClass !== asked.trafficClass || order.bounds !== asked.bounds || order.totals !== asked.totals) return false;
  if (order.ask.scope !== asked.ask.scope) return false;
  const { offer, presented } = asked.ask;
  const mayRepeat = offer?.repeats === true && presented !== undefined;
  if (answer.kind === 'refused') {
    if (answer.by === 'requests') return true;
    // What was shown then, the object has forgotten: so it makes no difference what is shown now.
    return !mayRepeat || (wasLookedUp(order) && (offer.key === order.ask.offer?.key || answer.held?.includes(offer.key) !== true));
  }
  if (answer.kind !== 'challenge' || answer.item === undefined || !mayRepeat) return false;
  const { paymentHashHex, endsAtMs } = answer.item;
  return offer.key === order.ask.offer?.key && !presented.includes(paymentHashHex) && endsAtMs - nowMs >= LEAST_REPEATED_LIFE_MS;
}

function isOfPresented({ answer }: Remembered, presented: readonly string[]): boolean {
  return answer.kind === 'challenge' && answer.item !== undefined && presented.includes(answer.item.paymentHashHex);
}

/** Whether the object looked for a challenge that could be given again. */
function wasLookedUp({ ask }: QuotaOrder): boolean {
  return ask.offer?.repeats === true && ask.presented !== undefined;
}
