/*
 * phoenixd's API as the reference and its source describe it: forms in, whole satoshi, errors in plain text, a random
 * preimage that every look-up tells, nothing that refuses a repeated order. Never run against a real phoenixd.
 */
import {
  json,
  isExpired,
  NODE_KEY_HEX,
  serveTestNode,
  statedHash,
  type TestCall,
  type TestInvoice,
  type TestLedger,
  type TestNode,
  type TestReply,
} from './node-ledger.ts';

export function startPhoenixdServer(
  ledger: TestLedger,
  { limitedPassword, fullPassword }: { limitedPassword: string; fullPassword: string },
): Promise<TestNode> {
  const { troubles } = ledger;

  function answer(call: TestCall): TestReply {
    const [, password] = Buffer.from((call.headers.authorization ?? '').replace('Basic ', ''), 'base64')
      .toString()
      .split(':');
    const isFull = password === fullPassword;
    if (troubles.refuseCredential || (!isFull && password !== limitedPassword)) return unauthorized();
    if (call.path === '/payinvoice') return isFull ? text(400, 'Parameter invoice is missing') : unauthorized();
    if (call.path === '/getinfo') {
      const channels = [{ state: 'Normal', inboundLiquiditySat: troubles.noInbound ? 0 : 100_000 }];
      return json(200, { nodeId: NODE_KEY_HEX, channels, chain: troubles.network ?? 'regtest', blockHeight: 100, version: '0.8.0' });
    }
    if (call.path === '/createinvoice')
      return call.method === 'POST' ? mint(new URLSearchParams(call.body)) : text(405, 'Invalid http method');
    if (call.path === '/payments/incoming') {
      const externalId = call.query.get('externalId');
      const isListed = (invoice: TestInvoice): boolean =>
        invoice.key === externalId && (invoice.paid !== undefined || call.query.get('all') === 'true');
      return json(200, ledger.invoices.filter(isListed).map(describe));
    }
    const found = ledger.find(/^\/payments\/incoming\/([0-9a-f]{64})$/.exec(call.path)?.[1] ?? '');
    return found === undefined ? text(404, 'Not found') : json(200, describe(found));
  }

  function mint(form: URLSearchParams): TestReply {
    const memo = form.get('description');
    if (memo === null) return text(400, 'Must provide either a description or descriptionHash');
    if (memo.length > 128) return text(400, 'Request parameter description is too long (max 128 characters)');
    if (!/^[0-9]+$/.test(form.get('amountSat') ?? '')) return text(400, 'Parameter amountSat is invalid (expected type is integer)');
    const made = ledger.make({
      amountMsat: BigInt(form.get('amountSat')!) * 1000n,
      memo,
      expirySeconds: Number(form.get('expirySeconds')),
      key: form.get('externalId') ?? '',
    });
    return json(200, { amountSat: Number(made.amountMsat / 1000n), paymentHash: statedHash(made, ledger), serialized: made.invoice });
  }

  function describe(invoice: TestInvoice): Record<string, unknown> {
    return {
      type: 'incoming_payment',
      subType: 'lightning',
      paymentHash: statedHash(invoice, ledger),
      preimage: invoice.preimageHex,
      externalId: invoice.key,
      description: invoice.memo,
      invoice: invoice.invoice,
      isPaid: invoice.paid !== undefined,
      isExpired: invoice.paid === undefined && isExpired(invoice, ledger),
      requestedSat: Number(invoice.amountMsat / 1000n),
      receivedSat: invoice.paid === undefined ? 0 : Number(invoice.amountMsat / 1000n),
      fees: 0,
      ...(invoice.paid === undefined ? {} : { completedAt: invoice.paid.atSeconds * 1000 + 7 }),
      createdAt: invoice.createdAtSeconds * 1000,
    };
  }

  return serveTestNode(ledger, { answer });
}

function unauthorized(): TestReply {
  return text(401, 'Invalid authentication (use basic auth with the http password set in phoenix.conf)');
}

function text(status: number, words: string): TestReply {
  return { status, text: words };
}
