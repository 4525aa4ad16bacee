/*
 * The quota port with an isolate's memory in front. A client that is certain to be refused, or that is over its limits and
 * would only get the same challenge again, is asked about at most once a second (M37). So a flood with one spent, expired or
 * forged credential does not reach the object that others need. Answers that issue something new are not remembered. Effects:
 * memory; those of the quota behind it.
 */
import { LEAST_REPEATED_LIFE_MS } from '#durable-objects/issued-rules.ts';
import { type Clock, type Quota, type QuotaAnswer, type QuotaOrder } from '../ports.ts';

/** How long an answer is reused; never longer than the object itself would refuse. */
export const ANSWER_KEPT_MS = 1000;
/** Most clients remembered; the oldest is dropped first. */
export const MOST_CLIENTS_REMEMBERED = 2048;
/** Most answers per client: it may ask for several services and offers. */
const MOST_ANSWERS_OF_CLIENT = 16;

interface Remembered {
  readonly order: QuotaOrder;
  readonly answer: QuotaAnswer;
  readonly atMs: number;
  readonly untilMs: number;
}

/** Wraps a quota so that it is asked less often. */
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
        // A challenge whose payment was presented once is not issued again (M18).
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

/** Returns how long an answer is certain to stay the same. */
function lifeOf({ bounds }: QuotaOrder, answer: QuotaAnswer): number {
  if (answer.kind === 'refused') return Math.min(ANSWER_KEPT_MS, answer.retryAfterSeconds * 1000);
  // Where requests are counted, repeating a challenge counts one too.
  return answer.kind === 'challenge' && answer.isRepeated === true && bounds.requests === undefined ? ANSWER_KEPT_MS : 0;
}

/** Whether the answer to one order also answers another. */
function holdsFor({ order, answer }: Remembered, asked: QuotaOrder, nowMs: number): boolean {
  // Limits belong to a route and are compiled once, so they can be compared by identity.
  if (order.trafficClass !== asked.trafficClass || order.bounds !== asked.bounds || order.totals !== asked.totals) return false;
  if (order.ask.scope !== asked.ask.scope) return false;
  const { offer, presented } = asked.ask;
  const mayRepeat = offer?.repeats === true && presented !== undefined;
  if (answer.kind === 'refused') {
    if (answer.by === 'requests') return true;
    // The object has already forgotten the challenges of payments presented then, so those presented now make no difference.
    return !mayRepeat || (wasLookedUp(order) && (offer.key === order.ask.offer?.key || answer.held?.includes(offer.key) !== true));
  }
  if (answer.kind !== 'challenge' || answer.item === undefined || !mayRepeat) return false;
  const { paymentHashHex, endsAtMs } = answer.item;
  return offer.key === order.ask.offer?.key && !presented.includes(paymentHashHex) && endsAtMs - nowMs >= LEAST_REPEATED_LIFE_MS;
}

function isOfPresented({ answer }: Remembered, presented: readonly string[]): boolean {
  return answer.kind === 'challenge' && answer.item !== undefined && presented.includes(answer.item.paymentHashHex);
}

/** Whether the object looked for a challenge to issue again. */
function wasLookedUp({ ask }: QuotaOrder): boolean {
  return ask.offer?.repeats === true && ask.presented !== undefined;
}
