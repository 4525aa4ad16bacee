/*
 * The one table of problem types (M17): every code with its status, whether it may cost an invoice, its title and its hint.
 * docs/status-codes.md says the same; a test compares the two. Pure data.
 */
import { POLICY_PROBLEM_TYPES } from './policy-refusals.ts';
import { type StatedLimit } from './rate-fields.ts';
import { type Remaining } from './remaining.ts';
import { type CredentialRefusalCode, type Refusal } from '#protocol/refusal.ts';

export interface ProblemType {
  readonly status: number;
  /** A credential problem is answered with a new challenge; a malformed request never is. */
  readonly mayCostInvoice: boolean;
  readonly title: string;
  /** What to do next, for people and agents. */
  readonly hint: string;
}

const MALFORMED = { mayCostInvoice: false } as const;
const PAY = { status: 402, mayCostInvoice: true } as const;
const PAY_ANEW = 'Pay the invoice of this answer and repeat the request with `Authorization: L402 <token>:<preimage>`.';
const UNCHANGED = 'Send the token exactly as it was issued, with the preimage of its own invoice; or pay the invoice of this answer.';
const NARROWED = 'Whoever narrowed this token can give you a wider one; or pay the invoice of this answer.';
const TRY_LATER = 'Nothing was charged. Repeat the request after the seconds that Retry-After names.';
const NOT_AGAIN = 'Repeat the request with the same credential after the seconds that Retry-After names; do not pay again.';
const STILL_GOOD = `Your payment is still good. ${NOT_AGAIN}`;

/** Problem types of the gateway itself. */
const GATEWAY = {
  path_malformed: {
    ...MALFORMED,
    status: 400,
    title: 'Malformed path',
    hint: 'Send the path in its plain form: no dot segments, no double slashes, no needless escapes.',
  },
  path_ambiguous: {
    ...MALFORMED,
    status: 400,
    title: 'Ambiguous path',
    hint: 'Send the path exactly as it is documented: case and trailing slash matter.',
  },
  parameter_ambiguous: {
    ...MALFORMED,
    status: 400,
    title: 'Ambiguous parameter',
    hint: 'Send each parameter that decides the price once, under its literal name.',
  },
  header_ambiguous: {
    ...MALFORMED,
    status: 400,
    title: 'Ambiguous header',
    hint: 'Send each header field that decides the price once, under its literal name, with its value exactly as documented.',
  },
  too_many_parameters: {
    ...MALFORMED,
    status: 414,
    title: 'Too many parameters',
    hint: 'Send at most 256 parameters where one of them decides the price; the detail says where they were counted.',
  },
  host_malformed: { ...MALFORMED, status: 400, title: 'Malformed host', hint: 'Send one Host field with one name or address.' },
  price_input_invalid: {
    ...MALFORMED,
    status: 400,
    title: 'Not sold like this',
    hint: 'Send what decides the price (a parameter, a header, the body) with a value that is sold; the detail says which.',
  },
  method_unsupported: { ...MALFORMED, status: 405, title: 'Method not supported', hint: 'Use a method that can be forwarded.' },
  grpc_unsupported: {
    ...MALFORMED,
    status: 200,
    title: 'Native gRPC not supported',
    hint: 'Use gRPC-Web or REST. The answer has no body; it is in gRPC form, with grpc-status 12.',
  },
  body_too_large: {
    ...MALFORMED,
    status: 413,
    title: 'Body too large',
    hint: 'Send a smaller body. With a Content-Length, a body that is too large is refused before it costs anything.',
  },
  body_unexpected: { ...MALFORMED, status: 400, title: 'Body not expected', hint: 'Send GET and HEAD without a body.' },
  body_too_slow: {
    ...MALFORMED,
    status: 408,
    title: 'Body too slow',
    hint: 'This body is read before the call is let through: send it within 30 seconds. Nothing was charged.',
  },
  bodies_crowded: {
    status: 503,
    mayCostInvoice: false,
    title: 'Too many bodies at once',
    hint: `Send the body quickly, and few of them at once. ${TRY_LATER}`,
  },
  encoding_unsupported: {
    ...MALFORMED,
    status: 415,
    title: 'Encoded body not sold',
    hint: 'The body decides the price: send it as it is, without Content-Encoding, and a form in UTF-8.',
  },
  length_required: {
    ...MALFORMED,
    status: 411,
    title: 'Length required',
    hint: 'The price depends on the size of the body: send Content-Length, without a transfer coding.',
  },
  header_too_large: { ...MALFORMED, status: 431, title: 'Credentials too large', hint: 'Send at most four tokens of at most 4 KiB.' },
  route_unknown: { ...MALFORMED, status: 404, title: 'Not sold here', hint: 'Check method, host and path.' },
  route_closed: { ...MALFORMED, status: 403, title: 'Closed', hint: 'This route is not open to anyone.' },
  payment_required: { ...PAY, title: 'Payment required', hint: PAY_ANEW },
  payment_spent: {
    ...PAY,
    title: 'Payment already used',
    hint: `What this payment bought has been used, or what is left of it (\`remaining\`) is less than this call takes. ${PAY_ANEW}`,
  },
  payment_too_small: {
    ...PAY,
    title: 'Paid too little for this',
    hint: `The token was sold, or narrowed, for less than this costs. ${PAY_ANEW}`,
  },
  token_revoked: {
    ...PAY,
    title: 'Token revoked',
    hint: `The seller has revoked this payment, or the key that signed its token; it buys nothing any more. ${PAY_ANEW}`,
  },
  claim_in_flight: {
    status: 409,
    mayCostInvoice: false,
    title: 'Payment in use',
    hint: 'A call with this payment is under way. Wait for its answer, or repeat the request after the seconds that Retry-After names; do not pay again.',
  },
  client_gone: {
    status: 499,
    mayCostInvoice: false,
    title: 'Client went away',
    hint: 'Nothing was charged: the call was not sent to the origin.',
  },
  client_left: {
    status: 499,
    mayCostInvoice: false,
    title: 'Client went away during the call',
    hint: 'The call was broken off. A call that is counted stays counted: the origin may have worked on it.',
  },
  upload_failed: {
    status: 408,
    mayCostInvoice: false,
    title: 'Body not sent in time',
    hint: 'The origin was waiting for the body of this request. Send it whole, and faster than the time-out of the route.',
  },
  payment_cooling: { status: 429, mayCostInvoice: false, title: 'Payment cooling down', hint: STILL_GOOD },
  claims_unavailable: { status: 503, mayCostInvoice: false, title: 'Payments cannot be checked now', hint: NOT_AGAIN },
  invoice_unsettled: {
    status: 503,
    mayCostInvoice: false,
    title: 'Payment not seen yet',
    hint: 'Pay no other invoice than the one that came with this token. Once it is paid, repeat the request with the same credential.',
  },
  settlement_unknown: { status: 503, mayCostInvoice: false, title: 'Payment cannot be looked up now', hint: NOT_AGAIN },
  invoice_gone: { ...PAY, title: 'Invoice ended unpaid', hint: PAY_ANEW },
  node_unavailable: { status: 503, mayCostInvoice: false, title: 'No invoice can be made now', hint: TRY_LATER },
  price_unavailable: { status: 503, mayCostInvoice: false, title: 'Price cannot be worked out now', hint: TRY_LATER },
  origin_unreachable: { status: 502, mayCostInvoice: false, title: 'Origin unreachable', hint: TRY_LATER },
  origin_timeout: { status: 504, mayCostInvoice: false, title: 'Origin too slow', hint: TRY_LATER },
  loop_detected: {
    status: 508,
    mayCostInvoice: false,
    title: 'Loop',
    hint: 'Nothing was charged. The operator has set up the gateway as its own origin.',
  },
  config_invalid: {
    status: 500,
    mayCostInvoice: false,
    title: 'Gateway not configured',
    hint: 'Nothing was charged. The operator finds the reason in the log.',
  },
  ...POLICY_PROBLEM_TYPES,
  order_unauthorized: { ...MALFORMED, status: 401, title: 'Not the operator', hint: 'Send `Authorization: Bearer <ADMIN_SECRET>`.' },
  order_invalid: { ...MALFORMED, status: 400, title: 'No such order', hint: 'docs/operations.md has the orders.' },
  push_unauthorized: { ...MALFORMED, status: 401, title: 'Not the bridge', hint: 'Only the bridge pushes here; docs/bridge.md has how.' },
  push_invalid: { ...MALFORMED, status: 400, title: 'No such push', hint: 'Bridge and gateway are updated together.' },
  internal_fault: { status: 500, mayCostInvoice: false, title: 'Internal fault', hint: 'The operator finds the reason in the log.' },
} as const satisfies Record<string, ProblemType>;

/** Problem types of a credential: always answered with a new challenge, as deployed clients expect. */
const CREDENTIAL: Readonly<Record<CredentialRefusalCode, ProblemType>> = {
  too_many_tokens: { ...PAY, title: 'Too many tokens', hint: 'Send at most four different tokens.' },
  preimage_missing: {
    ...PAY,
    title: 'Preimage missing',
    hint: 'Append a colon and the preimage of the paid invoice, 64 hex digits, to the token.',
  },
  preimage_malformed: { ...PAY, title: 'Malformed preimage', hint: 'The preimage of the paid invoice is 64 hex digits.' },
  preimage_wrong: { ...PAY, title: 'Wrong preimage', hint: UNCHANGED },
  token_too_large: { ...PAY, title: 'Token too large', hint: UNCHANGED },
  token_malformed: { ...PAY, title: 'Malformed token', hint: UNCHANGED },
  token_version_unsupported: {
    ...PAY,
    title: 'Token version not supported',
    hint: 'This gateway issues and reads macaroons of version 2 in binary form.',
  },
  token_third_party_caveat: { ...PAY, title: 'Third-party caveat', hint: 'Tokens with third-party caveats are not read.' },
  token_too_many_caveats: { ...PAY, title: 'Too many caveats', hint: 'A token has at most 32 caveats.' },
  identifier_malformed: { ...PAY, title: 'Malformed token identifier', hint: UNCHANGED },
  token_layout_unknown: { ...PAY, title: 'Token not of this gateway', hint: UNCHANGED },
  token_key_unknown: { ...PAY, title: 'Token key not in use', hint: PAY_ANEW },
  token_epoch_out_of_range: { ...PAY, title: 'Token of another time', hint: PAY_ANEW },
  signature_wrong: { ...PAY, title: 'Token not valid', hint: UNCHANGED },
  minter_caveats_missing: { ...PAY, title: 'Token cut short', hint: UNCHANGED },
  terms_missing: { ...PAY, title: 'Token without terms', hint: PAY_ANEW },
  caveat_malformed: {
    ...PAY,
    title: 'Malformed caveat',
    hint: 'A caveat of a kind that is enforced here does not parse. Use the token it was added to.',
  },
  caveat_widens: {
    ...PAY,
    title: 'Caveat widens the token',
    hint: 'A caveat may only narrow the one before it. Use the token it was added to.',
  },
  service_wrong: { ...PAY, title: 'Token of another service', hint: PAY_ANEW },
  tier_too_low: { ...PAY, title: 'Token of a lower tier', hint: PAY_ANEW },
  capability_missing: { ...PAY, title: 'Token without the capability', hint: PAY_ANEW },
  token_expired: { ...PAY, title: 'Token expired', hint: PAY_ANEW },
  preimage_caveat_wrong: { ...PAY, title: 'Wrong preimage caveat', hint: UNCHANGED },
  token_not_yet_valid: { ...PAY, title: 'Token not good yet', hint: `Wait until the time of its not_before caveat. ${NARROWED}` },
  caveat_method: { ...PAY, title: 'Token narrowed to other methods', hint: NARROWED },
  caveat_host: { ...PAY, title: 'Token narrowed to other hosts', hint: NARROWED },
  caveat_path: { ...PAY, title: 'Token narrowed to other paths', hint: NARROWED },
  caveat_client: { ...PAY, title: 'Token narrowed to other networks', hint: NARROWED },
  request_digest_wrong: { ...PAY, title: 'Token narrowed to another request', hint: NARROWED },
  counters_too_many: {
    ...PAY,
    title: 'Too many counting caveats',
    hint: 'A token has at most four counting caveats. Use the token it was added to.',
  },
  caveat_exhausted: { ...PAY, title: 'Limit of a caveat reached', hint: NARROWED },
};

/** Every problem type by its code. */
export const PROBLEM_TYPES = { ...GATEWAY, ...CREDENTIAL } as const;

export type ProblemCode = keyof typeof PROBLEM_TYPES;
export const PROBLEM_CODES = Object.keys(PROBLEM_TYPES) as readonly ProblemCode[];

/** A refusal for a client. */
export type GatewayRefusal = Refusal<ProblemCode> & {
  readonly retryAfterSeconds?: number;
  /** What is left of a payment that is not enough. */
  readonly remaining?: Remaining;
  /** Limits that the client may see. */
  readonly limits?: readonly StatedLimit[];
};

/** Hints for a paid call that the origin did not answer, by the fate of the payment (M16). */
export const PAID_HINTS = {
  released: STILL_GOOD,
  counted:
    'The call was counted: it had reached the origin, and was ended from the side of the client. What is left of the payment stands in `remaining`.',
  in_doubt:
    'What became of the payment could not be recorded, so it is held for a while. Repeat the request with the same credential after the seconds that Retry-After names; do not pay before that.',
} as const;

/** Formats the table for people and agents: the target of `type` in a problem body. */
export function describeProblemTypes(): string {
  const lines = PROBLEM_CODES.map((code) => {
    const { status, mayCostInvoice, title, hint }: ProblemType = PROBLEM_TYPES[code];
    return `${code}\n  ${status} ${title}${mayCostInvoice ? ' (with a fresh invoice)' : ''}\n  ${hint}\n`;
  });
  return `What this gateway refuses, by code\n\n${lines.join('\n')}`;
}
