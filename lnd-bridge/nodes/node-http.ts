/*
 * HTTP to a node: a bounded number of keep-alive connections, a time limit on each call, a size limit on each answer, and no
 * byte of a request (it holds the credential) before the certificate is checked. Failures are values, without the text of
 * system errors. Effects: sockets.
 */
import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { type Duplex } from 'node:stream';
import { connect, type ConnectionOptions } from 'node:tls';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type NodeFault, type NodeRefusal } from '../ports.ts';
import { createWorkQueue } from '../work-queue.ts';
import { isPinned, type TlsPin } from './tls-pin.ts';

export interface NodeRequest {
  readonly method: 'GET' | 'POST';
  /** Includes the query; appended to the base URL. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal;
  /** Never sent twice, because the node would execute it twice. */
  readonly isOnce?: boolean;
  /** Waits as long as the signal allows. */
  readonly isLongPoll?: boolean;
  /** Reads a stream line by line until this returns true; the answer is that line. */
  readonly until?: (line: string) => boolean;
  /** Reads a stream to its end: gets the lines that arrived together, and no more until it is done. It never rejects. */
  readonly onLines?: (lines: readonly string[]) => Promise<void>;
}

export interface NodeReply {
  readonly status: number;
  readonly text: string;
}

/** Sends requests to one node. */
export interface NodeClient {
  send(request: NodeRequest): Promise<Result<NodeReply, NodeRefusal>>;
  close(): void;
}

export interface NodeClientOptions {
  /** Without a trailing slash. */
  readonly url: string;
  /** `undefined`: a public authority must have signed the certificate. */
  readonly pin?: TlsPin | undefined;
  readonly timeoutMs: number;
  readonly maxConnections: number;
}

/** Far above the largest answer to the bridge's requests. */
const LARGEST_REPLY_BYTES = 1_048_576;
/** Below the idle time after which nodes and proxies close connections, so that they seldom do. */
const IDLE_MS = 20_000;
const PIN_FAILED = 'ERR_NODE_NOT_PINNED';

/** Creates a client for the node at this URL; it connects at the first request. */
export function createNodeClient({ url, pin, timeoutMs, maxConnections }: NodeClientOptions): NodeClient {
  const base = new URL(url);
  const isTls = base.protocol === 'https:';
  // The agent counts a connection only once it is established, so the limit is kept here; long polls are not part of it.
  const calls = createWorkQueue({ concurrency: maxConnections, capacity: Number.POSITIVE_INFINITY });
  const options = { keepAlive: true, maxFreeSockets: maxConnections, timeout: IDLE_MS };
  const agent = isTls ? new HttpsAgent(options) : new HttpAgent(options);
  if (isTls) agent.createConnection = (to, done) => connectChecked(to as ConnectionOptions, { pin, timeoutMs, done: done! });

  function sendOnce(request: NodeRequest): Promise<{ result: Result<NodeReply, NodeRefusal>; isStale: boolean }> {
    return new Promise((resolve) => {
      const outgoing = (isTls ? requestHttps : requestHttp)({
        agent,
        host: base.hostname.replace(/^\[|\]$/g, ''),
        port: base.port || (isTls ? 443 : 80),
        method: request.method,
        path: base.pathname.replace(/\/$/, '') + request.path,
        headers: {
          accept: 'application/json',
          ...request.headers,
          ...(request.body === undefined ? {} : { 'content-length': String(Buffer.byteLength(request.body)) }),
        },
      });
      let isLate = false;
      const timer =
        request.isLongPoll === true
          ? undefined
          : setTimeout(() => {
              isLate = true;
              outgoing.destroy();
            }, timeoutMs);
      const onAbort = (): void => void outgoing.destroy();
      const finish = (result: Result<NodeReply, NodeRefusal>, isStale = false): void => {
        clearTimeout(timer);
        request.signal?.removeEventListener('abort', onAbort);
        resolve({ result, isStale });
      };
      outgoing.on('error', (error: NodeJS.ErrnoException) => {
        const isStale = outgoing.reusedSocket && error.code === 'ECONNRESET' && !isLate && request.signal?.aborted !== true;
        finish(isLate ? no('timeout') : no(nameFault(error)), isStale);
      });
      outgoing.once('response', (incoming) => readReply(incoming, { ...request, isLate: () => isLate }, finish));
      if (request.signal?.aborted === true) outgoing.destroy();
      request.signal?.addEventListener('abort', onAbort, { once: true });
      outgoing.end(request.body);
    });
  }

  async function send(request: NodeRequest): Promise<Result<NodeReply, NodeRefusal>> {
    const first = await sendOnce(request);
    // The node had already closed this kept connection, most likely before it read anything.
    return first.isStale && request.isOnce !== true ? (await sendOnce(request)).result : first.result;
  }

  return {
    async send(request) {
      if (request.isLongPoll === true) return send(request);
      const sent = await calls.run(() => send(request));
      if (!sent.ok) throw new RangeError('a queue without a bound was full');
      return sent.value;
    },
    close: () => agent.destroy(),
  };
}

/** Gives the agent the socket only once the certificate is verified, so nothing is sent to an impostor. */
function connectChecked(
  to: ConnectionOptions,
  { pin, timeoutMs, done }: { pin: TlsPin | undefined; timeoutMs: number; done: (error: Error | null, socket: Duplex) => void },
): undefined {
  const socket = connect({ ...to, ALPNProtocols: ['http/1.1'], rejectUnauthorized: pin === undefined });
  const fail = (error: Error): void => {
    socket.destroy();
    done(error, socket);
  };
  socket.setTimeout(timeoutMs, () => fail(Object.assign(new Error('no connection in time'), { code: 'ETIMEDOUT' })));
  socket.once('error', fail);
  socket.once('secureConnect', () => {
    const certificate = socket.getPeerX509Certificate();
    if (pin !== undefined && (certificate === undefined || !isPinned(certificate, pin))) {
      fail(Object.assign(new Error('another certificate than the pinned one'), { code: PIN_FAILED }));
      return;
    }
    socket.off('error', fail);
    socket.setTimeout(0);
    socket.removeAllListeners('timeout');
    done(null, socket);
  });
}

function readReply(
  incoming: IncomingMessage,
  { until, onLines, isLate }: Pick<NodeRequest, 'until' | 'onLines'> & { readonly isLate: () => boolean },
  finish: (result: Result<NodeReply, NodeRefusal>) => void,
): void {
  const status = incoming.statusCode ?? 0;
  let text = '';
  incoming.setEncoding('utf8');
  incoming.on('data', (chunk: string) => {
    text += chunk;
    if (text.length > LARGEST_REPLY_BYTES) {
      finish(no('answer_malformed'));
      incoming.destroy();
      return;
    }
    if ((until === undefined && onLines === undefined) || status !== 200) return;
    const lines = text.split('\n').filter((line, at, all) => line.trim() !== '' || at === all.length - 1);
    text = lines.pop()!;
    if (onLines !== undefined && lines.length > 0) {
      incoming.pause();
      void onLines(lines).then(() => incoming.resume());
    }
    if (until === undefined) return;
    const last = lines.find(until);
    if (last === undefined) return;
    finish(accept({ status, text: last }));
    incoming.destroy();
  });
  incoming.once('end', () => finish(accept({ status, text })));
  incoming.once('close', () => finish(no(isLate() ? 'timeout' : 'unreachable')));
  incoming.once('error', () => finish(no(isLate() ? 'timeout' : 'unreachable')));
}

const DETAILS = {
  unreachable: 'the Lightning node cannot be reached',
  timeout: 'the Lightning node does not answer in time',
  tls_untrusted: 'the TLS certificate of the Lightning node is not the pinned one, and no public authority vouches for it',
  answer_malformed: 'the answer of the Lightning node is too large',
} as const;

function no(fault: keyof typeof DETAILS): Result<never, NodeRefusal> {
  return refuse({ code: fault === 'answer_malformed' ? 'node_answer_wrong' : 'node_unavailable', fault, detail: DETAILS[fault] });
}

const TLS_CODES =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_.*|CERT_.*|ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH|INVALID_CA)$/;

function nameFault(error: NodeJS.ErrnoException): Extract<NodeFault, keyof typeof DETAILS> {
  const code = error.code ?? '';
  if (code === PIN_FAILED || TLS_CODES.test(code)) return 'tls_untrusted';
  return code === 'ETIMEDOUT' ? 'timeout' : 'unreachable';
}
