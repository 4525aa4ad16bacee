/*
 * What is measured: each case with its address, the tokens it needs, and the yardstick that it is held against. Tokens are
 * made beforehand, outside the time that is measured.
 */
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
  /** How the tokens of a round are made: one for all requests, or one for each. */
  readonly tokens?: { readonly count: 'one' | 'each'; readonly make: () => Promise<string> };
}

const token = (service: string, terms: Partial<Terms> = {}) => ({
  make: async () => (await makeToken({ service, id: { shardBits: 0 }, terms })).authorization,
});
const CALLS = { access: { kind: 'calls', calls: 1_000_000 } } as const;
const CREDIT = { access: { kind: 'credit', creditMsat: msat(1_000_000_000n) } } as const;
const PASS = { access: { kind: 'pass' } } as const;

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
  { name: 'single_use', gateway: 'gateway', path: '/paid', status: 200, against: 'proxy', tokens: { count: 'each', ...token('bench') } },
  {
    name: 'hot_token',
    gateway: 'gateway',
    path: '/calls',
    status: 200,
    against: 'proxy_insert',
    tokens: { count: 'one', ...token('calls', CALLS) },
  },
  {
    name: 'credit',
    gateway: 'gateway',
    path: '/credit',
    status: 200,
    against: 'proxy_insert',
    tokens: { count: 'one', ...token('credit', CREDIT) },
  },
  { name: 'fences', gateway: 'gateway', path: '/fences', status: 200, against: 'proxy_do', tokens: { count: 'each', ...token('fences') } },
  { name: 'challenge_pool', gateway: 'gateway', path: '/paid', status: 402, against: 'proxy_do', fromMany: true, isStocked: true },
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
];
