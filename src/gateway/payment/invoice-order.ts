/*
 * Invoices, ordered and checked against the order. Each order carries a unique reference that comes back in the invoice's
 * signed description, so an invoice that was issued before can never get a second token (M3). The same checks apply to
 * invoices made on request and in advance (M23). Effects: the node behind the port.
 */
import { formatHex } from '#protocol/bytes.ts';
import { checkInvoice, INVOICE_EXPIRY_SLACK_SECONDS, parseInvoice, type InvoiceFacts } from '#protocol/invoice.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type Terms } from '#protocol/terms.ts';
import { type Quote } from '#schemes/scheme.ts';
import { type InvoiceOrder, type MintedInvoice } from '../../ports.ts';
import { type GateDeps } from '../gate-deps.ts';

export interface OrderedInvoice {
  readonly facts: InvoiceFacts;
  /** Tokens get the stricter of the gateway's setting and the bridge's (M24). */
  readonly settlement: Terms['settlement'];
  readonly node: string | undefined;
}

type OrderDeps = Pick<GateDeps, 'lightning' | 'random' | 'clock' | 'settings'>;

/** Orders one invoice; refuses with the reason if there is none. */
export async function orderInvoice(quote: Quote, deps: OrderDeps): Promise<Result<OrderedInvoice, string>> {
  const order = writeOrder(quote, deps);
  try {
    return checkMinted(await deps.lightning.mint(order), order, deps);
  } catch (error) {
    return refuse(error instanceof Error ? error.message : 'unknown');
  }
}

/** Orders this many invoices at once. Returns those that came back, each with its own result. Throws if the order itself fails. */
export async function orderInvoices(
  quote: Quote,
  { count, deps }: { count: number; deps: OrderDeps },
): Promise<readonly Result<OrderedInvoice, string>[]> {
  const orders = Array.from({ length: count }, () => writeOrder(quote, deps));
  const minted = await deps.lightning.mintBatch(orders);
  return minted.flatMap((one, index) => (one === undefined ? [] : [checkMinted(one, orders[index]!, deps)]));
}

function writeOrder({ description, sells }: Quote, { random, settings }: OrderDeps): InvoiceOrder {
  return {
    amountMsat: sells.amountMsat,
    memo: `${description} [${formatHex(random(8))}]`,
    expirySeconds: settings.invoiceExpirySeconds,
    idempotencyKey: formatHex(random(16)),
  };
}

function checkMinted(
  { invoice, settlement, node }: MintedInvoice,
  { amountMsat, memo, expirySeconds }: InvoiceOrder,
  { clock, settings }: OrderDeps,
): Result<OrderedInvoice, string> {
  const facts = parseInvoice(invoice);
  if (!facts.ok) return refuse(facts.refusal.code);
  const nowSeconds = Math.floor(clock() / 1000);
  const wrong = checkInvoice(facts.value, {
    network: settings.network,
    nowSeconds,
    amountMsat,
    description: memo,
    latestExpirySeconds: nowSeconds + expirySeconds + INVOICE_EXPIRY_SLACK_SECONDS,
  });
  if (wrong !== undefined) return refuse(wrong.code);
  const isStrict = settings.settlement === 'strict' || settlement === 'strict';
  return accept({ facts: facts.value, settlement: isStrict ? 'strict' : undefined, node });
}
