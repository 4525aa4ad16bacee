/*
 * What LND answers: bytes are base64, integers are strings, and an error is known by its text. A look-up of an open invoice
 * includes its preimage, which is never read here. Pure.
 */
import * as z from 'zod/mini';
import { formatHex, parseBase64 } from '#protocol/bytes.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type InvoiceState, type MintedInvoice, type NodeRefusal, type SettledPayment } from '../ports.ts';
import { type FoundInvoice, malformed, readAnswer, readIndex, readJson, readMinted, readSeconds, readSettled } from './node-answers.ts';
import { type NodeReply } from './node-http.ts';

const ErrorBody = z.looseObject({ code: z.optional(z.number()), message: z.string() });
const AddInvoiceBody = z.looseObject({ payment_request: z.string(), r_hash: z.string() });
const InvoiceBody = z.looseObject({
  payment_request: z.string(),
  r_hash: z.string(),
  state: z.enum(['OPEN', 'ACCEPTED', 'SETTLED', 'CANCELED']),
  creation_date: z.string(),
  expiry: z.string(),
  amt_paid_msat: z.string(),
  settle_date: z.string(),
});
const SettledBody = z.looseObject({ r_hash: z.string(), state: z.string(), settle_index: z.string(), settle_date: z.string() });
const StreamedLine = z.looseObject({ result: z.optional(z.unknown()), error: z.optional(ErrorBody) });

/** The invoice that was asked for, and when. */
export interface Asked {
  readonly paymentHashHex: string;
  readonly nowSeconds: number;
}

/** Reads the invoice that the node has just made. */
export function readMintReply({ text }: NodeReply): Result<MintedInvoice, NodeRefusal> {
  const made = readJson(text, AddInvoiceBody);
  const hash = made === undefined ? undefined : parseBase64(made.r_hash);
  return made === undefined || hash === undefined ? malformed() : readMinted(made.payment_request, formatHex(hash));
}

/** Reads the answer to a look-up. */
export function readInvoice(text: string, asked: Asked): Result<FoundInvoice, NodeRefusal> {
  const body = readAnswer(text, InvoiceBody);
  if (!body.ok) return body;
  const hash = parseBase64(body.value.r_hash);
  if (hash === undefined || formatHex(hash) !== asked.paymentHashHex) return malformed();
  const state = readState(body.value, asked);
  return state.ok ? accept({ invoice: body.value.payment_request, state: state.value }) : state;
}

function readState(body: z.infer<typeof InvoiceBody>, { paymentHashHex, nowSeconds }: Asked): Result<InvoiceState, NodeRefusal> {
  if (body.state === 'SETTLED') return readSettled(paymentHashHex, { paid: body.amt_paid_msat, settledAt: body.settle_date });
  const createdAt = readSeconds(body.creation_date);
  const life = readSeconds(body.expiry);
  if (createdAt === undefined || life === undefined) return malformed();
  // LND leaves an invoice OPEN for a while after its end, and then cancels it.
  if (createdAt + life <= nowSeconds) return accept({ paymentHashHex, state: 'expired' });
  return accept({ paymentHashHex, state: body.state === 'CANCELED' ? 'canceled' : 'open' });
}

/** Reads the state of an invoice from a stream of its changes. */
export function readStreamedState(line: string, asked: Asked): Result<InvoiceState, NodeRefusal> {
  const item = readStreamed(line);
  if (!item.ok) return item;
  const read = readInvoice(item.value, asked);
  return read.ok ? accept(read.value.state) : read;
}

/** Reads a payment from a stream; `undefined` for invoices that were only created, which the stream reports too. */
export function readStreamedPayment(line: string): Result<SettledPayment | undefined, NodeRefusal> {
  const item = readStreamed(line);
  if (!item.ok) return item;
  const body = readJson(item.value, SettledBody);
  if (body !== undefined && body.state !== 'SETTLED') return accept(undefined);
  const hash = body === undefined ? undefined : parseBase64(body.r_hash);
  const index = readIndex(body?.settle_index);
  const settledAtSeconds = readSeconds(body?.settle_date);
  if (hash?.length !== 32 || index === undefined || settledAtSeconds === undefined) return malformed();
  return accept({ index, paymentHashHex: formatHex(hash), settledAtSeconds });
}

/** Takes an item of a stream out of its line, as JSON. An error before or between items takes the place of an item. */
function readStreamed(line: string): Result<string, NodeRefusal> {
  const item = readJson(line, StreamedLine);
  if (item?.error !== undefined) return refuse(judgeError({ text: JSON.stringify(item.error) }));
  return accept(JSON.stringify(item?.result ?? null));
}

/** Whether an order is a duplicate. LND uses its general error code for this, so the text decides. */
export function isDuplicate(text: string): boolean {
  return /payment hash already exists/i.test(readJson(text, ErrorBody)?.message ?? '');
}

/** Judges an error by its text: most come with the general code 2 and status 500. */
export function judgeError({ text }: Pick<NodeReply, 'text'>): NodeRefusal {
  const body = readJson(text, ErrorBody);
  const message = body?.message ?? '';
  const down = (fault: NodeRefusal['fault'] & string, detail: string): NodeRefusal => ({ code: 'node_unavailable', fault, detail });
  if (/wallet (locked|not created)/i.test(message)) return down('wallet_locked', 'the wallet of the node is locked');
  if (/process of starting up|waiting to start/i.test(message)) return down('starting', 'the node is starting up');
  if (/permission denied/i.test(message)) return down('permission_missing', 'the macaroon does not allow this call');
  if (/macaroon|verification failed|root key/i.test(message) || body?.code === 16) {
    return down('credential_refused', 'the node refuses the macaroon');
  }
  if (body?.code === 5 || /unable to locate invoice|no existing invoices/i.test(message)) {
    return { code: 'invoice_unknown', detail: 'the node has no invoice with this payment hash' };
  }
  if (body?.code === 3 || /memo too large|invoice too large|expiry/i.test(message)) {
    return { code: 'order_refused', detail: 'the node does not make such an invoice' };
  }
  return down('node_error', 'the node answered with an error');
}
