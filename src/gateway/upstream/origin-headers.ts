/*
 * Header fields for the origin: the client's own, except the credential, fields that end at this hop, and fields that would
 * make the origin assume another path, host or method than the priced one (M25, M27). Effects: changes the given headers.
 */
import { foldFieldName } from '../request/field-name.ts';
import { fateOf } from '../request/forwarded-headers.ts';
import { LOOP_FIELD, type Upstream } from '../routing/upstream.ts';
import { type RequestFacts } from '../request/request-facts.ts';

/** What the origin can rely on about a paid call. */
export interface PaidHeaders {
  readonly claimId: string;
  readonly callKey: string;
  readonly service: string;
  readonly priceMsat: bigint;
}

/** Turns a copy of the client's fields into the origin's. */
export function rewriteHeaders(
  headers: Headers,
  { facts, upstream, paid, proof }: { facts: RequestFacts; upstream: Upstream; paid: PaidHeaders | undefined; proof: string | undefined },
): void {
  const hops = readHops(facts.headers);
  facts.headers.forEach((value, name) => {
    const goesOn = hops?.has(name) !== true && isPassedOn(name, { value, facts, upstream });
    if (!goesOn && !isWebSocketUpgrade(name, facts.headers)) headers.delete(name);
  });
  if (facts.authorizationRest !== '') headers.set('authorization', facts.authorizationRest);
  headers.set('x-forwarded-host', facts.host);
  if (upstream.origin.kind === 'same_zone') headers.set(LOOP_FIELD, facts.host);
  if (paid !== undefined) {
    headers.set('x-l402-claim', paid.claimId);
    headers.set('x-l402-service', paid.service);
    headers.set('x-l402-price-msat', String(paid.priceMsat));
    // An origin that supports this field does the work of one payment once, however often the call is repeated (M16).
    if (!headers.has('idempotency-key')) headers.set('idempotency-key', paid.callKey);
  }
  for (const [name, value] of upstream.setHeaders) headers.set(name, value);
  if (proof !== undefined) headers.set('x-l402-signature', proof);
}

function isPassedOn(name: string, { value, facts, upstream }: { value: string; facts: RequestFacts; upstream: Upstream }): boolean {
  switch (fateOf(name)) {
    case 'kept':
      return true;
    case 'dropped':
      return false;
    case 'vouched':
      return facts.isVouchedFor();
    case 'metadata':
      return !facts.holdsCredential(value);
    case 'twin':
      return !upstream.setHeaders.some(([own]) => own === foldFieldName(name));
  }
}

/** Returns the fields that end at this hop according to the client; `undefined` in the usual case. */
function readHops(headers: Headers): ReadonlySet<string> | undefined {
  const connection = headers.get('connection');
  if (connection === null || connection === 'keep-alive' || connection === 'close') return undefined;
  return new Set(connection.split(',').map((name) => name.trim().toLowerCase()));
}

/** Whether this is a WebSocket upgrade, which the origin answers; the platform does the handshake on both sides. */
function isWebSocketUpgrade(name: string, headers: Headers): boolean {
  return name === 'upgrade' && headers.get(name)?.toLowerCase() === 'websocket';
}
