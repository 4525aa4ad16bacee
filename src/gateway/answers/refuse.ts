/*
 * Refusals as responses: problem+json with a stable code and a hint, never cached, readable from any browser origin.
 * refusals.ts has the status of each code. Pure.
 */
import { describeToGrpc } from './grpc.ts';
import { formatRateFields } from './rate-fields.ts';
import { COMMON_METHODS } from './methods.ts';
import { PROBLEM_TYPES, type GatewayRefusal, type ProblemType } from './refusals.ts';

/** The gateway's own fields that a browser may read. */
export const EXPOSED_FIELDS =
  'WWW-Authenticate, Payment-Receipt, Retry-After, L402-Remaining, L402-Remaining-Msat, L402-Answered-By, RateLimit, RateLimit-Policy';

/** Headers of every response that the gateway makes itself. */
export const OWN_ANSWER_HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'access-control-allow-origin': '*',
  'access-control-expose-headers': EXPOSED_FIELDS,
  'x-content-type-options': 'nosniff',
};

export interface ProblemOptions {
  readonly docsUrl: string;
  /** Replaces the hint of the table. */
  readonly hint?: string;
  /** Replaces the status of the table: a challenge is always a 402. */
  readonly status?: number;
  readonly fields?: Readonly<Record<string, string | number>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** HEAD gets the same headers and no body. */
  readonly method: string;
}

/** Returns the response for a refusal. */
export function problem(refusal: GatewayRefusal, options: ProblemOptions): Response {
  if (refusal.code === 'grpc_unsupported') {
    return new Response(null, { headers: { ...OWN_ANSWER_HEADERS, ...describeToGrpc(refusal.detail) } });
  }
  const problemType: ProblemType = PROBLEM_TYPES[refusal.code];
  const status = options.status ?? problemType.status;
  const body = {
    type: `${options.docsUrl}#${refusal.code}`,
    title: problemType.title,
    status,
    code: refusal.code,
    detail: refusal.detail,
    hint: options.hint ?? problemType.hint,
    ...(refusal.retryAfterSeconds === undefined ? {} : { retry_after_seconds: refusal.retryAfterSeconds }),
    ...options.fields,
  };
  return new Response(options.method === 'HEAD' ? null : `${JSON.stringify(body, undefined, 2)}\n`, {
    status,
    headers: {
      ...OWN_ANSWER_HEADERS,
      'content-type': 'application/problem+json',
      ...(refusal.retryAfterSeconds === undefined ? {} : { 'retry-after': String(refusal.retryAfterSeconds) }),
      // RFC 9110, section 15.5.6.
      ...(status === 405 ? { allow: COMMON_METHODS } : {}),
      ...formatRateFields(refusal.limits ?? []),
      ...options.headers,
    },
  });
}

const TOKEN_LIST = /^[A-Za-z0-9!#$%&'*+\-.^_`|~, ]{1,1024}$/;

/** Answers a preflight: a browser may send what it asks for. The call itself is still sold. */
export function answerPreflight(request: Request): Response {
  const asked = (name: string, otherwise: string) => {
    const value = request.headers.get(name) ?? '';
    return TOKEN_LIST.test(value) ? value : otherwise;
  };
  return new Response(null, {
    status: 204,
    headers: {
      ...OWN_ANSWER_HEADERS,
      'access-control-allow-methods': asked('access-control-request-method', 'GET'),
      'access-control-allow-headers': asked('access-control-request-headers', 'authorization'),
      'access-control-max-age': '600',
    },
  });
}
