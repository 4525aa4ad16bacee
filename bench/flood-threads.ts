/*
 * The two sides of a flood, each in a thread of its own, so that neither waits for the other: a client that sends unpaid
 * requests at a rate and reads no answers, and one that pays and waits for none of its calls before it sends the next.
 * Effects: requests; a message to the thread that started it.
 */
import { Agent, request } from 'node:http';
import { parentPort, workerData } from 'node:worker_threads';
import { createEmbeddedWallet, type WalletAddress } from '#local/embedded-wallet.ts';
import { openHoses, runAtRate } from '#support/open-loop.ts';

interface Rate {
  readonly port: number;
  readonly perSecond: number;
  readonly seconds: number;
}

/** What a thread is told to do. */
export type ThreadOrder =
  | ({ readonly kind: 'flood'; readonly connections: number } & Rate)
  | ({ readonly kind: 'pay'; readonly localAddress: string; readonly wallet: WalletAddress; readonly callsOfEach: number } & Rate);

/** What it tells when it has done it. */
export interface FloodTold {
  readonly sent: number;
  /** Answers by their status, and connections that the gateway has closed. */
  readonly answers: Readonly<Record<string, number>>;
}

export interface PayTold {
  /** Of each request, challenges included, in milliseconds. */
  readonly times: readonly number[];
  readonly purchases: number;
  /** Whatever was neither the challenge that was asked for nor the answer of the origin. */
  readonly refused: readonly number[];
}

const order = workerData as ThreadOrder;
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
parentPort!.postMessage(order.kind === 'flood' ? await flood(order) : await pay(order));

async function flood({ port, connections, perSecond, seconds }: Extract<ThreadOrder, { kind: 'flood' }>): Promise<FloodTold> {
  const hoses = openHoses(port, connections);
  let sent = 0;
  const send = () => {
    sent += 1;
    hoses.write('GET /paid HTTP/1.1\r\nhost: gateway.test\r\n\r\n');
  };
  await runAtRate(send, { perSecond, seconds });
  hoses.close();
  return { sent, answers: Object.fromEntries(hoses.counts) };
}

async function pay({ port, localAddress, wallet, callsOfEach, ...rate }: Extract<ThreadOrder, { kind: 'pay' }>): Promise<PayTold> {
  const agent = new Agent({ keepAlive: true });
  const payInvoice = createEmbeddedWallet(wallet);
  const times: number[] = [];
  const refused: number[] = [];
  const ask = (authorization?: string) =>
    new Promise<{ readonly status: number; readonly body: string }>((resolve, reject) => {
      const headers = authorization === undefined ? {} : { authorization };
      const sentMs = performance.now();
      const sent = request({ agent, host: '127.0.0.1', localAddress, port, path: '/paid', headers }, (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => void (body += chunk));
        response.once('error', reject);
        response.once('end', () => {
          times.push(performance.now() - sentMs);
          resolve({ status: response.statusCode ?? 0, body });
        });
      });
      sent.once('error', reject);
      sent.end();
    });
  let purchases = 0;
  const buy = async () => {
    const { status, body } = await ask();
    if (status !== 402) refused.push(status);
    if (status !== 402) return '';
    purchases += 1;
    const { token, invoice } = JSON.parse(body) as { token: string; invoice: string };
    return `L402 ${token}:${await payInvoice(invoice)}`;
  };
  const call = async (authorization: Promise<string>) => {
    const { status } = await ask(await authorization);
    if (status !== 200) refused.push(status);
  };
  // The next token is bought while this one is used.
  let current = buy();
  await current;
  let next = buy();
  const calls: Promise<void>[] = [];
  await runAtRate(() => {
    if (calls.length > 0 && calls.length % callsOfEach === 0) {
      current = next;
      next = buy();
    }
    calls.push(call(current));
  }, rate);
  await Promise.all([...calls, next]);
  agent.destroy();
  return { times, purchases, refused };
}
