/*
 * The part of the world where a claim object lives: a number in the token, chosen where the token was sold (M45), and the
 * name by which the platform knows it. The numbers are frozen; another part gets the next one. Pure.
 */

/** Nobody could tell: the object lives wherever it is asked for first. */
export const REGION_UNKNOWN = 0;
/** The numbers from 1 on. */
export const REGIONS = ['wnam', 'enam', 'sam', 'weur', 'eeur', 'apac', 'oc', 'afr', 'me'] as const;
export type RegionName = (typeof REGIONS)[number];

/** West of Denver, North America is nearer to its west coast. */
const NORTH_AMERICA_WEST_OF = -100;
/** Vienna is in the east, Berlin in the west. */
const EUROPE_EAST_OF = 15;
/** Muscat is in the Middle East, Karachi in Asia. */
const MIDDLE_EAST_WEST_OF = 60;

/** Objects of a region: sixteen on Cloudflare; one on a machine of one's own, where it groups the writes to the disk. */
export const USUAL_SHARD_BITS = 4;

/** Over how many objects the claims of a region are spread, as a power of two, where the seller has not said it. */
export function usualShardBits(region: number): number {
  return region === REGION_UNKNOWN ? 0 : USUAL_SHARD_BITS;
}

/** The number of a region. */
export function numberOfRegion(name: RegionName): number {
  return REGIONS.indexOf(name) + 1;
}

/** The name of a region; nothing for one that is no place, or that a later version has named. */
export function nameOfRegion(region: number): RegionName | undefined {
  return REGIONS[region - 1];
}

/** The region of a place on earth. Either may be anything: whoever says no continent is nowhere. */
export function findRegion(continent: unknown, longitudeText: unknown): number {
  const name = nearestTo(continent, typeof longitudeText === 'string' && longitudeText !== '' ? Number(longitudeText) : NaN);
  return name === undefined ? REGION_UNKNOWN : numberOfRegion(name);
}

/** Where no longitude is told, every comparison is false. */
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
