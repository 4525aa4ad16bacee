/*
 * What gateway and bridge say to each other: `POST /v1/invoices`, `POST /v1/invoices/batch`, `GET /v1/invoices/:hash`,
 * `GET /v1/node`, `GET /healthz`; and what the bridge pushes to the gateway, `POST /_l402/settlements`. Both sides read with these schemas.
 * They are strict: an answer with a field that is not named here is refused whole, so no
 * preimage can ever ride along (M28). Runs in Node and in a Worker.
 */
import * as z from 'zod/mini';

const hex32 = z.string().check(z.regex(/^[0-9a-f]{64}$/));
const decimal = z.string().check(z.regex(/^(0|[1-9][0-9]{0,18})$/));
const seconds = z.int().check(z.minimum(0));

/** What BOLT 11 can hold: 639 bytes of UTF-8. A half of a surrogate pair would come back as another character. */
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
/** The public key of a node, where its backend can tell it. */
const nodeKeyHex = z.optional(z.string().check(z.regex(/^0[23][0-9a-f]{64}$/)));

export const MintAnswer = z.strictObject({
  invoice: z.string().check(z.maxLength(4096)),
  paymentHashHex: hex32,
  expiresAtSeconds: seconds,
  /** Of the whole bridge, as `GET /v1/node` tells it: so that what is sold over this invoice can say it (M24). */
  settlement,
  /** Which node made it: what another node made beforehand cannot be paid at this one (M44). */
  nodeKeyHex,
});
export type MintAnswer = z.infer<typeof MintAnswer>;

/** So long the gateway waits for an answer about invoices to be made, and about one that was made. */
export const MINT_LIMIT_MS = 10_000;
export const LOOK_UP_LIMIT_MS = 5000;
/** Of that, for the way there and back: the bridge answers sooner, with what it has (M34). */
export const WAY_MS = 1000;

/** Orders of one batch: more would not fit into a body of the default size. */
export const MOST_ORDERS_IN_BATCH = 50;

/** Several orders at once, each with a key of its own. */
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
  /** Of the node that would be asked first now. */
  backend: z.string(),
  /** Only when there are several. */
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

/** One result for each order, in their sequence. */
export const MintBatchAnswer = z.strictObject({
  results: z.array(z.union([MintAnswer, ErrorAnswer])),
});
export type MintBatchAnswer = z.infer<typeof MintBatchAnswer>;

/** `strict`: a credential of this bridge needs a look-up before it is believed (M24). */
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

/** Where a gateway takes pushes. */
export const SETTLEMENTS_PATH = '/_l402/settlements';
/** Payments of one push: more would not fit into a body of 16 KiB. */
export const MOST_SETTLED_IN_PUSH = 100;

/** The number that a node gives a payment: each payment a greater one than the payment before it. */
const index = z.int().check(z.minimum(0));

/** Payments that a node has seen, in their sequence and without a gap after `fromIndex`. Nothing but hashes and times. */
export const SettlementPush = z.strictObject({
  /** The node, under a name that stays. */
  feed: z.string().check(z.regex(/^[a-z0-9-]{1,64}$/)),
  fromIndex: index,
  settled: z.array(z.strictObject({ index, paymentHashHex: hex32, settledAtSeconds: seconds })).check(z.maxLength(MOST_SETTLED_IN_PUSH)),
});
export type SettlementPush = z.infer<typeof SettlementPush>;

/** How far the gateway has got: a push that begins elsewhere was not taken, and the next one has to begin here. */
export const SettlementPushAnswer = z.strictObject({ index });
