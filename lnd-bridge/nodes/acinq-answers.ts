/*
 * What Eclair and phoenixd answer alike, both being made by ACINQ: a made invoice, an invoice that is not paid, errors known
 * by their status only. Pure.
 */
import * as z from 'zod/mini';
import { parseInvoice } from '#protocol/invoice.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type InvoiceState, type MintedInvoice, type NodeRefusal } from '../ports.ts';
import { malformed, readAnswer, readMinted } from './node-answers.ts';
import { type NodeReply } from './node-http.ts';

const MintBody = z.looseObject({ serialized: z.string(), paymentHash: z.string() });

/** Reads the JSON of a successful answer that must have this form, or the meaning of an error. */
export function readReply<Schema extends z.ZodMiniType>(
  reply: NodeReply,
  { schema, judge = judgeError }: { schema: Schema; judge?: (reply: NodeReply) => NodeRefusal },
): Result<z.infer<Schema>, NodeRefusal> {
  return reply.status === 200 ? readAnswer(reply.text, schema) : refuse(judge(reply));
}

/** Reads the invoice that the node has just made. */
export function readMintReply({ text }: NodeReply): Result<MintedInvoice, NodeRefusal> {
  const made = readAnswer(text, MintBody);
  return made.ok ? readMinted(made.value.serialized, made.value.paymentHash) : made;
}

/** Reads the state of an invoice that is not paid: expired if the node says so, or once the invoice itself does. */
export function readUnpaid(
  invoice: string,
  { paymentHashHex, isExpired, nowSeconds }: { paymentHashHex: string; isExpired: boolean; nowSeconds: number },
): Result<InvoiceState, NodeRefusal> {
  const facts = parseInvoice(invoice);
  if (!facts.ok) return malformed();
  const isOver = isExpired || facts.value.expiresAtSeconds <= nowSeconds;
  return accept({ paymentHashHex, state: isOver ? 'expired' : 'open' });
}

/** Judges an error by its status; the text is for people and changes. */
export function judgeError({ status }: NodeReply): NodeRefusal {
  if (status === 401 || status === 403)
    return { code: 'node_unavailable', fault: 'credential_refused', detail: 'the node refuses the password' };
  if (status === 404) return { code: 'invoice_unknown', detail: 'the node has no invoice with this payment hash' };
  if (status === 400) return { code: 'order_refused', detail: 'the node does not make such an invoice' };
  return { code: 'node_unavailable', fault: 'node_error', detail: 'the node answered with an error' };
}
