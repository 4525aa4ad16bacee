/*
 * The LND wallet against a server that answers as LND does: 200 for failures, errors whose words matter, streams, answers
 * that get lost. What it says must never be "nothing was paid" when that is not known.
 */
import { createServer as createPlain, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTls } from 'node:https';
import { type AddressInfo } from 'node:net';
import { sha256 } from '@noble/hashes/sha2.js';
import { describe, expect, it, onTestFinished } from 'vitest';
import { PaymentRefused } from '#client/index.ts';
import { createLndWallet, type LndWalletOptions } from '#client/node/lnd-wallet.ts';
import { formatHex } from '#protocol/bytes.ts';
import { makeCertificate, type TestCertificate } from '#support/nodes/certificate.ts';
import { makeInvoice } from './invoice-maker.ts';

const MACAROON = '0201036c6e64'.padEnd(80, 'a7');
const PREIMAGE = new Uint8Array(32).fill(0x5e);
const PREIMAGE_HEX = formatHex(PREIMAGE);

type Reply = { readonly status?: number; readonly lines: readonly unknown[] } | 'hang up';

const succeeded = (preimageHex = PREIMAGE_HEX) => ({ result: { status: 'SUCCEEDED', payment_preimage: preimageHex, fee_msat: '0' } });
const failed = (reason: string) => ({ result: { status: 'FAILED', failure_reason: reason, payment_preimage: '0'.repeat(64) } });
const fault = (code: number, message: string) => ({ error: { code, message, details: [] } });
const NEVER_STARTED: Reply = { status: 404, lines: [fault(5, "payment isn't initiated")] };

async function startServer(handle: RequestListener, certificate?: TestCertificate): Promise<string> {
  const server =
    certificate === undefined ? createPlain(handle) : createTls({ cert: certificate.certPem, key: certificate.keyPem }, handle);
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `${certificate === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A node that answers orders and questions with these, and remembers what it was asked. */
async function openNode({ send, track = NEVER_STARTED, ...options }: { send: Reply; track?: Reply } & Partial<LndWalletOptions>) {
  const asked: { readonly path: string; readonly body: Record<string, unknown> | undefined; readonly macaroon: unknown }[] = [];
  const replies = { send, track };
  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const path = request.url ?? '';
    const body = text === '' ? undefined : (JSON.parse(text) as Record<string, unknown>);
    asked.push({ path, body, macaroon: request.headers['grpc-metadata-macaroon'] });
    const reply = path === '/v2/router/send' ? replies.send : replies.track;
    if (reply === 'hang up') request.socket.destroy();
    else {
      response.writeHead(reply.status ?? 200);
      response.end(reply.lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    }
  }
  const url = await startServer((request, response) => void handle(request, response));
  const pay = createLndWallet({ url, macaroonHex: MACAROON, maxFeeSats: 2.5, timeoutSeconds: 7, ...options });
  return { asked, replies, pay };
}

const invoice = (): string => makeInvoice({ paymentHash: sha256(PREIMAGE), prefix: 'bcrt10n' });

async function thrownBy(call: Promise<unknown>): Promise<Error> {
  const thrown: unknown = await call.catch((error: unknown) => error);
  expect(thrown).toBeInstanceOf(Error);
  return thrown as Error;
}

describe('the LND wallet', () => {
  it('Y3: orders the payment within its limits and gives the preimage', async () => {
    const { pay, asked } = await openNode({ send: { lines: [{ result: { status: 'IN_FLIGHT' } }, succeeded()] } });
    const asking = invoice();
    expect(await pay(asking)).toBe(PREIMAGE_HEX);
    const limits = { fee_limit_msat: '2500', timeout_seconds: 7, no_inflight_updates: true };
    expect(asked).toEqual([{ path: '/v2/router/send', body: { payment_request: asking, ...limits }, macaroon: MACAROON }]);
  });

  it.each([
    ['FAILURE_REASON_NO_ROUTE', 'the node found no route within the fee limit'],
    ['FAILURE_REASON_INSUFFICIENT_BALANCE', "not enough balance in the node's channels"],
    ['FAILURE_REASON_TIMEOUT', 'the node found no route in time'],
    ['FAILURE_REASON_OF_TOMORROW', 'the payment failed at the node'],
  ])('Y8: a payment that failed with status 200 was not made: %s', async (reason, words) => {
    const { pay } = await openNode({ send: { lines: [failed(reason)] } });
    await expect(pay(invoice())).rejects.toEqual(new PaymentRefused(words));
  });

  it.each<[string, Reply]>([
    [
      'the wallet of the node is locked',
      { status: 500, lines: [{ code: 2, message: 'wallet locked, unlock it to enable full RPC access' }] },
    ],
    ['the macaroon does not allow this call', { status: 403, lines: [{ code: 7, message: 'permission denied' }] }],
    ['the node refuses the macaroon', { status: 500, lines: [{ code: 2, message: 'verification failed: signature mismatch' }] }],
    ['the invoice has expired', { status: 500, lines: [fault(2, 'invoice expired. Valid until 2026-11-21')] }],
    ['the node refused the payment request', { status: 400, lines: [{ code: 3, message: 'something new' }] }],
  ])('Y8: an order that the node turned down was not paid: %s', async (words, send) => {
    const { pay } = await openNode({ send });
    await expect(pay(invoice())).rejects.toEqual(new PaymentRefused(words));
  });

  it('Y8: a node that nobody reaches has paid nothing', async () => {
    const pay = createLndWallet({ url: 'http://127.0.0.1:1', macaroonHex: MACAROON, maxFeeSats: 1 });
    expect(await thrownBy(pay(invoice()))).toBeInstanceOf(PaymentRefused);
  });

  it('M31: an invoice that was paid before, or an answer that got lost, is looked up and not paid again', async () => {
    for (const send of [{ status: 409, lines: [fault(6, 'invoice is already paid')] }, 'hang up'] as const) {
      const { pay, asked } = await openNode({ send, track: { lines: [succeeded()] } });
      expect(await pay(invoice())).toBe(PREIMAGE_HEX);
      expect(asked.map(({ path }) => path.split('?')[0]!.replace(/[A-Za-z0-9_-]{43}=$/, 'HASH'))).toEqual([
        '/v2/router/send',
        '/v2/router/track/HASH',
      ]);
    }
  });

  it.each<[string, Reply, Reply]>([
    ['the answer got lost and the node knows nothing of it yet', 'hang up', NEVER_STARTED],
    ['the answer got lost and the question too', 'hang up', 'hang up'],
    ['it is under way', { status: 409, lines: [fault(6, 'payment is in transition')] }, { lines: [{ result: { status: 'IN_FLIGHT' } }] }],
    ['the answer is no JSON', { lines: [] }, NEVER_STARTED],
  ])('M31: what is not known is not called unpaid: %s', async (_, send, track) => {
    const { pay } = await openNode({ send, track });
    expect(await thrownBy(pay(invoice()))).not.toBeInstanceOf(PaymentRefused);
  });

  it('M31: once in doubt, a payment stays so until the node knows, though it turns the next order down', async () => {
    const { pay, replies } = await openNode({ send: 'hang up', track: 'hang up' });
    const asking = invoice();
    await thrownBy(pay(asking));
    replies.send = { status: 500, lines: [{ code: 2, message: 'wallet locked, unlock it to enable full RPC access' }] };
    expect(await thrownBy(pay(asking))).not.toBeInstanceOf(PaymentRefused);
    replies.track = { lines: [failed('FAILURE_REASON_NO_ROUTE')] };
    expect(await thrownBy(pay(asking))).toBeInstanceOf(PaymentRefused);
  });

  it('M31: a preimage of another payment proves nothing', async () => {
    const { pay } = await openNode({ send: { lines: [succeeded('ab'.repeat(32))] } });
    const error = await thrownBy(pay(invoice()));
    expect(error).not.toBeInstanceOf(PaymentRefused);
    expect(error.message).not.toContain('abab');
  });

  it('M31: the macaroon goes to the node with the pinned certificate and to no other, and stands in no error', async () => {
    const [own, foreign] = [makeCertificate(), makeCertificate()];
    let requests = 0;
    const handle: RequestListener = (_, response) => {
      requests += 1;
      response.end(`${JSON.stringify(succeeded())}\n`);
    };
    const url = await startServer(handle, own);
    const options = { url, macaroonHex: MACAROON, maxFeeSats: 1 };
    expect(await createLndWallet({ ...options, certificate: own.certPem })(invoice())).toBe(PREIMAGE_HEX);
    for (const certificate of [foreign.certPem, undefined]) {
      const error = await thrownBy(createLndWallet({ ...options, certificate })(invoice()));
      expect(error).toBeInstanceOf(PaymentRefused);
      expect(`${error.message}${error.stack}${JSON.stringify(error)}`).not.toContain(MACAROON);
    }
    expect(requests).toBe(1);
  });

  it.each<[string, Partial<LndWalletOptions>]>([
    ['url', { url: 'http://node.example:8080' }],
    ['url', { url: 'not an address' }],
    ['macaroonHex', { macaroonHex: 'admin.macaroon' }],
    ['certificate', { certificate: '/home/me/tls.cert' }],
    ['maxFeeSats', { maxFeeSats: Number.NaN }],
    ['maxFeeSats', { maxFeeSats: -1 }],
    ['timeoutSeconds', { timeoutSeconds: 0 }],
  ])('refuses a wrong %s when it is made', (name, wrong) => {
    const options = { url: 'https://127.0.0.1:8080', macaroonHex: MACAROON, maxFeeSats: 1, ...wrong };
    expect(() => createLndWallet(options)).toThrow(new RegExp(`^${name}: `));
  });
});
