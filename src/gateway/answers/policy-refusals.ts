/*
 * The problem types of the policies, a part of the one table of problem types (refusals.ts, M17): none of them may cost an
 * invoice. Pure data.
 */

const NO_INVOICE = { mayCostInvoice: false } as const;
/** Used before any payment is examined, so nothing is known about its validity. */
const UNTOUCHED = 'No payment of yours was used; do not pay again.';
const NOTHING_CHARGED = 'Nothing was charged. Repeat the request after the seconds that Retry-After names.';

/** The problem types of the policies. */
export const POLICY_PROBLEM_TYPES = {
  client_blocked: {
    ...NO_INVOICE,
    status: 403,
    title: 'Not open to this client',
    hint: 'This route is not open to your network or country, or the gateway cannot tell which they are.',
  },
  control_unknown: {
    ...NO_INVOICE,
    status: 503,
    title: 'Gateway not up to date',
    hint: `The gateway does not know at present what has been revoked. ${UNTOUCHED} ${NOTHING_CHARGED}`,
  },
  maintenance: {
    ...NO_INVOICE,
    status: 503,
    title: 'Under maintenance',
    hint: `${UNTOUCHED} ${NOTHING_CHARGED}`,
  },
  origin_down: {
    ...NO_INVOICE,
    status: 503,
    title: 'Origin known to be down',
    hint: `No invoice is made while the origin is down. ${UNTOUCHED} ${NOTHING_CHARGED}`,
  },
  quota_exceeded: {
    ...NO_INVOICE,
    status: 429,
    title: 'Too many unpaid requests',
    hint: 'Pay an invoice that you have been offered, or repeat the request after the seconds that Retry-After names.',
  },
  quota_unavailable: { ...NO_INVOICE, status: 503, title: 'Quota cannot be checked now', hint: NOTHING_CHARGED },
  rate_limited: {
    ...NO_INVOICE,
    status: 429,
    title: 'Too many requests',
    hint: `${UNTOUCHED} ${NOTHING_CHARGED}`,
  },
  rate_unavailable: {
    ...NO_INVOICE,
    status: 503,
    title: 'Rate limit cannot be checked now',
    hint: `${UNTOUCHED} ${NOTHING_CHARGED}`,
  },
  origin_busy: {
    ...NO_INVOICE,
    status: 503,
    title: 'Origin busy',
    hint: `${UNTOUCHED} ${NOTHING_CHARGED}`,
  },
} as const;

export type PolicyCode = keyof typeof POLICY_PROBLEM_TYPES;

/** Why a policy refused a request. */
export interface PolicyRefusal {
  readonly code: PolicyCode;
  readonly detail: string;
  readonly retryAfterSeconds?: number;
}
