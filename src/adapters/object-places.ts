/*
 * Where the platform makes an object that is not there yet. Of one that is there it says nothing: an object does not move. No
 * effects.
 */
import { nameOfRegion, numberOfRegion, REGION_UNKNOWN, REGIONS } from '#protocol/region.ts';

type ObjectPlace = Pick<DurableObjectNamespaceGetDurableObjectOptions, 'locationHint'>;

/** By the number of the region. Made once: every paid call asks. */
const PLACES: readonly ObjectPlace[] = [REGION_UNKNOWN, ...REGIONS.map(numberOfRegion)].map((region) => {
  const locationHint = nameOfRegion(region);
  return locationHint === undefined ? {} : { locationHint };
});
const ANYWHERE: ObjectPlace = {};

/** How to get an object that belongs in a region. */
export function placedIn(region: number): ObjectPlace {
  return PLACES[region] ?? ANYWHERE;
}
