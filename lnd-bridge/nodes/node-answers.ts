/*
 * Shared code of the adapters of real nodes: reading amounts in every form that nodes write, deriving preimages, remembering
 * a node's identity, judging a repeated order, polling. Effects: only those passed in.
 */
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { type z } from 'zod/mini';
import { encodeAscii } from '#protocol/bytes.ts';
import { type Network, parseInvoice } from '#protocol/invoice.ts';
import { type Msat, parseMsat } from '#protocol/msat.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import {
  type Clock,
  type InvoiceOrder,
  type InvoiceState,
  type LightningNode,
  type MintedInvoice,
  type NodeFault,
  type NodeFinding,
  type NodeRefusal,
} from '../ports.ts';
import { type NodeClient } from './node-http.ts';

/** The options of every adapter of a real node. */
export interface NodeOptions {
  /** Unique among the nodes of a bridge. */
  readonly name: string;
  readonly client: NodeClient;
  readonly network: Network;
  readonly settlement: LightningNode['settlement'];
  /** The node's public key, if the operator states it: a node with another key is refused. */
  readonly statedKeyHex?: string | undefined;
  readonly clock: Clock;
  readonly wait: Wait;
  /** Whether its payments are followed, which its credential must allow. */
  readonly hasFeed: boolean;
}

/** Resolves after this many milliseconds, or on the signal. */
export type Wait = (ms: number, signal: AbortSignal) => Promise<void>;

/** Returns a refusal caused by the state of the node, not by the order. */
export function unavailable(fault: NodeFault, detail: string): Result<never, NodeRefusal> {
  return refuse({ code: 'node_unavailable', fault, detail });
}

/** Returns a refusal of an answer that does not fit the request. */
export function malformed(): Result<never, NodeRefusal> {
  return refuse({
    code: 'node_answer_wrong',
    fault: 'answer_malformed',
    detail: 'the answer of the node does not have the expected shape',
  });
}

/** Reads the JSON of a node's answer, if it has this form. Other fields are dropped, preimages among them. */
export function readJson<Schema extends z.ZodMiniType>(text: string, schema: Schema): z.infer<Schema> | undefined {
  try {
    const parsed = schema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** Reads the JSON of an answer that must have this form. */
export function readAnswer<Schema extends z.ZodMiniType>(text: string, schema: Schema): Result<z.infer<Schema>, NodeRefusal> {
  const body = readJson(text, schema);
  return body === undefined ? malformed() : accept(body);
}

/**
 * Reads millisatoshis as a number, as digits, or as digits with `msat`. A number beyond a double's exact range is unknown: it
 * was already rounded.
 */
export function readMsat(value: unknown): Msat | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? parseMsat(String(value)) : undefined;
  return typeof value === 'string' ? parseMsat(value.replace(/msat$/, '')) : undefined;
}

/** Reads whole seconds since 1970, as a number or as digits. */
export function readSeconds(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^[0-9]{1,12}$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}

/** Reads the number of a payment, from 1, as a number or as digits. */
export function readIndex(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^[0-9]{1,15}$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number > 0 ? number : undefined;
}

/** Reads the state of a paid invoice: what was paid, in millisatoshis, and when, in seconds, as the node writes them. */
export function readSettled(
  paymentHashHex: string,
  { paid, settledAt }: { paid: unknown; settledAt: unknown },
): Result<InvoiceState, NodeRefusal> {
  const paidMsat = readMsat(paid);
  const settledAtSeconds = readSeconds(settledAt);
  if (paidMsat === undefined || settledAtSeconds === undefined) return malformed();
  return accept({ paymentHashHex, state: 'settled', paidMsat, settledAtSeconds });
}

/** Reads an invoice that a node has made. The bridge compares it with the order, for all backends alike. */
export function readMinted(invoice: string, paymentHashHex: string): Result<MintedInvoice, NodeRefusal> {
  const parsed = parseInvoice(invoice);
  if (!parsed.ok) return refuse({ code: 'node_answer_wrong', fault: 'answer_malformed', detail: parsed.refusal.detail });
  return accept({ invoice: parsed.value.invoice, paymentHashHex, expiresAtSeconds: parsed.value.expiresAtSeconds });
}

/** An invoice that the node was asked for. */
export interface FoundInvoice {
  readonly invoice: string;
  readonly state: InvoiceState;
}

/** Answers a key that the node has seen: its invoice again if the order is the same and it is still open, and never a second one. */
export function repeatMint(found: FoundInvoice, order: InvoiceOrder): Result<MintedInvoice, NodeRefusal> {
  const parsed = parseInvoice(found.invoice);
  if (!parsed.ok) return malformed();
  const { amountMsat, description, createdAtSeconds, expiresAtSeconds } = parsed.value;
  const isSame =
    amountMsat === order.amountMsat && description === order.memo && expiresAtSeconds - createdAtSeconds === order.expirySeconds;
  if (!isSame) return keyUsed('the idempotency key was used for another order');
  return found.state.state === 'open'
    ? readMinted(found.invoice, found.state.paymentHashHex)
    : keyUsed('the invoice made for this idempotency key is no longer open');
}

/**
 * Derives a preimage that only the holder of the secret can compute, the same for the same key, so the node recognizes a
 * repeated order by its hash. Two nodes behind one bridge never share one.
 */
export function derivePreimage(secret: Uint8Array, { name, idempotencyKey }: { name: string; idempotencyKey: string }): Uint8Array {
  return hmac(sha256, secret, encodeAscii(`l402-bridge preimage v1 ${name} ${idempotencyKey}`));
}

/** The identity that the node reports. */
export interface NodeIdentity {
  readonly keyHex: string;
  readonly network: string | undefined;
}

/**
 * Returns the key that signs the node's invoices: asked until the node answers once, then remembered. A node on another
 * network, or with another key than stated, is never accepted. A credential that may not ask needs a stated key.
 */
export function createIdentity(
  read: () => Promise<Result<NodeIdentity, NodeRefusal>>,
  { network, statedKeyHex }: Pick<NodeOptions, 'network' | 'statedKeyHex'>,
): () => Promise<Result<string, NodeRefusal>> {
  let known: string | undefined;
  return async () => {
    if (known !== undefined) return accept(known);
    const told = await read();
    if (!told.ok) {
      const mayNotAsk = told.refusal.fault === 'permission_missing';
      return mayNotAsk && statedKeyHex !== undefined ? accept(statedKeyHex) : told;
    }
    if (told.value.network !== network) return unavailable('network_wrong', `the node is not on ${network}`);
    if (!/^0[23][0-9a-f]{64}$/.test(told.value.keyHex)) return malformed();
    if (statedKeyHex !== undefined && told.value.keyHex !== statedKeyHex) {
      return unavailable('identity_wrong', 'the node has another public key than stated in the settings');
    }
    known = told.value.keyHex;
    return accept(known);
  };
}

const POLL_MS = 1000;

/** Asks for the state once a second until it is final or the signal comes. */
export async function pollSettled(
  lookUp: () => Promise<Result<InvoiceState, NodeRefusal>>,
  { wait, signal }: { wait: Wait; signal: AbortSignal },
): Promise<Result<InvoiceState, NodeRefusal>> {
  for (;;) {
    const looked = await lookUp();
    if (!looked.ok || looked.value.state !== 'open' || signal.aborted) return looked;
    await wait(POLL_MS, signal);
  }
}

/** Converts a refusal to a finding, for `inspect`. */
export function findingOf({ fault = 'node_error', detail }: NodeRefusal): NodeFinding {
  return { severity: 'problem', code: fault, detail };
}

export const SYNCING: NodeFinding = {
  severity: 'problem',
  code: 'syncing',
  detail: 'the node is still catching up with the chain: payments may not reach it',
};

export const NO_INBOUND: NodeFinding = {
  severity: 'problem',
  code: 'no_inbound',
  detail: 'the node has no inbound liquidity: nobody can pay its invoices',
};

function keyUsed(detail: string): Result<never, NodeRefusal> {
  return refuse({ code: 'idempotency_key_used', detail });
}
