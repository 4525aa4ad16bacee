/*
 * What has a price: each kind of request with the floor that its cost is held against. Most are cases of the bench.
 */
import { CASES, type Case } from '../cases.ts';

export interface CostCase extends Case {
  readonly title: string;
  /** `counting`: the least for a request of which a durable row must be kept. */
  readonly floor: 'forwarding' | 'counting';
}

/** A client that asks more often than it may. */
const FLOOD: Case = { name: 'flood', gateway: 'gateway', path: '/flood', status: 429 };

const TITLES = [
  ['free', 'a free call', 'forwarding'],
  ['pass', 'a call under a pass', 'forwarding'],
  ['single_use', 'a single call', 'counting'],
  ['hot_token', 'a call of a token for many', 'counting'],
  ['credit', 'a call that a balance pays', 'counting'],
  ['policy', 'a single call with every policy', 'counting'],
  ['challenge_pool', 'a 402 whose invoice is ready', 'forwarding'],
  ['challenge_direct', 'a 402 that waits for its invoice', 'forwarding'],
  ['flood', 'a request beyond its quota (429)', 'forwarding'],
  ['garbage', 'a malformed request (400)', 'forwarding'],
] as const;

/** In the order of the table. */
export const COST_CASES: readonly CostCase[] = TITLES.map(([name, title, floor]) => describeCase(name, { title, floor }));

function describeCase(name: string, cost: Pick<CostCase, 'title' | 'floor'>): CostCase {
  const found = [...CASES, FLOOD].find((one) => one.name === name);
  if (found === undefined) throw new Error(`the bench has no case ${name}`);
  return { ...found, ...cost };
}
