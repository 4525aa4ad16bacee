/*
 * A wallet for `createL402Fetch` that pays from an LND node by REST, within a fee limit and a time limit. If LND reports a
 * payment as failed or not begun, it throws `PaymentRefused`: certainly nothing was paid. Any other failure leaves it
 * unknown, but the node is asked for the outcome first. Effects: calls to the node, money. Needs Node.
 */
import { hashPreimage } from '#protocol/preimage.ts';
import { equalBytes, formatHex, parseHex } from '#protocol/bytes.ts';
import { parseInvoice, type InvoiceFacts } from '#protocol/invoice.ts';
import { PaymentRefused } from '../error.ts';
import { type Wallet } from '../payment.ts';
import { askLnd, type LndAddress, type LndReply } from './lnd-rest.ts';

export interface LndWalletOptions {
  /** The REST URL: `https://127.0.0.1:8080`. Plain `http://` only for this machine. */
  readonly url: string;
  /** A macaroon that can only pay: docs/bridge.md says how to bake it. */
  readonly macaroonHex: string;
  /** PEM of the node's `tls.cert`. `undefined`: a public authority must have signed the node's certificate. */
  readonly certificate?: string | undefined;
  /** The most that routing one payment may cost, in satoshis with up to three decimals. With 0 LND uses only free routes. */
  readonly maxFeeSats: number;
  /** Seconds for which the node tries to pay. Default 60. A payment in flight may still take longer. */
  readonly timeoutSeconds?: number | undefined;
}

const DEFAULT_TIMEOUT_SECONDS = 60;
const LONGEST_TIMEOUT_SECONDS = 3600;
/** The node's own limit ends first, so that its answer is received. */
const SLACK_MS = 5000;
/** The node answers questions about a payment from its own records. */
const TRACK_TIMEOUT_MS = 10_000;

/** LND's failure reasons, in words. */
const REASONS: Readonly<Record<string, string>> = {
  FAILURE_REASON_TIMEOUT: 'the node found no route in time',
  FAILURE_REASON_NO_ROUTE: 'the node found no route within the fee limit',
  FAILURE_REASON_INCORRECT_PAYMENT_DETAILS: 'the receiver rejected the payment: the invoice was cancelled, has expired or is unknown',
  FAILURE_REASON_INSUFFICIENT_BALANCE: "not enough balance in the node's channels",
  FAILURE_REASON_CANCELED: 'the payment was cancelled at the node',
};

/** Creates a wallet of a node. Throws on invalid options. */
export function createLndWallet(options: LndWalletOptions): Wallet {
  const { timeoutSeconds = DEFAULT_TIMEOUT_SECONDS } = options;
  const address = readAddress(options);
  const feeLimitMsat = readFeeLimit(options.maxFeeSats);
  if (!Number.isInteger(timeoutSeconds) || timeoutSeconds < 1 || timeoutSeconds > LONGEST_TIMEOUT_SECONDS)
    throw new TypeError(`timeoutSeconds: must be a whole number from 1 to ${LONGEST_TIMEOUT_SECONDS}`);

  /** Payments whose outcome the node has not reported: a later refusal proves nothing about them. */
  const inDoubt = new Set<string>();

  async function payOrFindOut({ invoice, paymentHash }: InvoiceFacts): Promise<Uint8Array | PaymentRefused | undefined> {
    const isRepeated = inDoubt.has(formatHex(paymentHash));
    const order = { payment_request: invoice, fee_limit_msat: feeLimitMsat, timeout_seconds: timeoutSeconds, no_inflight_updates: true };
    const timeoutMs = timeoutSeconds * 1000 + SLACK_MS;
    const reply = await askLnd(address, { method: 'POST', path: '/v2/router/send', body: order, timeoutMs });
    const sent = readAnswer(reply);
    if (sent.state === 'succeeded') return sent.preimage;
    if (sent.state === 'failed' || (sent.state === 'not_begun' && !isRepeated)) return new PaymentRefused(sent.reason);
    // Paid before, in flight, or the answer was lost: the node's records have the outcome.
    const path = `/v2/router/track/${formatBase64Url(paymentHash)}?no_inflight_updates=true`;
    const tracked = readAnswer(await askLnd(address, { method: 'GET', path, timeoutMs: TRACK_TIMEOUT_MS }));
    if (tracked.state === 'succeeded') return tracked.preimage;
    if (tracked.state === 'failed') return new PaymentRefused(tracked.reason);
    // Only if the node has answered the order is it certain not to start it later.
    return sent.state === 'declined' && tracked.state === 'unknown_payment' ? new PaymentRefused(sent.reason) : undefined;
  }

  return async (invoice) => {
    const facts = parseInvoice(invoice);
    if (!facts.ok) throw new PaymentRefused('the invoice cannot be read');
    const hashHex = formatHex(facts.value.paymentHash);
    const outcome = await payOrFindOut(facts.value);
    if (outcome === undefined) {
      inDoubt.add(hashHex);
      throw new Error('the outcome of the payment is unknown: the node gave no clear answer');
    }
    inDoubt.delete(hashHex);
    if (outcome instanceof PaymentRefused) throw outcome;
    // The proof that money has moved; without it the payment is unknown.
    if (!equalBytes(hashPreimage(outcome), facts.value.paymentHash))
      throw new Error('the node reports the payment as made, but with another preimage');
    return formatHex(outcome);
  };
}

type PaymentAnswer =
  | { readonly state: 'succeeded'; readonly preimage: Uint8Array }
  | { readonly state: 'failed'; readonly reason: string }
  /** The order did not reach the part of the node that pays. */
  | { readonly state: 'not_begun'; readonly reason: string }
  /** An error for this order, which says nothing about an earlier one for the same invoice. */
  | { readonly state: 'declined'; readonly reason: string }
  | { readonly state: 'unknown_payment' }
  | { readonly state: 'unclear' };

interface LndFault {
  readonly code?: unknown;
  readonly message?: unknown;
}
interface LndLine extends LndFault {
  readonly result?: { readonly status?: unknown; readonly payment_preimage?: unknown; readonly failure_reason?: unknown };
  readonly error?: LndFault;
}

/** Reads the last line, which decides: earlier lines are about a payment in flight. */
function readAnswer(reply: LndReply): PaymentAnswer {
  if (reply.kind === 'not_sent')
    return { state: 'not_begun', reason: 'the node cannot be reached, or its certificate is not the expected one' };
  const line = reply.kind === 'answered' ? readLine(reply.text.trimEnd().split('\n').at(-1) ?? '') : undefined;
  if (reply.kind !== 'answered' || line === undefined) return { state: 'unclear' };
  const fault = line.error ?? (reply.status === 200 ? undefined : line);
  if (fault !== undefined) return judgeFault(fault);
  const { status, payment_preimage: preimageHex, failure_reason: reason } = line.result ?? {};
  const preimage = typeof preimageHex === 'string' ? parseHex(preimageHex) : undefined;
  if (status === 'SUCCEEDED' && preimage !== undefined) return { state: 'succeeded', preimage };
  if (status === 'FAILED') return { state: 'failed', reason: REASONS[String(reason)] ?? 'the payment failed at the node' };
  return { state: 'unclear' };
}

/** Judges an error by its text, because LND gives most errors the same code; the text is not passed on. */
function judgeFault({ code, message }: LndFault): PaymentAnswer {
  const words = typeof message === 'string' ? message : '';
  if (/wallet (locked|not created)/i.test(words)) return { state: 'not_begun', reason: 'the wallet of the node is locked' };
  if (/process of starting up|waiting to start/i.test(words)) return { state: 'not_begun', reason: 'the node is starting up' };
  if (/permission denied/i.test(words)) return { state: 'not_begun', reason: 'the macaroon does not allow this call' };
  if (/macaroon|verification failed|root key/i.test(words) || code === 16)
    return { state: 'not_begun', reason: 'the node refuses the macaroon' };
  if (/payment isn't initiated/i.test(words) || code === 5) return { state: 'unknown_payment' };
  if (/invoice expired/i.test(words)) return { state: 'declined', reason: 'the invoice has expired' };
  if (/not for current active network/i.test(words))
    return { state: 'declined', reason: 'the node is on another network than the invoice' };
  return { state: 'declined', reason: 'the node refused the payment request' };
}

function readLine(text: string): LndLine | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function readAddress({ url, macaroonHex, certificate }: LndWalletOptions): LndAddress {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const isLoopback = /^(localhost|\[::1\]|127(\.[0-9]{1,3}){3})$/.test(parsed?.hostname ?? '');
  if (parsed === undefined || !(parsed.protocol === 'https:' || (parsed.protocol === 'http:' && isLoopback)))
    throw new TypeError('url: must be like https://host:port; http:// on this machine only');
  if (parseHex(macaroonHex) === undefined || macaroonHex === '') throw new TypeError('macaroonHex: must be a macaroon in hex');
  if (certificate !== undefined && !certificate.includes('-----BEGIN CERTIFICATE-----')) throw new TypeError('certificate: must be PEM');
  return { url: parsed, macaroonHex, certificate };
}

function readFeeLimit(maxFeeSats: number): string {
  const msat = Math.round(maxFeeSats * 1000);
  if (typeof maxFeeSats !== 'number' || !(maxFeeSats >= 0) || !Number.isSafeInteger(msat))
    throw new TypeError('maxFeeSats: must be a number of satoshis, 0 or more');
  return String(msat);
}

function formatBase64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url').padEnd(44, '=');
}
