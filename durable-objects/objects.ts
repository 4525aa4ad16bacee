/*
 * The Durable Object classes, for the entry of a Worker: `export * from` this file.
 */
export { Control } from './control.ts';
export { Quota } from './quota.ts';
export { RateLimiter } from './rate-limiter.ts';
export { ReplaySet } from './replay-set.ts';
export { Settlements } from './settlements.ts';
