/*
 * Sends a call to the origin, after the last checks: the turns at a half-open origin, rate limits, a place among the
 * concurrent calls. The outcome is reported to the breaker, off the path. Effects: the ports.
 */
import { type Background, type OriginOutcome } from '../../ports.ts';
import { isTrial, judgeTrial } from '../policy/policy.ts';
import { forward, type Forwarded, type ForwardOptions } from './forward.ts';
import { type GateDeps } from '../gate-deps.ts';
import { namePlaces } from '../routing/upstream.ts';
import { takeSteps } from '../policy/rate.ts';
import { type StatedLimit } from '../answers/rate-fields.ts';
import { type GatewayRefusal } from '../answers/refusals.ts';
import { type Dispatch } from '../request-context.ts';
import { PATIENCE_MS } from './watched-upload.ts';

/** `held_back`: the call was not sent, and the origin knows nothing of it. */
export type Sent = Forwarded | { readonly kind: 'held_back'; readonly reason: GatewayRefusal };

const BUSY_RETRY_SECONDS = 1;

/** Sends a call; returns the outcome and the limits that it passed. */
export async function send(
  request: Request,
  { dispatch, ...options }: Omit<ForwardOptions, 'upstream' | 'left'> & { dispatch: Dispatch },
  { deps, background }: { deps: GateDeps; background: Background },
): Promise<{ readonly sent: Sent; readonly limits: readonly StatedLimit[] }> {
  const { context, trafficClass, steps, stated = [], sendByMs = Infinity, voters, holders, network } = dispatch;
  const { origin, upstream, route } = context;
  const heldBack = (reason: GatewayRefusal) => ({ sent: { kind: 'held_back', reason }, limits: [] }) as const;
  const limited = await takeSteps(steps, deps);
  if (!limited.ok) return heldBack(limited.refusal);
  const places = route.policy.hasConcurrency ? deps.places : undefined;
  // Where places are limited, a place is given back as soon as its client is gone, and the call is broken off (M41).
  const left = places === undefined ? undefined : request.signal;
  const leave = await places?.enter(namePlaces(upstream, options.facts), {
    who: trafficClass === 'paid' ? 'paid' : 'unpaid',
    holders,
    network,
    left,
  });
  if (places !== undefined && leave === undefined) {
    return heldBack({ code: 'origin_busy', detail: 'no place at the origin came free in time', retryAfterSeconds: BUSY_RETRY_SECONDS });
  }
  const startedMs = deps.clock();
  // Last of all, so that a call that is held back for another reason does not use up the turn.
  const trial = judgeTrial(context, route.policy, { trafficClass, holders: voters, halfOpen: deps.halfOpen });
  if (trial !== undefined) {
    leave?.();
    return heldBack(trial);
  }
  if (startedMs > sendByMs) {
    leave?.();
    return heldBack({ code: 'origin_busy', detail: 'the call could not be sent in time', retryAfterSeconds: BUSY_RETRY_SECONDS });
  }
  let sent: Forwarded;
  try {
    sent = await forward(request, { ...options, left, upstream }, deps);
  } finally {
    leave?.();
  }
  const { breaker } = deps.settings.policy;
  if (breaker !== undefined && route.policy.hasBreaker && voters.length > 0) {
    const seen = judgeOrigin(sent, deps.clock() - startedMs, breaker.slowHeadMs);
    // An origin that does not know an upgrade may drop the connection: that is the client's doing.
    const outcome = seen === 'failed' && options.facts.headers.has('upgrade') ? undefined : seen;
    if (outcome !== undefined) deps.control.report({ origin, outcome, voters }, background);
    else if (isTrial(context, route.policy)) deps.halfOpen.giveBack({ trafficClass, origin, holders: voters }, deps.clock());
  }
  return { sent, limits: [...stated, ...limited.value] };
}

/** Returns how the origin did; `undefined` if the client caused the outcome. */
function judgeOrigin(sent: Forwarded, tookMs: number, slowHeadMs: number): OriginOutcome | undefined {
  switch (sent.kind) {
    case 'answered':
      // The request decides these: the origin does not know the method or the version.
      if (sent.response.status === 501 || sent.response.status === 505) return undefined;
      // An origin may lose patience with a client that trickles.
      if (sent.response.status >= 500) return sent.client.isAwaited() || sent.client.isTooSlow() ? undefined : 'failed';
      // What the client took for its upload is not the origin's time (M40).
      return tookMs - sent.client.waitedMs() > slowHeadMs ? 'slow' : 'ok';
    case 'unreachable':
      return sent.isProved ? 'failed' : undefined;
    case 'timed_out':
      // An origin that waited for the client did not have its whole time.
      return sent.client.waitedMs() < PATIENCE_MS ? 'failed' : undefined;
    case 'given_up':
      // A seller may allow more time than a call is waited for once its client is gone.
      return tookMs - sent.client.waitedMs() > slowHeadMs ? 'slow' : undefined;
    case 'client_left':
    case 'upload_failed':
    case 'body_too_large':
      return undefined;
  }
}
