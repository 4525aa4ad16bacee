/*
 * Payments that the bridge pushes, `POST /_l402/settlements`: the holder of the bridge's key says which invoices are paid
 * (M24). Effects: reads the body, the settlements behind the port.
 */
import { type Log, type Settlements } from '../../ports.ts';
import { type HeldBodies } from '../request/held-body.ts';
import { OWN_ANSWER_HEADERS, problem } from '../answers/refuse.ts';
import { type GatewayRefusal } from '../answers/refusals.ts';

/** Far above the largest push of the contract. */
const LARGEST_PUSH_BYTES = 16_384;

/** Accepts a push, or refuses it with a reason. */
export async function answerPush(
  request: Request,
  settlements: Settlements,
  { docsUrl, bodies, log }: { docsUrl: string; bodies: HeldBodies; log: Log },
): Promise<Response> {
  const refused = (reason: GatewayRefusal) => {
    log('refusal', { code: reason.code, detail: reason.detail });
    return problem(reason, { docsUrl, method: 'POST' });
  };
  const read = await bodies.read(request, { most: LARGEST_PUSH_BYTES, holder: { kind: 'bridge', client: undefined } });
  if (!read.ok) return refused(read.refusal);
  const { pathname, search } = new URL(request.url);
  const taken = await settlements.takePush({
    method: 'POST',
    pathAndQuery: pathname + search,
    body: new TextDecoder().decode(read.value),
    header: (name) => request.headers.get(name),
  });
  if (!taken.ok) return refused(taken.refusal);
  const { body, headers } = taken.value;
  return new Response(body, { headers: { ...OWN_ANSWER_HEADERS, 'content-type': 'application/json', ...headers } });
}
