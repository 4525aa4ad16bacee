/*
 * Every answer of the bridge, as text that has passed the contract's strict schema: a field that the schema does not name
 * cannot leave (M28). Holds the one table from code to status. Pure.
 */
import { type z } from 'zod/mini';
import { ErrorAnswer } from './contract.ts';
import { type HttpAnswer } from './http-listener.ts';

/** Each refusal code of the bridge, and its status. */
export const REFUSAL_STATUS = {
  body_invalid: 400,
  amount_invalid: 400,
  order_refused: 400,
  query_refused: 400,
  unsigned: 401,
  key_unknown: 401,
  stale: 401,
  signature_wrong: 401,
  replayed: 401,
  token_wrong: 401,
  not_found: 404,
  invoice_unknown: 404,
  method_not_allowed: 405,
  idempotency_key_used: 409,
  body_too_large: 413,
  rate_exceeded: 429,
  fault: 500,
  node_answer_wrong: 502,
  node_unavailable: 503,
  queue_full: 503,
  replay_memory_full: 503,
} as const;

export type RefusalCode = keyof typeof REFUSAL_STATUS;

/** An answer to be sent; `refused` is its code, for the log. */
export interface BridgeAnswer extends HttpAnswer {
  readonly refused?: RefusalCode;
  /** Payment hashes of the invoices in it, for the log if the answer reaches nobody. */
  readonly minted?: readonly string[];
}

const RETRY_AFTER_SECONDS: Partial<Record<RefusalCode, number>> = {
  rate_exceeded: 1,
  queue_full: 1,
  node_unavailable: 5,
  replay_memory_full: 5,
};

/** Formats a refusal: its code and a sentence of fixed words. */
export function formatRefusal(code: RefusalCode, detail: string): BridgeAnswer {
  const retryAfter = RETRY_AFTER_SECONDS[code];
  return {
    status: REFUSAL_STATUS[code],
    body: JSON.stringify(ErrorAnswer.parse({ code, detail })),
    headers: retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) },
    refused: code,
  };
}

/** Formats a good answer. Its parts are checked already; this ensures once more that only fields of the contract are sent. */
export function formatGoodAnswer(schema: z.ZodMiniType, value: unknown): BridgeAnswer {
  const parsed = schema.safeParse(value);
  if (!parsed.success) return formatRefusal('node_answer_wrong', 'the answer of the node does not have the agreed shape');
  return { status: 200, body: JSON.stringify(parsed.data) };
}
