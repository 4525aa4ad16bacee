/*
 * The value of a services caveat: `name:tier`, separated by commas. Pure.
 */

const LARGEST_TIER = 255;

/** Maps names to tiers; `undefined` if any part does not parse or a name is repeated. */
export function parseServices(value: string): ReadonlyMap<string, number> | undefined {
  const services = new Map<string, number>();
  for (const part of value.split(',')) {
    const match = /^([^:]+):(0|[1-9][0-9]{0,2})$/.exec(part);
    if (match === null) return undefined;
    const [, name, tier] = match as unknown as readonly [string, string, string];
    if (Number(tier) > LARGEST_TIER || services.has(name)) return undefined;
    services.set(name, Number(tier));
  }
  return services;
}
