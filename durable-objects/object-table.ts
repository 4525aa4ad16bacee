/*
 * Every Durable Object of the gateway: its binding name and its class. The Worker, the local runner and the tests read this
 * table, and a test compares wrangler.toml with it. CONTRIBUTING lists the files that a new
 * object touches. Pure.
 */
export const OBJECTS = {
  REPLAY_SET: 'ReplaySet',
  QUOTA: 'Quota',
  RATE_LIMITER: 'RateLimiter',
  CONTROL: 'Control',
  SETTLEMENTS: 'Settlements',
} as const;

export type ObjectBinding = keyof typeof OBJECTS;
export type ObjectClass = (typeof OBJECTS)[ObjectBinding];

export const OBJECT_BINDINGS = Object.keys(OBJECTS) as readonly ObjectBinding[];
