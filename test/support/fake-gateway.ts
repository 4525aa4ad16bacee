/*
 * A gateway's end of the settlement feed on a loopback port, by the gateway's own rules, with knobs for what can go wrong
 * on the way. What it knows outlives a restart, as it does in the object.
 */
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { takeBatch } from '#durable-objects/settlement-rules.ts';
import { SettlementPush } from '#lnd-bridge/contract.ts';
import { checkRequest, signAnswer, type BridgeKey } from '#lnd-bridge/request-auth.ts';

export interface FakeGateway {
  readonly url: string;
  /** By feed. */
  readonly standsAt: Map<string, number>;
  /** Payment hashes in the order in which they were taken. */
  readonly known: string[];
  /** Every push that was signed, taken or not. */
  readonly pushes: SettlementPush[];
  /** Answers that were not 200. */
  readonly refused: number[];
  /** The key it has; changed as by a deployment. */
  key: BridgeKey;
  /** What becomes of the next pushes, one each; the rest is taken and answered. */
  readonly troubles: ('break off before' | 'break off after' | 'sign wrongly' | 'answer 500')[];
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** Starts one; the clock is that of the bridge. */
export async function startFakeGateway(key: BridgeKey, { nowSeconds }: { nowSeconds(): number }): Promise<FakeGateway> {
  let server: Server;
  let port = 0;

  async function start(): Promise<void> {
    server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const body = Buffer.concat(chunks).toString();
      const header = (name: string) => request.headers[name] as string | undefined;
      const signed = { direction: 'push', method: 'POST', pathAndQuery: request.url ?? '', body, header } as const;
      const checked = checkRequest(signed, { keys: [gateway.key], nowSeconds: nowSeconds(), maxSkewSeconds: 60 });
      const push = SettlementPush.safeParse(JSON.parse(body)).data;
      const refuse = (status: number) => {
        gateway.refused.push(status);
        response.writeHead(status).end('{}');
      };
      if (!checked.ok || push === undefined) return refuse(checked.ok ? 400 : 401);
      gateway.pushes.push(push);
      const trouble = gateway.troubles.shift();
      if (trouble === 'break off before') return void request.socket.destroy();
      if (trouble === 'answer 500') return refuse(500);
      const taken = takeBatch(gateway.standsAt.get(push.feed) ?? 0, push, nowSeconds());
      if (taken === 'malformed') return refuse(400);
      gateway.standsAt.set(push.feed, taken.index);
      gateway.known.push(...taken.kept.map(({ paymentHashHex }) => paymentHashHex));
      if (trouble === 'break off after') return void request.socket.destroy();
      const text = JSON.stringify({ index: taken.index });
      const answer = {
        direction: trouble === 'sign wrongly' ? 'request' : 'push',
        status: 200,
        body: text,
        nonceHex: checked.value.nonceHex,
      } as const;
      response.writeHead(200, signAnswer(answer, gateway.key)).end(text);
    });
    await new Promise<void>((resolve) => void server.listen(port, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
  }

  const gateway: FakeGateway = {
    get url() {
      return `http://127.0.0.1:${port}`;
    },
    standsAt: new Map(),
    known: [],
    pushes: [],
    refused: [],
    key,
    troubles: [],
    start,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  await start();
  return gateway;
}
