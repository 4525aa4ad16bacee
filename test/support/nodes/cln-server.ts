/*
 * clnrest as the reference describes it: 201 for what worked, 500 with a code for what did not, an empty list for nothing
 * found, fields without a value left out. Never run against a real Core Lightning.
 */
import { type TestCertificate } from './certificate.ts';
import {
  isExpired,
  json,
  NODE_KEY_HEX,
  serveTestNode,
  statedHash,
  type TestCall,
  type TestInvoice,
  type TestLedger,
  type TestNode,
  type TestReply,
} from './node-ledger.ts';

export interface ClnServerOptions {
  readonly rune: string;
  readonly certificate?: TestCertificate;
  /** Older versions write amounts as `"1000msat"`. */
  readonly amountsWithUnit?: boolean;
}

export function startClnServer(ledger: TestLedger, { rune, certificate, amountsWithUnit = false }: ClnServerOptions): Promise<TestNode> {
  const { troubles } = ledger;
  const amount = (msat: bigint): unknown => (amountsWithUnit ? `${msat}msat` : Number(msat));

  async function answer(call: TestCall): Promise<TestReply> {
    if (call.method !== 'POST') return json(405, { message: 'Method not allowed' });
    if (call.headers['rune'] === undefined) return json(403, { code: 1501, message: 'Not authorized: Missing rune' });
    if (troubles.refuseCredential || call.headers['rune'] !== rune)
      return json(401, { code: 1502, message: 'Not authorized: Not derived from master' });
    const method = call.path.replace('/v1/', '');
    if (troubles.forbid?.includes(method)) return json(401, { code: 1502, message: `Not permitted: method is not equal to invoice` });
    const parameters = JSON.parse(call.body) as Record<string, unknown>;
    switch (method) {
      case 'getinfo':
        return json(201, {
          id: NODE_KEY_HEX,
          network: troubles.network ?? 'regtest',
          ...(troubles.syncing ? { warning_lightningd_sync: 'Still loading latest blocks from bitcoind.' } : {}),
        });
      case 'listpeerchannels':
        return json(201, { channels: [{ state: 'CHANNELD_NORMAL', receivable_msat: amount(troubles.noInbound ? 0n : 1_000_000_000n) }] });
      case 'invoice':
        return mint(parameters);
      case 'listinvoices':
        return json(201, { invoices: list(parameters).map(describe) });
      case 'waitinvoice':
        return waitInvoice(String(parameters['label']), call.gone);
      case 'waitanyinvoice':
        return waitAnyInvoice({ last: Number(parameters['lastpay_index']), seconds: parameters['timeout'], gone: call.gone });
      default:
        return json(404, { code: -32_601, message: `Unknown command '${method}'` });
    }
  }

  function mint(order: Record<string, unknown>): TestReply {
    const key = String(order['label']);
    if (ledger.invoices.some((invoice) => invoice.key === key)) {
      return json(500, { code: 900, message: `Duplicate label '${key}'` });
    }
    const amountMsat = /^([0-9]+)msat$/.exec(String(order['amount_msat']))?.[1];
    if (amountMsat === undefined) return json(500, { code: -32_602, message: 'amount_msat: should be a millisatoshi amount' });
    const made = ledger.make({
      amountMsat: BigInt(amountMsat),
      memo: String(order['description']),
      expirySeconds: Number(order['expiry']),
      key,
    });
    return json(201, {
      payment_hash: statedHash(made, ledger),
      expires_at: made.createdAtSeconds + made.expirySeconds,
      bolt11: made.invoice,
      payment_secret: 'cd'.repeat(32),
      created_index: 1,
      warning_capacity: 'Insufficient incoming channel capacity to pay invoice',
    });
  }

  function list(by: Record<string, unknown>): TestInvoice[] {
    return ledger.invoices.filter((invoice) => invoice.key === by['label'] || invoice.paymentHashHex === by['payment_hash']);
  }

  /** The preimage is told for paid invoices only. */
  function describe(invoice: TestInvoice): Record<string, unknown> {
    return {
      label: invoice.key,
      bolt11: invoice.invoice,
      payment_hash: statedHash(invoice, ledger),
      amount_msat: amount(invoice.amountMsat),
      status: invoice.paid !== undefined ? 'paid' : isExpired(invoice, ledger) ? 'expired' : 'unpaid',
      description: invoice.memo,
      expires_at: invoice.createdAtSeconds + invoice.expirySeconds,
      created_index: 1,
      ...(invoice.paid === undefined
        ? {}
        : {
            pay_index: invoice.paid.index,
            amount_received_msat: amount(invoice.amountMsat),
            paid_at: invoice.paid.atSeconds,
            payment_preimage: invoice.preimageHex,
          }),
    };
  }

  async function waitInvoice(label: string, gone: Promise<void>): Promise<TestReply> {
    const invoice = ledger.invoices.find(({ key }) => key === label);
    if (invoice === undefined) return json(500, { code: -1, message: 'Label not found' });
    const goneAway = gone.then(() => 'gone' as const);
    while (invoice.paid === undefined && !invoice.canceled) {
      if ((await Promise.race([ledger.changed(invoice.paymentHashHex), goneAway])) === 'gone') break;
    }
    if (invoice.canceled) {
      ledger.invoices.splice(ledger.invoices.indexOf(invoice), 1);
      return json(500, { code: -1, message: 'Invoice deleted' });
    }
    return json(201, describe(invoice));
  }

  async function waitAnyInvoice({ last, seconds, gone }: { last: number; seconds: unknown; gone: Promise<void> }): Promise<TestReply> {
    const goneAway = gone.then(() => 'gone' as const);
    for (;;) {
      const [paid] = ledger.settledAfter(last);
      if (paid !== undefined) return json(201, describe(paid));
      // As the node says it over clnrest.
      const isOver = seconds === 0 || (troubles.endWaits && ledger.events.length > 0);
      if (isOver) return json(500, { code: 904, message: 'Timed out' });
      if ((await Promise.race([ledger.happened(), goneAway])) === 'gone') return json(500, { code: 904, message: 'Timed out' });
    }
  }

  return serveTestNode(ledger, { answer, certificate });
}

/** A rune with these restrictions, each a list of alternatives. The code before them is not one: nobody here checks it. */
export function makeRune(restrictions: readonly (readonly string[])[]): string {
  const text = ['=1', ...restrictions.map((alternatives) => alternatives.join('|'))].join('&');
  return Buffer.concat([Buffer.alloc(32, 7), Buffer.from(text)]).toString('base64url');
}

export const GATEWAY_METHODS = ['invoice', 'listinvoices', 'waitinvoice', 'getinfo', 'listpeerchannels'].map((name) => `method=${name}`);

/** What a settlement feed needs besides. */
export const FEED_METHODS = ['method=waitanyinvoice'];
