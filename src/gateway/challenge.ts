/*
 * The 402: an invoice is ordered, held against the order, and gets its one token (M3). The order carries a reference that
 * is made for it alone and comes back in the invoice's signed description, so an invoice that was handed out before
 * can never get a second token.
 */
import { formatHex } from '#protocol/bytes.ts';
import { checkInvoice, INVOICE_EXPIRY_SLACK_SECONDS, parseInvoice, type InvoiceFacts } from '#protocol/invoice.ts';
import { formatSats } from '#protocol/msat.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type Terms } from '#protocol/terms.ts';
import { mintToken } from '#protocol/token.ts';
import { offer } from '#schemes/l402.ts';
import { type Quote } from '#schemes/scheme.ts';
import { type Admission } from './admit.ts';
import { type GateDeps } from './gate-deps.ts';
import { remainingFields } from './remaining.ts';
import { problem } from './refuse.ts';
import { type GatewayRefusal } from './refusals.ts';

const NODE_RETRY_SECONDS = 5;

/** The answer to a request that has to pay first; 503 when no invoice can be had. */
export async function challenge(
  { reason, quote, random, limits, unmade }: Extract<Admission, { kind: 'pay' }>,
  { deps, method }: { deps: GateDeps; method: string },
): Promise<Response> {
  const left = reason.remaining === undefined ? {} : remainingFields(reason.remaining);
  const { docsUrl } = deps.settings;
  const ordered = await orderInvoice(quote, deps);
  if (!ordered.ok) {
    unmade();
    return problem(ordered.refusal, { docsUrl, method });
  }
  const { facts, settlement } = ordered.value;
  const { invoice, expiresAtSeconds } = facts;
  const token = await mintFor(facts, { quote, random, settlement }, deps);
  deps.log('challenge', { match: quote.match, service: quote.service, amount_msat: String(quote.sells.amountMsat), reason: reason.code });
  return problem(
    { ...reason, limits },
    {
      docsUrl,
      method,
      headers: { 'www-authenticate': offer({ token, invoice }) },
      fields: {
        price_sats: Number(formatSats(quote.sells.amountMsat)),
        price_msat: Number(quote.sells.amountMsat),
        buys: describeOffer(quote),
        service: quote.service,
        description: quote.description,
        invoice,
        token,
        invoice_expires_at: formatInstant(expiresAtSeconds),
        token_expires_at: formatInstant(endOf(facts, quote, deps)),
        ...left,
      },
    },
  );
}

interface OrderedInvoice {
  readonly facts: InvoiceFacts;
  readonly settlement: Terms['settlement'];
}

async function orderInvoice(quote: Quote, deps: GateDeps): Promise<Result<OrderedInvoice, GatewayRefusal>> {
  const { lightning, random, clock, log, settings } = deps;
  const memo = `${quote.description} [${formatHex(random(8))}]`;
  const unavailable = (cause: string) => {
    log('fault', { at: 'lightning.mint', message: cause });
    return refuse({
      code: 'node_unavailable',
      detail: 'the Lightning node cannot be asked for an invoice',
      retryAfterSeconds: NODE_RETRY_SECONDS,
    } as const);
  };
  let minted: Awaited<ReturnType<GateDeps['lightning']['mint']>>;
  try {
    const order = {
      amountMsat: quote.sells.amountMsat,
      memo,
      expirySeconds: settings.invoiceExpirySeconds,
      idempotencyKey: formatHex(random(16)),
    };
    minted = await lightning.mint(order);
  } catch (error) {
    return unavailable(error instanceof Error ? error.message : 'unknown');
  }
  const facts = parseInvoice(minted.invoice);
  if (!facts.ok) return unavailable(facts.refusal.code);
  const nowSeconds = Math.floor(clock() / 1000);
  const wrong = checkInvoice(facts.value, {
    network: settings.network,
    nowSeconds,
    amountMsat: quote.sells.amountMsat,
    description: memo,
    latestExpirySeconds: nowSeconds + settings.invoiceExpirySeconds + INVOICE_EXPIRY_SLACK_SECONDS,
  });
  if (wrong !== undefined) return unavailable(wrong.code);
  const isStrict = settings.settlement === 'strict' || minted.settlement === 'strict';
  return accept({ facts: facts.value, settlement: isStrict ? 'strict' : undefined });
}

async function mintFor(
  facts: InvoiceFacts,
  { quote, random, settlement }: { quote: Quote; random: Uint8Array; settlement: Terms['settlement'] },
  deps: GateDeps,
): Promise<string> {
  const { keys, hmac, settings } = deps;
  const { keyId, epoch, epochKey } = await keys.current();
  return mintToken({
    paymentHash: facts.paymentHash,
    id: {
      keyId,
      epoch,
      region: settings.claimRegion,
      shardBits: settings.claimShardBits,
      random,
    },
    terms: {
      service: quote.service,
      tier: quote.tier,
      ...(quote.capabilities.length > 0 ? { capabilities: quote.capabilities } : {}),
      validUntilSeconds: endOf(facts, quote, deps),
      paidMsat: quote.sells.amountMsat,
      access: quote.sells.access,
      quoteDigest: quote.digest,
      settlement,
    },
    epochKey,
    hmac,
  });
}

/** What the invoice buys, for people and agents. */
function describeOffer({ sells: { access, seconds }, priceMsat }: Quote): string {
  const time = seconds === undefined ? '' : ` within ${seconds} seconds`;
  switch (access.kind) {
    case 'call':
      return `one call${time}`;
    case 'calls':
      return `${access.calls} calls${time}`;
    case 'pass':
      return `any number of calls${time}${access.maxPerMinute === undefined ? '' : `, ${access.maxPerMinute} a minute`}`;
    case 'credit':
      return `a balance of ${access.creditMsat} msat${time}, of which this call takes ${priceMsat}`;
  }
}

/** Fixed at the challenge: whoever pays at the last moment still has all of what was sold (M8). */
function endOf({ expiresAtSeconds }: InvoiceFacts, { sells }: Quote, { settings }: GateDeps): number {
  return expiresAtSeconds + (sells.seconds ?? settings.redeemSeconds);
}

function formatInstant(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}
