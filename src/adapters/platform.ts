/*
 * Clock, randomness, waiting and the origin, from the platform, so that inner code needs no globals. Effects: those of the
 * platform.
 */
import { type Clock, type Origin, type Random, type Wait } from '../ports.ts';

export const platformClock: Clock = () => Date.now();

export const platformRandom: Random = (length) => crypto.getRandomValues(new Uint8Array(length));

export const platformWait: Wait = (ms, signal) => {
  // Every call has a time limit, and this is the platform's cheapest timer.
  if (signal === undefined) return scheduler.wait(ms);
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  });
};

/** Creates the port to public origins and to the Workers behind service bindings. */
export function createPlatformOrigin(services: ReadonlyMap<string, Pick<Fetcher, 'fetch'>>): Origin {
  return (request, binding) => {
    if (binding === undefined) return fetch(request);
    const service = services.get(binding);
    return service === undefined ? Promise.reject(new TypeError(`${binding} is not bound`)) : service.fetch(request);
  };
}
