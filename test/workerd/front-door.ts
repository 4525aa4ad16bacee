/*
 * A gateway inside workerd, wired as a deployment is: real keys, real Durable Objects. What lies outside (the node, the
 * origin, the log) is the test's. Gateways that are opened in one file share their replay set, as two deployments would.
 */
import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { createDurableQuota } from '#adapters/do-quota.ts';
import { createSalesLog } from '#adapters/sales-log.ts';
import { rememberAnswers } from '#adapters/remembered-quota.ts';
import { type GateDeps } from '#gateway/gate-deps.ts';
import { refillPools } from '#gateway/payment/pool-round.ts';
import { parseL402Offer } from '#protocol/challenge-header.ts';
import { accept } from '#protocol/result.ts';
import { createKeyRing } from '#schemes/l402/key-ring.ts';
import { createL402Scheme } from '#schemes/l402/l402.ts';
import { type PaymentScheme } from '#schemes/scheme.ts';
import { createApp } from '#src/app.ts';
import { readConfig, type Gateway } from '#src/config/config.ts';
import { createDeps, type Env } from '#src/deps.ts';
import { type Clock } from '#src/ports.ts';
import { deadNode, MANY_CHALLENGES } from '#support/fakes.ts';
import { hmac, TOKEN_SECRET_HEX } from '#support/tokens.ts';

const VARIABLES = {
  ORIGIN_URL: 'http://127.0.0.1:1',
  BRIDGE_URL: 'http://127.0.0.1:1',
  NETWORK: 'regtest',
  TOKEN_SECRET_1: TOKEN_SECRET_HEX,
  BRIDGE_SECRET: 'b1'.repeat(32),
};

export interface FrontDoor {
  readonly ask: (path: string, init?: RequestInit) => Promise<Response>;
  /** The same, without waiting until all work is done: for answers that go on. */
  readonly open: (path: string, init?: RequestInit) => Promise<Response>;
  /** What the platform's clock does every few minutes. */
  readonly tick: () => Promise<void>;
  /** Paths that have reached the origin. */
  readonly seen: readonly string[];
  /** Events and their fields, as they were logged. */
  readonly logged: readonly (readonly [string, Readonly<Record<string, unknown>>])[];
}

export interface DoorOptions {
  /** Beside the usual ones, or instead of them; nothing takes one away. */
  readonly variables?: Readonly<Record<string, string | undefined>>;
  /** Instead of a part: the node is down unless the test brings one. */
  readonly parts?: Partial<GateDeps>;
  /** Instead of Durable Object namespaces. */
  readonly bindings?: Readonly<Record<string, unknown>>;
  /** Instead of the platform's, for tokens and their keys alike; the objects keep the platform's. */
  readonly clock?: Clock;
}

interface SchemeOptions {
  readonly variables?: Readonly<Record<string, unknown>>;
  readonly clock?: Clock;
}

/** Opens a gateway that sells this. */
export function openGateway(gateway: Gateway, { variables = {}, parts = {}, bindings: others = {}, clock }: DoorOptions = {}): FrontDoor {
  const seen: string[] = [];
  const logged: (readonly [string, Readonly<Record<string, unknown>>])[] = [];
  // The texts in the runner's env are its own; the Durable Objects are those of wrangler.toml.
  const bindings = Object.fromEntries(Object.entries(env).filter(([, value]) => typeof value !== 'string'));
  const texts = Object.fromEntries(Object.entries({ ...VARIABLES, ...variables }).filter(([, value]) => value !== undefined));
  const wired = createDeps({ ...bindings, ...others, ...texts } as Env, forMany(gateway));
  if (!wired.ok) throw new Error(wired.refusal.join('; '));
  const log: GateDeps['log'] = (event, fields) => void logged.push([event, fields]);
  const deps: GateDeps = {
    ...wired.value,
    // What was paid waits for the next ask: a test waits until all work is done.
    quota: rememberAnswers(createDurableQuota((others['QUOTA'] ?? bindings['QUOTA']) as NonNullable<Env['QUOTA']>), () => Date.now()),
    lightning: deadNode,
    origin({ url }) {
      seen.push(new URL(url).pathname);
      return Promise.resolve(new Response('origin'));
    },
    log,
    sales: createSalesLog(log),
    ...(clock === undefined ? {} : { clock, schemes: schemesOf(gateway, { variables: texts, clock }) }),
    ...parts,
  };
  const app = createApp(accept(deps), deps.log);
  return {
    seen,
    logged,
    open: (path, init = {}) => Promise.resolve(app.fetch(new Request(addressOf(path), init), env, createExecutionContext())),
    tick: () => refillPools(deps),
    async ask(path, init = {}) {
      const context = createExecutionContext();
      const response = await app.fetch(new Request(addressOf(path), init), env, context);
      await waitOnExecutionContext(context);
      return response;
    },
  };
}

/** A path, or a whole address for another host than the usual one. */
function addressOf(path: string): string {
  return path.startsWith('https://') ? path : `http://gateway.test${path}`;
}

/** A gateway for the many requests of a test, all of which come from nowhere. Invoices are made when they are asked for. */
export function forMany(gateway: Gateway): Gateway {
  return { pool: false, ...gateway, policy: { challenges: MANY_CHALLENGES, ...gateway.policy } };
}

/** From an address, as workerd tells it. */
export function from(clientIp: string, headers: Readonly<Record<string, string>> = {}): RequestInit {
  return { headers, cf: { clientIp: `${clientIp}:4321` } } as RequestInit;
}

/** The schemes of a gateway, as it has them; by another clock than the platform's if told so. */
export function schemesOf(gateway: Gateway, { variables = VARIABLES, clock = Date.now }: SchemeOptions = {}): readonly PaymentScheme[] {
  const config = readConfig(gateway, variables);
  if (!config.ok) throw new Error(config.refusal.join('; '));
  const { tokenKeys, settings } = config.value;
  const keys = createKeyRing({ ...tokenKeys, skewSeconds: settings.skewSeconds, hmac, clock });
  return [createL402Scheme({ keys, hmac, random: (length) => crypto.getRandomValues(new Uint8Array(length)) })];
}

/** Buys at a path and gives what goes into `Authorization`; the door's node must be the one that is paid. */
export async function buy(door: Pick<FrontDoor, 'ask'>, path: string, pay: (invoice: string) => string): Promise<string> {
  const offer = parseL402Offer((await door.ask(path)).headers.get('www-authenticate') ?? '');
  if (!offer.ok) throw new Error(offer.refusal.code);
  return `L402 ${offer.value.token}:${pay(offer.value.invoice)}`;
}

/** The code of a refusal, or nothing when the origin has answered. */
export async function codeOf(response: Response): Promise<string | undefined> {
  if (response.headers.get('content-type') !== 'application/problem+json') return undefined;
  return (await response.json<{ code: string }>()).code;
}
