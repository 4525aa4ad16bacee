/*
 * One request to LND's REST interface. With TLS only the node's own certificate is trusted, whatever host name is in it, and
 * no byte of the request (it holds the macaroon) is sent before the certificate is verified. Effects: one connection per
 * request.
 */
import { request } from 'node:http';
import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

export interface LndAddress {
  readonly url: URL;
  readonly macaroonHex: string;
  /** PEM of the node's `tls.cert`. `undefined`: a public authority must have signed the certificate. */
  readonly certificate: string | undefined;
}

export interface LndRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: unknown;
  readonly timeoutMs: number;
}

/** The reply; if it is incomplete, whether the request can have reached the node. */
export type LndReply =
  | { readonly kind: 'answered'; readonly status: number; readonly text: string }
  | { readonly kind: 'not_sent' }
  | { readonly kind: 'unanswered' };

const CONNECT_TIMEOUT_MS = 10_000;
/** A reply here is one payment with its attempts. */
const LARGEST_REPLY_BYTES = 4_194_304;

/** Sends a request and reads the whole reply, streams included. Never throws. */
export async function askLnd(address: LndAddress, sent: LndRequest): Promise<LndReply> {
  const socket = await openConnection(address, Math.min(sent.timeoutMs, CONNECT_TIMEOUT_MS));
  return socket === undefined ? { kind: 'not_sent' } : sendOver(socket, { ...sent, address });
}

/** Opens a connection to exactly this node; `undefined` if that fails. */
function openConnection({ url, certificate }: LndAddress, timeoutMs: number): Promise<Socket | undefined> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const isTls = url.protocol === 'https:';
  const port = Number(url.port || (isTls ? 443 : 80));
  // The certificate is the only authority, so its holder is the node, whatever name it contains.
  const trust = certificate === undefined ? {} : { ca: certificate, checkServerIdentity: () => undefined };
  const name = isIP(host) === 0 ? { servername: host } : {};
  const socket = isTls ? connectTls({ host, port, ...name, ...trust, ALPNProtocols: ['http/1.1'] }) : connectPlain({ host, port });
  return new Promise((resolve) => {
    const timer = setTimeout(() => socket.destroy(), timeoutMs);
    const finish = (opened: Socket | undefined): void => {
      clearTimeout(timer);
      resolve(opened);
    };
    // Stays attached: later errors are reported by the request on this connection.
    socket.on('error', () => finish(undefined));
    socket.once('close', () => finish(undefined));
    socket.once(isTls ? 'secureConnect' : 'connect', () => finish(socket));
  });
}

function sendOver(socket: Socket, { address, method, path, body, timeoutMs }: LndRequest & { address: LndAddress }): Promise<LndReply> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  return new Promise((resolve) => {
    const outgoing = request({
      createConnection: () => socket,
      method,
      path: address.url.pathname.replace(/\/$/, '') + path,
      headers: {
        host: address.url.host,
        accept: 'application/json',
        connection: 'close',
        'grpc-metadata-macaroon': address.macaroonHex,
        ...(text === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) }),
      },
    });
    const timer = setTimeout(() => outgoing.destroy(), timeoutMs);
    const finish = (reply: LndReply): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(reply);
    };
    outgoing.on('error', () => finish({ kind: 'unanswered' }));
    outgoing.once('close', () => finish({ kind: 'unanswered' }));
    outgoing.once('response', (incoming) => {
      const chunks: Buffer[] = [];
      let length = 0;
      incoming.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length > LARGEST_REPLY_BYTES) outgoing.destroy();
        else chunks.push(chunk);
      });
      incoming.on('error', () => finish({ kind: 'unanswered' }));
      incoming.once('end', () => {
        finish({ kind: 'answered', status: incoming.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') });
      });
    });
    outgoing.end(text);
  });
}
