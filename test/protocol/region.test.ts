/*
 * Regions of claims: their frozen numbers, and which one is nearest to a place on earth.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findRegion, nameOfRegion, numberOfRegion, REGION_UNKNOWN, REGIONS } from '#protocol/region.ts';
import { formatClaimObjectName, MOST_REGIONS, regionOfClaimObject } from '#protocol/token-id.ts';

describe('the numbers of regions', () => {
  it('M45: are frozen: a sold token names its object by them', () => {
    expect(REGIONS.map((name) => [numberOfRegion(name), name])).toEqual([
      [1, 'wnam'],
      [2, 'enam'],
      [3, 'sam'],
      [4, 'weur'],
      [5, 'eeur'],
      [6, 'apac'],
      [7, 'oc'],
      [8, 'afr'],
      [9, 'me'],
    ]);
    expect(REGIONS.map((name) => nameOfRegion(numberOfRegion(name)))).toEqual([...REGIONS]);
    expect(REGIONS.length).toBeLessThan(MOST_REGIONS);
  });

  it('M45: that are no place have no name, so that an older token is good wherever its object is', () => {
    expect([REGION_UNKNOWN, 10, 31, -1, NaN].map(nameOfRegion)).toEqual(Array.from({ length: 5 }));
  });

  it('M45: are read back from the name of the object', () => {
    fc.assert(
      fc.property(fc.nat(MOST_REGIONS - 1), fc.nat(16), fc.uint8Array({ minLength: 32, maxLength: 32 }), (region, shardBits, hash) => {
        expect(regionOfClaimObject(formatClaimObjectName({ region, shardBits }, hash))).toBe(region);
      }),
    );
  });
});

describe('the region of a buyer', () => {
  it.each([
    { place: 'San Francisco', continent: 'NA', longitude: '-122.41940', name: 'wnam' },
    { place: 'Denver', continent: 'NA', longitude: '-104.98', name: 'wnam' },
    { place: 'Chicago', continent: 'NA', longitude: '-87.65', name: 'enam' },
    { place: 'Mexico City', continent: 'NA', longitude: '-99.13', name: 'enam' },
    { place: 'North America, no longitude', continent: 'NA', longitude: undefined, name: 'enam' },
    { place: 'São Paulo', continent: 'SA', longitude: '-46.63', name: 'sam' },
    { place: 'Lisbon', continent: 'EU', longitude: '-9.13', name: 'weur' },
    { place: 'Berlin', continent: 'EU', longitude: '13.41', name: 'weur' },
    { place: 'Vienna', continent: 'EU', longitude: '16.37', name: 'eeur' },
    { place: 'Warsaw', continent: 'EU', longitude: '21.01', name: 'eeur' },
    { place: 'Europe, no longitude', continent: 'EU', longitude: undefined, name: 'weur' },
    { place: 'Lagos', continent: 'AF', longitude: '3.40', name: 'afr' },
    { place: 'Dubai', continent: 'AS', longitude: '55.30', name: 'me' },
    { place: 'Tel Aviv', continent: 'AS', longitude: '34.78', name: 'me' },
    { place: 'Karachi', continent: 'AS', longitude: '67.01', name: 'apac' },
    { place: 'Tokyo', continent: 'AS', longitude: '139.69', name: 'apac' },
    { place: 'Asia, no longitude', continent: 'AS', longitude: '', name: 'apac' },
    { place: 'Sydney', continent: 'OC', longitude: '151.21', name: 'oc' },
  ])('M45: $place', ({ continent, longitude, name }) => {
    expect(nameOfRegion(findRegion(continent, longitude))).toBe(name);
  });

  it('M45: that nobody can tell is none', () => {
    for (const continent of ['AN', 'T1', '', 'eu', undefined, 7]) expect(findRegion(continent, '13.41')).toBe(REGION_UNKNOWN);
  });

  it('M45: is one that a token can name, whatever the edge says', () => {
    const continents = fc.oneof(fc.constantFrom('NA', 'SA', 'EU', 'AF', 'AS', 'OC', 'AN'), fc.anything());
    fc.assert(
      fc.property(continents, fc.oneof(fc.string(), fc.double().map(String), fc.anything()), (continent, longitude) => {
        const region = findRegion(continent, longitude);
        expect(region === REGION_UNKNOWN || nameOfRegion(region) !== undefined).toBe(true);
      }),
    );
  });
});
