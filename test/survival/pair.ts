/*
 * Two Workers, one namespace: what two instances of a deployment are. Effects: processes.
 */
import { startTestSystem, type TestSystem } from '#support/test-system.ts';

/** Starts the shop of this suite twice, as `gateway` and `second`, over the same Durable Objects. */
export function startPair(): Promise<TestSystem> {
  return startTestSystem([
    { name: 'gateway', bundle: 'survival' },
    { name: 'second', bundle: 'survival', claimsOf: 'gateway' },
  ]);
}
