/*
 * The contract of gateway and bridge: `POST /v1/invoices`, `POST /v1/invoices/batch`, `GET /v1/invoices/:hash`, `GET
 * /v1/node`, `GET /healthz`; and the bridge's push to the gateway, `POST /_l402/settlements`. Both sides read with these
 * strict schemas: an answer with an unnamed field is refused as a whole, so no preimage can ever leak (M28). Pure; runs in
 * Node and in a Worker.
 */
import * as z from 'zod/mini';

const hex32 = z.string().check(z.regex(/^[0-9a-f]{64}$/));
const decimal = z.string().check(z.regex(/^(0|[1-9][0-9]{0,18})$/));
const seconds = z.int().check(z.minimum(0));

/** The limit of BOLT 11: 639 bytes of UTF-8. Half a surrogate pair would come back as another character. */
const memo = z.string().check(
  z.maxLength(639),
  z.refine((text) => text.isWellFormed() && new TextEncoder().encode(text).length <= 639),
);

/** An order for one invoice. The same key with the same order gives the same invoice while it is open. */
export const MintRequest = z.strictObject({
  amountMsat: decimal,
  memo,
  expirySeconds: z.int().check(z.minimum(60), z.maximum(31_536_000)),
  idempotencyKey: z.string().check(z.regex(/^[0-9a-f]{32}$/)),
});
export type MintRequest = z.infer<typeof MintRequest>;

const settlement = z.enum(['strict', 'preimage']);
/** The public key of a node, if its backend can tell it. */
const nodeKeyHex = z.optional(z.string().check(z.regex(/^0[23][0-9a-f]{64}$/)));

export const MintAnswer = z.strictObject({
  invoice: z.string().check(z.maxLength(4096)),
  paymentHashHex: hex32,
  expiresAtSeconds: seconds,
  /** For the whole bridge, as in `GET /v1/node`, so that tokens sold over this invoice can state it (M24). */
  settlement,
  /** The node that made it: an invoice made in advance by another node cannot be paid at this one (M44). */
  nodeKeyHex,
});
export type MintAnswer = z.infer<typeof MintAnswer>;

/** How long the gateway waits for new invoices, and for the state of an existing one. */
export const MINT_LIMIT_MS = 10_000;
export const LOOK_UP_LIMIT_MS = 5000;
/** The part of it for transport: the bridge answers earlier, with what it has (M34). */
export const WAY_MS = 1000;

/** Most orders of one batch: more would not fit into a body of the default size. */
export const MOST_ORDERS_IN_BATCH = 50;

/** Several orders at once, each with its own key. */
export const MintBatchRequest = z.strictObject({
  orders: z.array(MintRequest).check(z.minLength(1), z.maxLength(MOST_ORDERS_IN_BATCH)),
});
export type MintBatchRequest = z.infer<typeof MintBatchRequest>;

export const LookupAnswer = z.strictObject({
  paymentHashHex: hex32,
  state: z.enum(['open', 'settled', 'expired', 'canceled']),
  paidMsat: z.optional(decimal),
  settledAtSeconds: z.optional(seconds),
});
export type LookupAnswer = z.infer<typeof LookupAnswer>;

export const HealthAnswer = z.strictObject({
  status: z.enum(['ok', 'node_unavailable']),
  network: z.enum(['mainnet', 'testnet', 'signet', 'regtest', 'simnet']),
  /** The backend of the node that would be asked first now. */
  backend: z.string(),
  /** Only if there are several. */
  nodes: z.optional(
    z.array(
      z.strictObject({
        name: z.string(),
        backend: z.string(),
        status: z.enum(['ok', 'node_unavailable']),
        breaker: z.enum(['closed', 'open']),
      }),
    ),
  ),
});
export type HealthAnswer = z.infer<typeof HealthAnswer>;

/** Every error body: a stable code and a sentence. */
export const ErrorAnswer = z.strictObject({
  code: z.string(),
  detail: z.string(),
});
export type ErrorAnswer = z.infer<typeof ErrorAnswer>;

/** One result per order, in the same order. */
export const MintBatchAnswer = z.strictObject({
  results: z.array(z.union([MintAnswer, ErrorAnswer])),
});
export type MintBatchAnswer = z.infer<typeof MintBatchAnswer>;

/** `strict`: a credential of this bridge needs a look-up before it is accepted (M24). */
export const NodeAnswer = z.strictObject({
  network: z.enum(['mainnet', 'testnet', 'signet', 'regtest', 'simnet']),
  settlement,
  nodes: z.array(
    z.strictObject({
      name: z.string(),
      backend: z.string(),
      status: z.enum(['ok', 'node_unavailable']),
      breaker: z.enum(['closed', 'open']),
      settlement,
      smallestMsat: decimal,
      nodeKeyHex,
    }),
  ),
});
export type NodeAnswer = z.infer<typeof NodeAnswer>;

/** Where a gateway accepts pushes. */
export const SETTLEMENTS_PATH = '/_l402/settlements';
/** Most payments of one push: more would not fit into a body of 16 KiB. */
export const MOST_SETTLED_IN_PUSH = 100;

/** The number that a node gives a payment; it increases with each payment. */
const index = z.int().check(z.minimum(0));

/** Payments that a node has seen, in sequence and without a gap after `fromIndex`. Only hashes and times. */
export const SettlementPush = z.strictObject({
  /** A stable name of the node. */
  feed: z.string().check(z.regex(/^[a-z0-9-]{1,64}$/)),
  fromIndex: index,
  settled: z.array(z.strictObject({ index, paymentHashHex: hex32, settledAtSeconds: seconds })).check(z.maxLength(MOST_SETTLED_IN_PUSH)),
});
export type SettlementPush = z.infer<typeof SettlementPush>;

/** The gateway's index: a push that began elsewhere was not accepted, and the next one must begin here. */
export const SettlementPushAnswer = z.strictObject({ index });
