/*
 * A shop whose origin, clients and time are the test's: who broke a call (M40).
 */
import { defineGateway, type Gateway } from '#src/config/config.ts';
import { type GateDeps } from '#gateway/gate-deps.ts';
import { type OriginVote } from '#durable-objects/breaker-rules.ts';
import { type Wait } from '#src/ports.ts';
import { makeToken } from '#support/tokens.ts';
import { openGateway } from './front-door.ts';

export const TIMEOUT_SECONDS = 7;
export const shop = defineGateway({
  originTimeoutSeconds: TIMEOUT_SECONDS,
  origin: 'http://origin.test',
  routes: [
    { match: '/call/*', service: 'call', priceSats: 1 },
    { match: '/own/*', service: 'own', priceSats: 1, releaseStatuses: [404, 302] },
    { match: '/whole/*', brokenBody: 'released', service: 'whole', priceSats: 1 },
    { match: '/pass/*', service: 'pass', priceSats: 1, access: { seconds: 3600 } },
  ],
});

/** Waits are over only when the test says so; votes and outcomes are noted. */
export function openShop(
  origin: GateDeps['origin'],
  { gateway = shop, parts = {} }: { gateway?: Gateway; parts?: Partial<GateDeps> } = {},
) {
  const waits: { readonly ms: number; readonly over: () => void }[] = [];
  const wait: Wait = (ms, signal) =>
    new Promise((over) => {
      waits.push({ ms, over: () => void (signal?.aborted === true || over()) });
    });
  const votes: OriginVote[] = [];
  const control: GateDeps['control'] = {
    read: () => ({ index: { openUntilMs: new Map(), maintenances: [], isRevoked: () => false }, isStale: false }),
    report: (vote: OriginVote) => void votes.push(vote),
  } as unknown as GateDeps['control'];
  const door = openGateway(gateway, { parts: { origin, wait, control, ...parts } });
  const timeOut = (ms: number) => waits.filter((one) => one.ms === ms).forEach(({ over }) => over());
  const outcomes = () => door.logged.filter(([event]) => event === 'use').map(([, fields]) => fields['outcome']);
  return { door, votes, timeOut, outcomes, voted: () => votes.map(({ outcome }) => outcome) };
}

/** A body that a client sends as the test says. */
export function openUpload() {
  let control: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({ start: (controller) => void (control = controller) });
  const send = (text: string) => control.enqueue(new TextEncoder().encode(text));
  return { body, send, end: () => control.close(), breakOff: () => control.error(new Error('reset by peer')) };
}

export async function post(service: string, body: BodyInit, headers: Record<string, string> = {}): Promise<RequestInit> {
  const { authorization } = await makeToken({ service, ...(service === 'pass' ? { terms: { access: { kind: 'pass' } } } : {}) });
  return { method: 'POST', body, headers: { authorization, ...headers } };
}

/** Takes `bytes` of what it is sent, and then does what the test says. */
export const takesThen =
  (bytes: number, then: (request: Request) => Promise<Response>): GateDeps['origin'] =>
  async (request) => {
    const reader = (request.body as ReadableStream<Uint8Array>).getReader();
    for (let taken = 0; taken < bytes;) {
      const part = await reader.read();
      if (part.done) break;
      taken += part.value.byteLength;
    }
    return then(request);
  };
export const resets = () => Promise.reject(new Error('connection reset'));
export const untilAborted = ({ signal }: Request) =>
  new Promise<Response>((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
