/*
 * How things stand for a request at the moment of the call: the control snapshot that the isolate has then, and what the policies
 * say. Effects: the control port.
 */
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type Background, type ControlView } from '../../ports.ts';
import { type GatewayRefusal } from '../answers/refusals.ts';
import { type GateDeps } from '../gate-deps.ts';
import { type RequestContext } from '../request-context.ts';
import { type RequestFacts } from '../request/request-facts.ts';
import { nameOrigin } from '../routing/upstream.ts';
import { judgePolicy } from './policy.ts';

/** Takes the current snapshot and clock, or returns the policy that refuses the request. A promise only if it has to wait. */
export type Look = () => Result<RequestContext, GatewayRefusal> | Promise<Result<RequestContext, GatewayRefusal>>;

interface Looked extends Pick<RequestContext, 'route' | 'upstream'> {
  readonly facts: RequestFacts;
}

/** Returns a function that takes the isolate's current snapshot and judges it by the policies. */
export function lookFrom({ route, upstream, facts }: Looked, { deps, background }: { deps: GateDeps; background: Background }): Look {
  const { match, sale, policy } = route;
  const origin = nameOrigin(upstream, facts);
  const judge = (control: ControlView) => {
    const context: RequestContext = {
      route,
      upstream,
      match,
      isSold: sale.kind === 'paid',
      client: facts.client,
      control,
      origin,
      nowMs: deps.clock(),
    };
    const barred = judgePolicy(context, policy, deps.settings.policy);
    return barred === undefined ? accept(context) : refuse(barred);
  };
  return () => {
    const reading = deps.control.read(background);
    return reading instanceof Promise ? reading.then(judge) : judge(reading);
  };
}
