/*
 * docs/origins.md against the table of the fields that do not reach an origin.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DROPPED_FIELDS, METADATA_HEADERS, VOUCHED_FIELDS } from '#gateway/request/forwarded-headers.ts';

const page = readFileSync('docs/origins.md', 'utf8').toLowerCase();

describe('docs/origins.md', () => {
  it.each([...Object.values(DROPPED_FIELDS).flat(), ...METADATA_HEADERS, ...VOUCHED_FIELDS])('tells what becomes of %s', (name) => {
    expect(page).toContain(`\`${name}\``);
  });
});
