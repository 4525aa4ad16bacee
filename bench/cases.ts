/*
 * What is measured: each case with its address, the tokens it needs, and the yardstick that it is held against. Tokens are
 * made beforehand, outside the time that is measured.
 */
import { createHmac } from 'node:crypto';
import { attenuate } from '#client/attenuate.ts';
import { msat } from '#protocol/msat.ts';
import { type Terms } from '#protocol/terms.ts';
import { makeToken } from '#support/tokens.ts';

export interface Case {
  readonly name: string;
  readonly gateway: 'gateway' | 'proxy' | 'objects';
  readonly path: string;
  readonly status: number;
  /** The case whose rate is 1 for this one; none for a yardstick. */
  readonly against?: string;
  /** Each request comes from another client: nobody has a thousand invoices open. */
  readonly fromMany?: boolean;
  /** The token has been used before: every answer is a new challenge. */
  readonly isSpent?: boolean;
  /** Invoices lie ready when a round begins. */
  readonly isStocked?: boolean;
  /** How the tokens of a round are made: one for all requests, or one for each, or for each so many. */
  readonly tokens?: { readonly count: 'one' | 'each'; readonly uses?: number; readonly make: () => Promise<string> };
  /** Bytes that are sent along, by POST. */
  readonly bodyBytes?: number;
  /** Where each answer is so large that few at a time are enough. */
  readonly connections?: number;
  /** Not one request but a purchase: challenge, payment at the embedded node, call. */
  readonly isPurchase?: boolean;
}

/** WebCrypto takes several times as long, and they are made by the thousand. */
const hmac = (key: Uint8Array, message: Uint8Array) => createHmac('sha256', key).update(message).digest();
const token = (service: string, terms: Partial<Terms> = {}) => ({
  make: async () => (await makeToken({ service, id: { shardBits: 0 }, terms, hmac })).authorization,
});
const CALLS = { access: { kind: 'calls', calls: 1_000_000 } } as const;
const CREDIT = { access: { kind: 'credit', creditMsat: msat(1_000_000_000n) } } as const;
const PASS = { access: { kind: 'pass' } } as const;

const ONE_PASS = { count: 'one', ...token('pass', PASS) } as const;
const MEBIBYTE = 1024 * 1024;

/** Narrowed six times, as a token is that has gone through several hands. */
async function makeAttenuated(): Promise<string> {
  const { token: text, authorization } = await makeToken({ service: 'pass', terms: PASS });
  const caveats = [
    'methods=GET',
    'path=/pass',
    'host=127.0.0.1',
    `not_before=${Math.floor(Date.now() / 1000) - 60}`,
    `valid_until=${Math.floor(Date.now() / 1000) + 3000}`,
    `pass_valid_until=${Math.floor(Date.now() / 1000) + 3000}`,
  ];
  return authorization.replace(text, await attenuate(text, caveats));
}

/** In the order in which a round runs them. */
export const CASES: readonly Case[] = [
  { name: 'proxy', gateway: 'proxy', path: '/paid', status: 200 },
  { name: 'free', gateway: 'gateway', path: '/free', status: 200, against: 'proxy' },
  { name: 'pass', gateway: 'gateway', path: '/pass', status: 200, against: 'proxy', tokens: { count: 'one', ...token('pass', PASS) } },
  {
    name: 'pass_many',
    gateway: 'gateway',
    path: '/pass',
    status: 200,
    against: 'proxy',
    tokens: { count: 'each', ...token('pass', PASS) },
  },
  { name: 'attenuated', gateway: 'gateway', path: '/pass', status: 200, against: 'proxy', tokens: { count: 'one', make: makeAttenuated } },
  { name: 'proxy_do', gateway: 'objects', path: '/do', status: 200 },
  { name: 'proxy_insert', gateway: 'objects', path: '/insert', status: 200 },
  {
    name: 'single_use',
    gateway: 'gateway',
    path: '/paid',
    status: 200,
    against: 'proxy_insert',
    tokens: { count: 'each', ...token('bench') },
  },
  {
    name: 'hot_token',
    gateway: 'gateway',
    path: '/calls',
    status: 200,
    against: 'proxy_insert',
    tokens: { count: 'one', ...token('calls', CALLS) },
  },
  {
    name: 'hot_token_1000',
    gateway: 'gateway',
    path: '/calls',
    status: 200,
    against: 'proxy_insert',
    connections: 1000,
    tokens: { count: 'one', ...token('calls', CALLS) },
  },
  {
    name: 'calls_1000',
    gateway: 'gateway',
    path: '/calls',
    status: 200,
    against: 'proxy_insert',
    tokens: { count: 'each', uses: 1000, ...token('calls', { access: { kind: 'calls', calls: 1000 } }) },
  },
  {
    name: 'credit',
    gateway: 'gateway',
    path: '/credit',
    status: 200,
    against: 'proxy_insert',
    tokens: { count: 'one', ...token('credit', CREDIT) },
  },
  { name: 'policy', gateway: 'gateway', path: '/policy', status: 200, against: 'proxy_do', tokens: { count: 'each', ...token('policy') } },
  {
    name: 'policy_exact',
    gateway: 'gateway',
    path: '/policies-exact',
    status: 200,
    against: 'proxy_do',
    tokens: { count: 'each', ...token('policies-exact') },
  },
  { name: 'challenge_pool', gateway: 'gateway', path: '/ready', status: 402, against: 'proxy_do', fromMany: true, isStocked: true },
  { name: 'challenge_direct', gateway: 'gateway', path: '/direct', status: 402, against: 'proxy_do', fromMany: true },
  {
    name: 'replay',
    gateway: 'gateway',
    path: '/paid',
    status: 402,
    against: 'proxy',
    fromMany: true,
    isSpent: true,
    tokens: { count: 'one', ...token('bench') },
  },
  { name: 'garbage', gateway: 'gateway', path: '/a//b', status: 400, against: 'proxy' },
  { name: 'proxy_up', gateway: 'proxy', path: '/up', status: 200, bodyBytes: MEBIBYTE },
  { name: 'body_up', gateway: 'gateway', path: '/up', status: 200, against: 'proxy_up', bodyBytes: MEBIBYTE, tokens: ONE_PASS },
  { name: 'proxy_down', gateway: 'proxy', path: '/down', status: 200, connections: 2 },
  { name: 'body_down', gateway: 'gateway', path: '/down', status: 200, against: 'proxy_down', connections: 2, tokens: ONE_PASS },
  { name: 'proxy_events', gateway: 'proxy', path: '/events', status: 200 },
  { name: 'events', gateway: 'gateway', path: '/events', status: 200, against: 'proxy_events', tokens: ONE_PASS },
  { name: 'purchase', gateway: 'gateway', path: '/paid', status: 200, against: 'proxy', isPurchase: true },
];
