/*
 * What lies behind each test node: invoices signed with a key, and knobs for everything that a node can do wrong. The
 * servers beside this file put it into the words of LND, Core Lightning, Eclair and phoenixd.
 */
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo } from 'node:net';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { encodeInvoice } from '#lnd-bridge/nodes/bolt11-encode.ts';
import { encodeAscii, formatHex } from '#protocol/bytes.ts';
import { msat } from '#protocol/msat.ts';
import { type TestCertificate } from './certificate.ts';

export const NODE_SECRET = sha256(encodeAscii('key of the test node'));
export const FOREIGN_SECRET = sha256(encodeAscii('key of a foreign node'));
export const NODE_KEY_HEX = formatHex(secp256k1.getPublicKey(NODE_SECRET));

export interface TestInvoice {
  readonly invoice: string;
  readonly paymentHashHex: string;
  readonly preimageHex: string;
  readonly amountMsat: bigint;
  readonly memo: string;
  readonly createdAtSeconds: number;
  readonly expirySeconds: number;
  /** The label, external id or nothing. */
  readonly key: string | undefined;
  /** Payments are counted from 1 on. */
  paid: { readonly atSeconds: number; readonly index: number } | undefined;
  canceled: boolean;
}

/** What a test can make go wrong. */
export interface Troubles {
  /** Answers every call like this, whatever was asked. */
  reply?: { readonly status: number; readonly text: string } | undefined;
  /** The key that signs, another amount, another hash than stated. */
  signer?: Uint8Array | undefined;
  extraMsat?: bigint | undefined;
  wrongHash?: boolean | undefined;
  network?: string | undefined;
  locked?: boolean | undefined;
  starting?: boolean | undefined;
  syncing?: boolean | undefined;
  noInbound?: boolean | undefined;
  /** The credential is not accepted, or does not allow a call. */
  refuseCredential?: boolean | undefined;
  /** Calls that the credential does not allow, in the backend's own words. */
  forbid?: readonly string[] | undefined;
  /** Takes the request and never answers. */
  silent?: boolean | undefined;
  /** Whoever waits for a payment is told that the time is over when anything else happens. */
  endWaits?: boolean | undefined;
  /** A stream of payments breaks off with an error at the next event. */
  streamError?: boolean | undefined;
  /** Breaks the connection instead of answering. */
  hangUp?: boolean | undefined;
  /** The same for so many calls to this path. */
  hangUpAt?: { readonly path: RegExp; times: number } | undefined;
}

export interface TestLedger {
  readonly troubles: Troubles;
  readonly clock: { nowSeconds(): number };
  readonly invoices: TestInvoice[];
  make(order: { amountMsat: bigint; memo: string; expirySeconds: number; key?: string; preimage?: Uint8Array }): TestInvoice;
  find(paymentHashHex: string): TestInvoice | undefined;
  settle(paymentHashHex: string): void;
  cancel(paymentHashHex: string): void;
  /** Resolves when the invoice changes. */
  changed(paymentHashHex: string): Promise<void>;
  /** Every invoice that was made, paid or cancelled, each time. */
  readonly events: TestInvoice[];
  /** Resolves with the next one. */
  happened(): Promise<void>;
  /** Payments after this index, in their sequence. */
  settledAfter(index: number): readonly TestInvoice[];
}

let preimages = 0;

export function createTestLedger(clock: { nowSeconds(): number }): TestLedger {
  const invoices: TestInvoice[] = [];
  const troubles: Troubles = {};
  const waiting = new Map<string, (() => void)[]>();
  const find = (paymentHashHex: string): TestInvoice | undefined => invoices.find((invoice) => invoice.paymentHashHex === paymentHashHex);
  const events: TestInvoice[] = [];
  let next = Promise.withResolvers<void>();
  let payments = 0;
  const tell = (paymentHashHex: string): void => {
    events.push(find(paymentHashHex)!);
    next.resolve();
    next = Promise.withResolvers();
    waiting
      .get(paymentHashHex)
      ?.splice(0)
      .forEach((resolve) => resolve());
  };
  return {
    clock,
    invoices,
    troubles,
    find,
    make({ amountMsat, memo, expirySeconds, key, preimage = sha256(encodeAscii(`preimage ${preimages++}`)) }) {
      const paymentHash = sha256(preimage);
      const createdAtSeconds = clock.nowSeconds();
      const draft = {
        amountMsat: msat(amountMsat + (troubles.extraMsat ?? 0n)),
        paymentHash,
        paymentSecret: sha256(paymentHash),
        description: memo,
        createdAtSeconds,
        expirySeconds,
      };
      const made: TestInvoice = {
        invoice: encodeInvoice(draft, troubles.signer ?? NODE_SECRET),
        paymentHashHex: formatHex(paymentHash),
        preimageHex: formatHex(preimage),
        amountMsat,
        memo,
        createdAtSeconds,
        expirySeconds,
        key,
        paid: undefined,
        canceled: false,
      };
      invoices.push(made);
      tell(made.paymentHashHex);
      return made;
    },
    settle(paymentHashHex) {
      find(paymentHashHex)!.paid = { atSeconds: clock.nowSeconds(), index: (payments += 1) };
      tell(paymentHashHex);
    },
    cancel(paymentHashHex) {
      find(paymentHashHex)!.canceled = true;
      tell(paymentHashHex);
    },
    events,
    happened: () => next.promise,
    settledAfter: (index) =>
      invoices
        .filter(({ paid }) => paid !== undefined && paid.index > index)
        .toSorted((left, right) => left.paid!.index - right.paid!.index),
    changed: (paymentHashHex) =>
      new Promise((resolve) => void waiting.set(paymentHashHex, [...(waiting.get(paymentHashHex) ?? []), resolve])),
  };
}

/** The hash that a node states: a lying one states another. */
export function statedHash({ paymentHashHex }: TestInvoice, { troubles }: TestLedger): string {
  return troubles.wrongHash ? 'ab'.repeat(32) : paymentHashHex;
}

export function isExpired({ createdAtSeconds, expirySeconds }: TestInvoice, { clock }: TestLedger): boolean {
  return createdAtSeconds + expirySeconds <= clock.nowSeconds();
}

export interface TestCall {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  /** Fires when the client has gone. */
  readonly gone: Promise<void>;
}

export type TestReply = { readonly status: number; readonly text: string } | { readonly lines: AsyncIterable<string> };

export interface TestNode {
  readonly url: string;
  readonly ledger: TestLedger;
  /** Every call that came, by method and path. */
  readonly calls: readonly string[];
  /** The bodies of those that had one. */
  readonly bodies: readonly string[];
  /** Connections taken so far. */
  connections(): number;
  /** Breaks every connection. */
  dropAll(): Promise<void>;
  close(): Promise<void>;
}

/** Serves a node on a free loopback port. */
export async function serveTestNode(
  ledger: TestLedger,
  { answer, certificate }: { answer: (call: TestCall) => TestReply | Promise<TestReply>; certificate?: TestCertificate | undefined },
): Promise<TestNode> {
  const calls: string[] = [];
  const bodies: string[] = [];
  let connections = 0;

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const url = new URL(request.url ?? '', 'http://node');
    calls.push(`${request.method} ${url.pathname}`);
    if (chunks.length > 0) bodies.push(Buffer.concat(chunks).toString());
    if (ledger.troubles.silent) return;
    const { hangUpAt } = ledger.troubles;
    const isHungUp = hangUpAt !== undefined && hangUpAt.times > 0 && hangUpAt.path.test(url.pathname);
    if (isHungUp) hangUpAt.times -= 1;
    if (ledger.troubles.hangUp || isHungUp) {
      request.socket.destroy();
      return;
    }
    const gone = new Promise<void>((resolve) => void response.once('close', resolve));
    const call = { method: request.method ?? '', path: url.pathname, query: url.searchParams, headers: request.headers, gone };
    const reply = ledger.troubles.reply ?? (await answer({ ...call, body: Buffer.concat(chunks).toString() }));
    if ('lines' in reply) {
      response.writeHead(200, { 'content-type': 'application/json' });
      for await (const line of reply.lines) response.write(`${line}\n`);
      response.end();
      return;
    }
    response.writeHead(reply.status, { 'content-type': 'application/json' });
    response.end(reply.text);
  }

  const listener = (request: IncomingMessage, response: ServerResponse): void => void serve(request, response);
  const server =
    certificate === undefined
      ? createHttpServer(listener)
      : createHttpsServer({ cert: certificate.certPem, key: certificate.keyPem }, listener);
  server.on(certificate === undefined ? 'connection' : 'secureConnection', () => (connections += 1));
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return {
    url: `${certificate === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ledger,
    calls,
    bodies,
    connections: () => connections,
    dropAll: async () => server.closeAllConnections(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function json(status: number, value: unknown): TestReply {
  return { status, text: JSON.stringify(value) };
}
