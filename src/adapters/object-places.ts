/*
 * Where the platform creates an object that does not exist yet. It has no effect on an existing object, which never moves.
 * Pure.
 */
import { nameOfRegion, numberOfRegion, REGION_UNKNOWN, REGIONS } from '#protocol/region.ts';

type ObjectPlace = Pick<DurableObjectNamespaceGetDurableObjectOptions, 'locationHint'>;

/** By the number of the region. Precomputed, because every paid call uses it. */
const PLACES: readonly ObjectPlace[] = [REGION_UNKNOWN, ...REGIONS.map(numberOfRegion)].map((region) => {
  const locationHint = nameOfRegion(region);
  return locationHint === undefined ? {} : { locationHint };
});
const ANYWHERE: ObjectPlace = {};

/** Returns the options for an object that belongs in a region. */
export function placedIn(region: number): ObjectPlace {
  return PLACES[region] ?? ANYWHERE;
}
