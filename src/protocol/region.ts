/*
 * The part of the world where a claim object lives: a number in the token, chosen where the token was sold (M45), and the
 * platform's name for it. The numbers are frozen; a new region gets the next one. Pure.
 */

/** Unknown: the object lives wherever it is first requested. */
export const REGION_UNKNOWN = 0;
/** The regions, numbered from 1. */
export const REGIONS = ['wnam', 'enam', 'sam', 'weur', 'eeur', 'apac', 'oc', 'afr', 'me'] as const;
export type RegionName = (typeof REGIONS)[number];

/** North America west of Denver is closer to the west coast. */
const NORTH_AMERICA_WEST_OF = -100;
/** Vienna is in the east, Berlin in the west. */
const EUROPE_EAST_OF = 15;
/** Muscat is in the Middle East, Karachi in Asia. */
const MIDDLE_EAST_WEST_OF = 60;

/** Objects of a region, as a power of two: sixteen on Cloudflare. A self-hosted gateway uses one, which groups the writes to disk. */
export const USUAL_SHARD_BITS = 4;

/** Returns how many objects share the claims of a region, as a power of two, if the seller has not set it. */
export function usualShardBits(region: number): number {
  return region === REGION_UNKNOWN ? 0 : USUAL_SHARD_BITS;
}

/** Returns the number of a region. */
export function numberOfRegion(name: RegionName): number {
  return REGIONS.indexOf(name) + 1;
}

/** Returns the name of a region; `undefined` for the unknown region and for one that a later version defines. */
export function nameOfRegion(region: number): RegionName | undefined {
  return REGIONS[region - 1];
}

/** Returns the region of a location. Both values may be anything; an unknown continent gives the unknown region. */
export function findRegion(continent: unknown, longitudeText: unknown): number {
  const name = nearestTo(continent, typeof longitudeText === 'string' && longitudeText !== '' ? Number(longitudeText) : NaN);
  return name === undefined ? REGION_UNKNOWN : numberOfRegion(name);
}

/** Without a longitude (NaN) every comparison is false. */
function nearestTo(continent: unknown, longitude: number): RegionName | undefined {
  switch (continent) {
    case 'NA':
      return longitude < NORTH_AMERICA_WEST_OF ? 'wnam' : 'enam';
    case 'SA':
      return 'sam';
    case 'EU':
      return longitude > EUROPE_EAST_OF ? 'eeur' : 'weur';
    case 'AF':
      return 'afr';
    case 'AS':
      return longitude < MIDDLE_EAST_WEST_OF ? 'me' : 'apac';
    case 'OC':
      return 'oc';
    default:
      return undefined;
  }
}
