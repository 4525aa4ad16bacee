/*
 * Every Durable Object of the gateway: the name of its binding, and its class. The Worker, the local runner and the tests read
 * this table, and wrangler.toml is held to it: a new object is a row here, a class that objects.ts exports, and its binding. Pure.
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

/** The names of the bindings. */
export const OBJECT_BINDINGS = Object.keys(OBJECTS) as readonly ObjectBinding[];
