/*
 * The 402: a ready challenge, or an invoice that is ordered now and gets its one token (M3), described for people and
 * programs; 503 if there is none. Effects: the node behind the port, the log.
 */
import { formatSats } from '#protocol/msat.ts';
import { type Quote } from '#schemes/scheme.ts';
import { type ReadyChallenge } from '../../ports.ts';
import { type Admission } from '../admission.ts';
import { type GateDeps } from '../gate-deps.ts';
import { orderInvoice } from './invoice-order.ts';
import { endOfToken, makeChallenge, openIssuer } from './ready-challenge.ts';
import { remainingFields } from '../answers/remaining.ts';
import { problem } from '../answers/refuse.ts';

const NODE_RETRY_SECONDS = 5;

/** Returns the response to a request that has to pay first; 503 if no invoice can be made. */
export async function challenge(
  { reason, quote, source, limits }: Extract<Admission, { kind: 'pay' }>,
  { deps, method }: { deps: GateDeps; method: string },
): Promise<Response> {
  const { settings, log, schemes } = deps;
  const { docsUrl } = settings;
  let ready: ReadyChallenge;
  if (source.kind === 'ready') ready = source.item;
  else {
    const ordered = await orderInvoice(quote, deps);
    if (!ordered.ok) {
      source.unmade();
      log('fault', { at: 'lightning.mint', message: ordered.refusal });
      const detail = 'the Lightning node cannot be asked for an invoice';
      return problem({ code: 'node_unavailable', detail, retryAfterSeconds: NODE_RETRY_SECONDS }, { docsUrl, method });
    }
    const { challengeId, region } = source;
    ready = await makeChallenge(ordered.value, { quote, challengeId, region, issuer: await openIssuer(schemes) }, settings);
    source.made(ready);
  }
  const { invoice, token, endsAtMs } = ready;
  const left = reason.remaining === undefined ? {} : remainingFields(reason.remaining);
  const { match, service, sells } = quote;
  log('challenge', { match, service, amount_msat: String(sells.amountMsat), reason: reason.code, source: source.kind });
  return problem(
    { ...reason, limits },
    {
      docsUrl,
      method,
      headers: { 'www-authenticate': schemes.map((scheme) => scheme.formatChallenge(ready, quote)).join(', ') },
      fields: {
        price_sats: Number(formatSats(quote.sells.amountMsat)),
        price_msat: Number(quote.sells.amountMsat),
        buys: describeOffer(quote),
        service: quote.service,
        description: quote.description,
        invoice,
        token,
        invoice_expires_at: formatInstant(endsAtMs / 1000),
        token_expires_at: formatInstant(endOfToken(endsAtMs / 1000, quote, settings)),
        ...left,
      },
    },
  );
}

/** Describes what the invoice buys, for people and agents. */
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

function formatInstant(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}
