/*
 * Orders of the operator, `POST /_l402/control` with a separate secret: revoke a token, an epoch or a key, begin or end a
 * maintenance. Orders are stored in the control object. A revoked payment is also marked as used up in its claim object, so
 * counted access stops at once (M30). docs/operations.md lists the orders. Effects: reads the body, the control and claim
 * objects behind their ports, the log.
 */
import { equalBytes, parseHex } from '#protocol/bytes.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { LONGEST_EPOCH_HOURS } from '#protocol/token-id.ts';
import { endOfClaim, type NamedToken, type Revocable } from '#schemes/scheme.ts';
import { type Clock, type Control, type Log, type RevokeClaim } from '../ports.ts';
import { type HeldBodies } from './request/held-body.ts';
import { OWN_ANSWER_HEADERS, problem } from './answers/refuse.ts';
import { type GatewayRefusal } from './answers/refusals.ts';

export interface Operator {
  readonly secret: Uint8Array;
  readonly control: Pick<Control, 'revoke' | 'setMaintenance'>;
  readonly revokeClaim: RevokeClaim;
  /** Finds the named payment in whichever scheme knows the name. */
  readonly findRevocable: (named: NamedToken) => Revocable | undefined;
  /** How long the tokens of an epoch outlive it at most. */
  readonly graceHours: number;
  /** Routes as written in the configuration. */
  readonly matches: ReadonlySet<string>;
}

type Order = Readonly<Record<string, unknown>>;

const LARGEST_ORDER_BYTES = 8192;

/** Carries out an order, or refuses it with a reason. */
export async function answerOrder(
  request: Request,
  operator: Operator,
  { docsUrl, bodies, clock, log }: { docsUrl: string; bodies: HeldBodies; clock: Clock; log: Log },
): Promise<Response> {
  const refused = (reason: GatewayRefusal) => {
    log('refusal', { code: reason.code });
    return problem(reason, { docsUrl, method: 'POST', ...(reason.code === 'order_unauthorized' ? { headers: BEARER } : {}) });
  };
  const presented = /^Bearer ([0-9a-f]+)$/i.exec(request.headers.get('authorization') ?? '')?.[1];
  if (!equalBytes(parseHex(presented ?? '') ?? new Uint8Array(), operator.secret)) {
    return refused({ code: 'order_unauthorized', detail: 'the secret of the operator is missing or wrong' });
  }
  const body = await bodies.read(request, { most: LARGEST_ORDER_BYTES, holder: { kind: 'operator', client: undefined } });
  if (!body.ok && isOfReading(body.refusal)) return refused(body.refusal);
  const order = body.ok ? readOrder(body.value) : undefined;
  const done = order === undefined ? refuse('not a JSON object') : await carryOut(order, operator, Math.floor(clock() / 1000));
  if (!done.ok) return refused({ code: 'order_invalid', detail: done.refusal });
  log('order', { order: done.value });
  return Response.json({ done: done.value }, { headers: OWN_ANSWER_HEADERS });
}

/** Whether the refusal comes from reading the body, not from the order. */
function isOfReading({ code }: GatewayRefusal): boolean {
  return code === 'body_too_slow' || code === 'bodies_crowded';
}

const BEARER = { 'www-authenticate': 'Bearer' };

function readOrder(bytes: Uint8Array): Order | undefined {
  try {
    const order: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof order === 'object' && order !== null ? (order as Order) : undefined;
  } catch {
    return undefined;
  }
}

async function carryOut(order: Order, operator: Operator, nowSeconds: number): Promise<Result<string, string>> {
  const { revoke, maintenance } = order;
  if (maintenance !== undefined && revoke === undefined) return setMaintenance(order, operator);
  switch (revoke) {
    case 'token':
      return revokeToken(order, operator);
    case 'epoch':
    case 'key': {
      const { keyId, startHours, ...rest } = order;
      const isEpoch = revoke === 'epoch';
      if (!isWhole(keyId) || isWhole(startHours) !== isEpoch) return refuse(`${revoke}: keyId${isEpoch ? ' and startHours' : ' alone'}`);
      if (Object.keys(rest).length > 1) return refuse('an unknown key');
      const revoked = isEpoch ? ({ kind: 'epoch', keyId, startHours: Number(startHours) } as const) : ({ kind: 'key', keyId } as const);
      // No epoch of a key is longer, and none that begins in the future has signed anything.
      const lastHours = (isEpoch ? Number(startHours) : nowSeconds / 3600) + LONGEST_EPOCH_HOURS;
      return answerOf(`revoke ${revoke}`, await operator.control.revoke({ revoked, endsAtSeconds: endOf(lastHours, operator) }));
    }
    default:
      return refuse('revoke is "token", "epoch" or "key"; or maintenance names a route, "*" for all');
  }
}

async function revokeToken({ token, identifier, ...rest }: Order, operator: Operator): Promise<Result<string, string>> {
  if (Object.keys(rest).length > 1) return refuse('an unknown key');
  const found = operator.findRevocable({ token, identifier });
  if (found === undefined) return refuse('token: a token, or identifier: its 66 bytes in hex');
  const { paymentHash, claimObjectName, identifierHex, lastHours } = found;
  const endsAtSeconds = endOf(lastHours, operator);
  await operator.revokeClaim({ paymentHash, objectName: claimObjectName, endsAtSeconds });
  return answerOf('revoke token', await operator.control.revoke({ revoked: { kind: 'token', identifierHex }, endsAtSeconds }));
}

async function setMaintenance(order: Order, { control, matches }: Operator): Promise<Result<string, string>> {
  const { maintenance: route, on: isOn, untilSeconds, extendsPasses = false, ...rest } = order;
  if (typeof route !== 'string' || typeof isOn !== 'boolean' || typeof extendsPasses !== 'boolean') {
    return refuse('maintenance: the match of a route or "*"; on: true or false; extendsPasses: true or false');
  }
  if (untilSeconds !== undefined && !isWhole(untilSeconds)) return refuse('untilSeconds: unix seconds');
  if (Object.keys(rest).length > 0) return refuse('an unknown key');
  // A maintenance without a matching route has no effect but would look active. Ending one is allowed after its route is
  // gone.
  if (isOn && route !== '*' && !matches.has(route)) return refuse('maintenance: no route has this match');
  const until = untilSeconds === undefined ? {} : { untilSeconds };
  return answerOf(`maintenance ${isOn ? 'on' : 'off'}`, await control.setMaintenance({ route, isOn, extendsPasses, ...until }));
}

function answerOf(done: string, answer: Awaited<ReturnType<Control['revoke']>>): Result<string, string> {
  switch (answer) {
    case 'recorded':
      return accept(done);
    case 'full':
      return refuse('no room for more: nothing was recorded');
    case 'malformed':
      return refuse('out of range, or over already: nothing was recorded');
  }
}

function endOf(lastHours: number, { graceHours }: Operator): number {
  return endOfClaim(Math.floor((lastHours + graceHours) * 3600));
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
