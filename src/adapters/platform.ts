/*
 * Clock, randomness, waiting and the way to the origin, from the platform. One line each, so that nothing inside needs
 * a global.
 */
import { type Clock, type Origin, type Random, type Wait } from '../ports.ts';

export const platformClock: Clock = () => Date.now();

export const platformRandom: Random = (length) => crypto.getRandomValues(new Uint8Array(length));

export const platformWait: Wait = (ms, signal) => {
  // Every call has a time limit: this is the platform's cheapest.
  if (signal === undefined) return scheduler.wait(ms);
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  });
};

/** The way out, and the ways to the Workers behind service bindings. */
export function createPlatformOrigin(services: ReadonlyMap<string, Pick<Fetcher, 'fetch'>>): Origin {
  return (request, binding) => {
    if (binding === undefined) return fetch(request);
    const service = services.get(binding);
    return service === undefined ? Promise.reject(new TypeError(`${binding} is not bound`)) : service.fetch(request);
  };
}
