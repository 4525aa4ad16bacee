/*
 * LND's REST interface as the reference describes it: base64 in bodies, integers as strings, zero fields emitted, a look-up
 * that tells the preimage of an open invoice, errors whose words matter more than their status. Never run against a real LND.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { formatHex } from '#protocol/bytes.ts';
import { type TestCertificate } from './certificate.ts';
import {
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

export function startLndServer(
  ledger: TestLedger,
  { macaroonHex, certificate }: { macaroonHex: string; certificate?: TestCertificate },
): Promise<TestNode> {
  const { troubles } = ledger;

  function answer(call: TestCall): TestReply {
    if (call.path === '/v1/state') {
      return json(200, { state: troubles.locked ? 'LOCKED' : troubles.starting ? 'UNLOCKED' : 'SERVER_ACTIVE' });
    }
    if (troubles.locked) return error(500, { code: 2, message: 'wallet locked, unlock it to enable full RPC access' });
    if (troubles.starting) {
      return error(500, { code: 2, message: 'the RPC server is in the process of starting up, but not yet ready to accept calls' });
    }
    if (troubles.refuseCredential || call.headers['grpc-metadata-macaroon'] !== macaroonHex) {
      return error(500, { code: 2, message: 'verification failed: signature mismatch after caveat verification' });
    }
    if (troubles.forbid?.includes(call.path)) return error(403, { code: 7, message: 'permission denied' });
    if (call.path === '/v1/getinfo') {
      const chains = [{ chain: 'bitcoin', network: troubles.network ?? 'regtest' }];
      return json(200, {
        identity_pubkey: NODE_KEY_HEX,
        synced_to_chain: !troubles.syncing,
        num_active_channels: 1,
        version: '0.20.0-beta',
        chains,
      });
    }
    if (call.path === '/v1/balance/channels') {
      const amount = troubles.noInbound ? '0' : '1000000';
      return json(200, { balance: '0', remote_balance: { sat: amount, msat: `${amount}000` } });
    }
    if (call.path === '/v1/invoices' && call.method === 'POST') return mint(call.body);
    const hash = /^\/v1\/invoice\/([0-9a-f]{64})$/.exec(call.path)?.[1];
    if (hash !== undefined) return lookUp(hash);
    const streamed = /^\/v2\/invoices\/subscribe\/([A-Za-z0-9_-]{43}=)$/.exec(call.path)?.[1];
    if (streamed !== undefined) return { lines: subscribe(formatHex(new Uint8Array(Buffer.from(streamed, 'base64url')))) };
    if (call.path === '/v1/invoices/subscribe') return { lines: subscribeAll(Number(call.query.get('settle_index') ?? 0), call.gone) };
    return error(404, { code: 5, message: 'Not Found' });
  }

  /** What was paid after the index, but nothing for index 0; then whatever is made or paid, and never what was told before. */
  async function* subscribeAll(settleIndex: number, gone: Promise<void>): AsyncIterable<string> {
    const left = gone.then(() => 'gone' as const);
    let at = ledger.events.length;
    let told = settleIndex;
    const line = (invoice: TestInvoice): string => JSON.stringify({ result: describe(invoice) });
    for (const invoice of settleIndex === 0 ? [] : ledger.settledAfter(settleIndex)) {
      yield line(invoice);
      told = invoice.paid!.index;
    }
    for (;;) {
      for (; at < ledger.events.length; at++) {
        const invoice = ledger.events[at]!;
        if (troubles.streamError) {
          yield JSON.stringify({ error: { code: 2, message: 'invoice registry is shutting down', details: [] } });
          return;
        }
        if (invoice.canceled || (invoice.paid?.index ?? Infinity) <= told) continue;
        told = invoice.paid?.index ?? told;
        yield line(invoice);
      }
      if ((await Promise.race([ledger.happened(), left])) === 'gone') return;
    }
  }

  function mint(body: string): TestReply {
    const order = JSON.parse(body) as { memo: string; value_msat: string; expiry: string; r_preimage: string; private: boolean };
    const known = new Set(['memo', 'value_msat', 'expiry', 'private', 'r_preimage']);
    if (Object.keys(order).some((key) => !known.has(key))) return error(400, { code: 3, message: 'unknown field' });
    const preimage = new Uint8Array(Buffer.from(order.r_preimage, 'base64'));
    if (ledger.find(formatHex(sha256(preimage))) !== undefined) {
      return error(500, { code: 2, message: 'invoice with payment hash already exists' });
    }
    const made = ledger.make({ amountMsat: BigInt(order.value_msat), memo: order.memo, expirySeconds: Number(order.expiry), preimage });
    return json(200, {
      r_hash: base64(statedHash(made, ledger)),
      payment_request: made.invoice,
      add_index: '7',
      payment_addr: base64('cd'.repeat(32)),
    });
  }

  function lookUp(hash: string): TestReply {
    const found = ledger.find(hash);
    return found === undefined ? error(404, { code: 5, message: 'unable to locate invoice' }) : json(200, describe(found));
  }

  /** The first line is the state as it is; the stream ends after a final one. */
  async function* subscribe(hash: string): AsyncIterable<string> {
    const found = ledger.find(hash);
    if (found === undefined) {
      yield JSON.stringify({ error: { code: 5, message: 'unable to locate invoice', details: [] } });
      return;
    }
    while (found.paid === undefined && !found.canceled) {
      const changed = ledger.changed(hash);
      yield JSON.stringify({ result: describe(found) });
      await changed;
    }
    yield JSON.stringify({ result: describe(found) });
  }

  function describe(invoice: TestInvoice): Record<string, unknown> {
    return {
      memo: invoice.memo,
      // Told for open invoices too, to whoever may read invoices.
      r_preimage: base64(invoice.preimageHex),
      r_hash: base64(statedHash(invoice, ledger)),
      value_msat: String(invoice.amountMsat),
      settled: invoice.paid !== undefined,
      creation_date: String(invoice.createdAtSeconds),
      settle_date: String(invoice.paid?.atSeconds ?? 0),
      settle_index: String(invoice.paid?.index ?? 0),
      payment_request: invoice.invoice,
      expiry: String(invoice.expirySeconds),
      amt_paid_msat: String(invoice.paid === undefined ? 0n : invoice.amountMsat),
      state: invoice.paid !== undefined ? 'SETTLED' : invoice.canceled ? 'CANCELED' : 'OPEN',
      htlcs: [],
    };
  }

  return serveTestNode(ledger, { answer, certificate });
}

function error(status: number, body: { code: number; message: string }): TestReply {
  return json(status, { ...body, details: [] });
}

function base64(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64');
}

/** An LND macaroon with these permissions, `entity:action` or `uri:/…`. The signature is not one: nobody here checks it. */
export function makeLndMacaroon(permissions: readonly string[]): string {
  const ops = permissions.map((permission) => {
    const at = permission.indexOf(':');
    return field(3, Buffer.concat([field(1, Buffer.from(permission.slice(0, at))), field(2, Buffer.from(permission.slice(at + 1)))]));
  });
  const identifier = Buffer.concat([Buffer.of(3), field(1, Buffer.alloc(16, 7)), field(2, Buffer.from('0')), ...ops]);
  const packet = (type: number, content: Buffer): Buffer => Buffer.concat([Buffer.of(type, ...varint(content.length)), content]);
  return Buffer.concat([
    Buffer.of(2),
    packet(1, Buffer.from('lnd')),
    packet(2, identifier),
    Buffer.of(0, 0),
    packet(6, Buffer.alloc(32, 9)),
  ]).toString('hex');
}

/** The least that the bridge needs, with GetInfo and ChannelBalance so that it can look the node over. */
export const GATEWAY_PERMISSIONS = [
  'uri:/lnrpc.Lightning/AddInvoice',
  'uri:/lnrpc.Lightning/LookupInvoice',
  'uri:/invoicesrpc.Invoices/SubscribeSingleInvoice',
  'uri:/lnrpc.Lightning/GetInfo',
  'uri:/lnrpc.Lightning/ChannelBalance',
];

/** The same with what a settlement feed needs. */
export const FEED_PERMISSIONS = [...GATEWAY_PERMISSIONS, 'uri:/lnrpc.Lightning/SubscribeInvoices'];

function field(number: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.of((number << 3) | 2, ...varint(content.length)), content]);
}

function varint(length: number): number[] {
  return length < 0x80 ? [length] : [(length & 0x7f) | 0x80, length >> 7];
}
