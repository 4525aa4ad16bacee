/*
 * What the adapters of real nodes share: reading amounts in every form that nodes write them, deriving preimages,
 * remembering who a node is, judging a repeated order, waiting by asking again. No effects but those handed in.
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

/** What every adapter of a real node is given. */
export interface NodeOptions {
  /** Unique among the nodes of a bridge. */
  readonly name: string;
  readonly client: NodeClient;
  readonly network: Network;
  readonly settlement: LightningNode['settlement'];
  /** The node's public key, when the operator states it: then a node that says otherwise is refused. */
  readonly statedKeyHex?: string | undefined;
  readonly clock: Clock;
  readonly wait: Wait;
  /** Its payments are followed, and its credential must allow that. */
  readonly hasFeed: boolean;
}

/** Resolves after so many milliseconds, or with the signal. */
export type Wait = (ms: number, signal: AbortSignal) => Promise<void>;

/** A refusal that stands for the state of the node, not for the order. */
export function unavailable(fault: NodeFault, detail: string): Result<never, NodeRefusal> {
  return refuse({ code: 'node_unavailable', fault, detail });
}

/** A refusal of an answer that cannot be what the node was asked for. */
export function malformed(): Result<never, NodeRefusal> {
  return refuse({
    code: 'node_answer_wrong',
    fault: 'answer_malformed',
    detail: 'the answer of the node does not have the expected shape',
  });
}

/** The JSON of a node's answer, if it has this shape. Further fields are left out: among them are preimages. */
export function readJson<Schema extends z.ZodMiniType>(text: string, schema: Schema): z.infer<Schema> | undefined {
  try {
    const parsed = schema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Millisatoshi as a number, as digits or with `msat` after them. A number beyond what a double holds exactly is
 * unknown: it was rounded before anyone here could see it.
 */
export function readMsat(value: unknown): Msat | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? parseMsat(String(value)) : undefined;
  return typeof value === 'string' ? parseMsat(value.replace(/msat$/, '')) : undefined;
}

/** Whole seconds since 1970 as a number or as digits. */
export function readSeconds(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^[0-9]{1,12}$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}

/** The number of a payment, from 1 on, as a number or as digits. */
export function readIndex(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^[0-9]{1,15}$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number > 0 ? number : undefined;
}

/** An invoice that a node says it made. Whether it is the one that was ordered is checked by the bridge, for all backends alike. */
export function readMinted(invoice: string, paymentHashHex: string): Result<MintedInvoice, NodeRefusal> {
  const parsed = parseInvoice(invoice);
  if (!parsed.ok) return refuse({ code: 'node_answer_wrong', fault: 'answer_malformed', detail: parsed.refusal.detail });
  return accept({ invoice: parsed.value.invoice, paymentHashHex, expiresAtSeconds: parsed.value.expiresAtSeconds });
}

/** A key that the node has seen: its invoice again if it was this very order and is still open, and never a second one. */
export function repeatMint(
  found: { readonly invoice: string; readonly state: InvoiceState },
  order: InvoiceOrder,
): Result<MintedInvoice, NodeRefusal> {
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
 * A preimage that only the holder of the secret can make, the same for the same key: the node then knows a repeated
 * order by its hash. Two nodes behind one bridge never share one.
 */
export function derivePreimage(secret: Uint8Array, { name, idempotencyKey }: { name: string; idempotencyKey: string }): Uint8Array {
  return hmac(sha256, secret, encodeAscii(`l402-bridge preimage v1 ${name} ${idempotencyKey}`));
}

/** Who the node says it is. */
export interface NodeIdentity {
  readonly keyHex: string;
  readonly network: string | undefined;
}

/**
 * The key that signs the node's invoices: asked until it is told once, then remembered. A node on another network or
 * with another key than stated is never accepted. A credential that may not ask needs a stated key.
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

/** A refusal as a finding, for `inspect`. */
export function findingOf({ fault = 'node_error', detail }: NodeRefusal): NodeFinding {
  return { severity: 'problem', code: fault, detail };
}

function keyUsed(detail: string): Result<never, NodeRefusal> {
  return refuse({ code: 'idempotency_key_used', detail });
}
