/*
 * The sample API that `npm start` sells by default: a greeting, a privacy audit, a data query, and two services on one path.
 * It knows nothing about payments. Effects: listens on loopback.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';

export interface SampleOrigin {
  readonly url: string;
  close(): Promise<void>;
}

const LARGEST_TEXT = 65_536;

/** Starts the sample API. */
export function startSampleOrigin(port: number): Promise<SampleOrigin> {
  const server = createServer((request, response) => void answer(request, response));
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const { port: actual } = server.address() as AddressInfo;
      resolve({ url: `http://127.0.0.1:${actual}`, close: () => closeServer(server) });
    });
  });
}

/** Closes a server and its idle connections. */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://sample');
  const series = /^\/v1\/data\/([a-z0-9-]+)$/.exec(pathname)?.[1];
  const svc = searchParams.get('svc');
  if (pathname === '/health') return send(response, 200, { status: 'ok' });
  if (pathname === '/greeting') return send(response, 200, { greeting: 'Hello, and thank you for your satoshi.' });
  if (pathname === '/privacy-audit') return send(response, 200, auditText(await readText(request)));
  if (series !== undefined) return send(response, 200, { series, points: querySeries(series) });
  if (pathname === '/agent' && svc === 'primes') return send(response, 200, factorize(Number(searchParams.get('n') ?? '8402')));
  if (pathname === '/agent' && svc === 'cycle') return send(response, 200, { signal: 'hold', phase: querySeries('cycle').at(-1) });
  return send(response, 404, { error: 'not found' });
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += (chunk as Buffer).length;
    if (length <= LARGEST_TEXT) chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Finds personal data in a text. */
function auditText(text: string): unknown {
  const kinds = {
    email: /[\w.+-]+@[\w-]+\.[\w.]+/g,
    phone: /\+?\d[\d ()-]{7,}\d/g,
    ipv4: /\b\d{1,3}(?:\.\d{1,3}){3}\b/g,
  };
  const findings = Object.entries(kinds).flatMap(([kind, pattern]) => [...text.matchAll(pattern)].map(({ index }) => ({ kind, index })));
  return { characters: text.length, findings };
}

/** Returns an invented series, the same for the same name. */
function querySeries(name: string): readonly number[] {
  const seed = [...name].reduce((sum, character) => sum + character.charCodeAt(0), 0);
  return Array.from({ length: 12 }, (_, index) => Math.round(100 * (1 + Math.sin(seed + index / 2))));
}

function factorize(n: number): unknown {
  if (!Number.isSafeInteger(n) || n < 2 || n > 1e9) return { error: 'n: a whole number from 2 to 1000000000' };
  const factors: number[] = [];
  let rest = n;
  for (let divisor = 2; divisor * divisor <= rest; divisor++) {
    for (; rest % divisor === 0; rest /= divisor) factors.push(divisor);
  }
  return { n, factors: rest > 1 ? [...factors, rest] : factors };
}
