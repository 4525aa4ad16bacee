/*
 * Eclair's API as the reference and its own test fixtures describe it: forms only, an empty user name, general errors, the
 * preimage told while the invoice is pending. Never run against a real Eclair.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { formatHex } from '#protocol/bytes.ts';
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

export function startEclairServer(ledger: TestLedger, { password }: { password: string }): Promise<TestNode> {
  const { troubles } = ledger;
  const authorization = `Basic ${Buffer.from(`:${password}`).toString('base64')}`;

  function answer(call: TestCall): TestReply {
    if (troubles.refuseCredential || call.headers.authorization !== authorization) {
      return { status: 401, text: 'The supplied authentication is invalid' };
    }
    if (call.method !== 'POST' || call.headers['content-type'] !== 'application/x-www-form-urlencoded') {
      return json(400, { error: 'The request content was malformed' });
    }
    const form = new URLSearchParams(call.body);
    switch (call.path) {
      case '/getinfo':
        return json(200, { version: '0.13.0', nodeId: NODE_KEY_HEX, network: troubles.network ?? 'regtest', blockHeight: 9999 });
      case '/usablebalances':
        return json(200, [
          { remoteNodeId: NODE_KEY_HEX, canSend: 100_000_000, canReceive: troubles.noInbound ? 0 : 20_000_000, isEnabled: true },
        ]);
      case '/createinvoice':
        return mint(form);
      case '/getreceivedinfo':
        return lookUp(form.get('paymentHash') ?? '');
      default:
        return json(404, { error: 'Not found' });
    }
  }

  function mint(form: URLSearchParams): TestReply {
    const preimage = new Uint8Array(Buffer.from(form.get('paymentPreimage') ?? '', 'hex'));
    if (!form.has('description') || !form.has('amountMsat')) return json(400, { error: 'The form field is missing' });
    // What the database says about a second row stays in the log; the answer is the general one.
    if (ledger.find(formatHex(sha256(preimage))) !== undefined) return json(500, { error: 'There was an internal server error.' });
    const order = {
      amountMsat: BigInt(form.get('amountMsat')!),
      memo: form.get('description')!,
      expirySeconds: Number(form.get('expireIn')),
    };
    return json(200, describeInvoice(ledger.make({ ...order, preimage })));
  }

  function describeInvoice(invoice: TestInvoice): Record<string, unknown> {
    return {
      prefix: 'lnbcrt',
      timestamp: invoice.createdAtSeconds,
      nodeId: NODE_KEY_HEX,
      serialized: invoice.invoice,
      description: invoice.memo,
      paymentHash: statedHash(invoice, ledger),
      expiry: invoice.expirySeconds,
      amount: Number(invoice.amountMsat),
      features: { activated: {}, unknown: [] },
      routingInfo: [],
    };
  }

  function lookUp(hash: string): TestReply {
    const found = ledger.find(hash);
    if (found === undefined) return json(404, { error: 'Not found' });
    const { paid } = found;
    const status =
      paid !== undefined
        ? {
            type: 'received',
            amount: Number(found.amountMsat),
            receivedAt: { iso: new Date(paid.atSeconds * 1000).toISOString(), unix: paid.atSeconds },
          }
        : { type: isExpired(found, ledger) ? 'expired' : 'pending' };
    const createdAt = { iso: new Date(found.createdAtSeconds * 1000).toISOString(), unix: found.createdAtSeconds };
    return json(200, { invoice: describeInvoice(found), paymentPreimage: found.preimageHex, paymentType: 'Standard', createdAt, status });
  }

  return serveTestNode(ledger, { answer });
}
