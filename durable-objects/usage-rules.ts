/*
 * What becomes of an ask once quota-rules.ts has decided: a ready challenge takes the place of the one that is to be made,
 * and a client over its limits is issued a challenge of its own again (M18). Pure.
 */
import { findRepeatable, forgetShown, rememberChallenge, type IssuedChallenge } from './issued-rules.ts';
import { type ReadyChallenge } from './pool-rules.ts';
import { countReady, type QuotaAnswer, type QuotaDecision, type QuotaLevel, type QuotaOffer, type Usage } from './quota-rules.ts';

/** What the decision did not know. */
export interface AskContext {
  /** The client's own level. */
  readonly own: QuotaLevel;
  /** `undefined`: its challenges are issued to this client only once. */
  readonly repeatable: QuotaOffer | undefined;
  /** As in the ask. */
  readonly presented: readonly string[] | undefined;
  /** From the pool, for a decision with a challenge. `undefined`: the caller has to make one. */
  readonly ready: ReadyChallenge | undefined;
}

export interface AskOutcome {
  readonly answer: QuotaAnswer;
  /** The usages to store, in the order of their levels; empty: nothing changes. */
  readonly usages: readonly Usage[];
}

/** Concludes an ask. */
export function concludeAsk(decision: QuotaDecision, context: AskContext, nowMs: number): AskOutcome {
  const { answer, usages = [], repeatUsages, challenge } = decision;
  const { own, repeatable, presented, ready } = context;
  if (answer.kind === 'challenge' && challenge !== undefined && ready !== undefined) {
    const [first, ...others] = usages.map((usage) => countReady(usage, challenge, ready));
    const mine = repeatable === undefined ? first! : rememberIssued(first!, { offer: repeatable.key, item: ready });
    return { answer: { ...answer, item: ready }, usages: [mine, ...others] };
  }
  if (answer.kind !== 'refused' || repeatable === undefined) return { answer, usages };
  const { issued = [] } = own.usage;
  const item = repeatUsages === undefined || presented === undefined ? undefined : findRepeatable(issued, repeatable, nowMs);
  if (item !== undefined) {
    // Counts one more request, where requests are counted, and no new challenge.
    const counted = own.bounds.requests === undefined ? [] : repeatUsages!;
    return { answer: { kind: 'challenge', readings: answer.readings, item, isRepeated: true }, usages: counted };
  }
  return { answer: issued.length === 0 ? answer : { ...answer, held: [...new Set(issued.map(({ offer }) => offer))] }, usages };
}

/** Returns the usage with a challenge that may be issued to its client again. */
export function rememberIssued(usage: Usage, challenge: IssuedChallenge): Usage {
  return { ...usage, issued: rememberChallenge(usage.issued ?? [], challenge) };
}

/** Returns the usage without challenges whose payment is presented; `undefined` if it has none of them. */
export function forgetPresented(usage: Usage, paymentHashes: readonly string[]): Usage | undefined {
  const { issued = [] } = usage;
  const left = forgetShown(issued, paymentHashes);
  return left.length < issued.length ? { ...usage, issued: left } : undefined;
}
