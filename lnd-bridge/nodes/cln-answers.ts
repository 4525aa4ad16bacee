/*
 * What Core Lightning answers over clnrest: success is 201, an error is a 500 with a code in its body. Pure.
 */
import * as z from 'zod/mini';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type InvoiceState, type MintedInvoice, type NodeRefusal, type SettledPayment } from '../ports.ts';
import { malformed, readAnswer, readIndex, readJson, readMinted, readSeconds, readSettled } from './node-answers.ts';
import { type NodeReply } from './node-http.ts';

const ErrorBody = z.looseObject({ code: z.number(), message: z.optional(z.string()) });
const MintBody = z.looseObject({ bolt11: z.string(), payment_hash: z.string() });
const PaidBody = z.looseObject({ payment_hash: z.string().check(z.regex(/^[0-9a-f]{64}$/)), pay_index: z.number(), paid_at: z.number() });
export const InvoicesBody = z.looseObject({
  invoices: z.array(
    z.looseObject({
      label: z.string(),
      payment_hash: z.string(),
      bolt11: z.optional(z.string()),
      status: z.enum(['unpaid', 'paid', 'expired']),
      expires_at: z.number(),
      amount_received_msat: z.optional(z.unknown()),
      paid_at: z.optional(z.number()),
    }),
  ),
});
export type ListedInvoice = z.infer<typeof InvoicesBody>['invoices'][number];

/** The node's error codes. */
export const ERROR_CODE = {
  labelExists: 900,
  waitDeleted: -1,
  waitExpired: 903,
  waitOver: 904,
  unknownMethod: -32_601,
  badParameters: -32_602,
} as const;

/** Whether the call succeeded. clnrest answers 201; some versions and proxies 200. */
export function isSuccess({ status }: NodeReply): boolean {
  return status === 201 || status === 200;
}

/** Reads the code of an error; `undefined` if the call succeeded or the error has none. */
export function readErrorCode(reply: NodeReply): number | undefined {
  return isSuccess(reply) ? undefined : readJson(reply.text, ErrorBody)?.code;
}

/** Reads the invoice that the node has just made. */
export function readMintReply({ text }: NodeReply): Result<MintedInvoice, NodeRefusal> {
  const made = readAnswer(text, MintBody);
  return made.ok ? readMinted(made.value.bolt11, made.value.payment_hash) : made;
}

/** Reads the state of an invoice from the node's list. */
export function readState(invoice: ListedInvoice, nowSeconds: number): Result<InvoiceState, NodeRefusal> {
  const paymentHashHex = invoice.payment_hash;
  if (invoice.status === 'paid') return readSettled(paymentHashHex, { paid: invoice.amount_received_msat, settledAt: invoice.paid_at });
  const isOver = invoice.status === 'expired' || invoice.expires_at <= nowSeconds;
  return accept({ paymentHashHex, state: isOver ? 'expired' : 'open' });
}

/** Reads the payment that followed the index `last`; `undefined` if none came in time. */
export function readNextPayment(reply: NodeReply, last: number): Result<SettledPayment | undefined, NodeRefusal> {
  if (!isSuccess(reply)) return readErrorCode(reply) === ERROR_CODE.waitOver ? accept(undefined) : refuse(judgeError(reply));
  const paid = readJson(reply.text, PaidBody);
  const index = readIndex(paid?.pay_index);
  const settledAtSeconds = readSeconds(paid?.paid_at);
  if (paid === undefined || index === undefined || index <= last || settledAtSeconds === undefined) return malformed();
  return accept({ index, paymentHashHex: paid.payment_hash, settledAtSeconds });
}

/** Judges an error by its status and code. */
export function judgeError({ status, text }: NodeReply): NodeRefusal {
  const body = readJson(text, ErrorBody);
  const down = (fault: NodeRefusal['fault'] & string, detail: string): NodeRefusal => ({ code: 'node_unavailable', fault, detail });
  if (status === 401 || status === 403) {
    return /not permitted/i.test(body?.message ?? '')
      ? down('permission_missing', 'the rune does not allow this call')
      : down('credential_refused', 'the node refuses the rune');
  }
  if (body?.code === ERROR_CODE.unknownMethod) return down('node_error', 'the node does not know this call: is its version too old?');
  if (body?.code === ERROR_CODE.badParameters) return { code: 'order_refused', detail: 'the node does not make such an invoice' };
  return down('node_error', 'the node answered with an error');
}
