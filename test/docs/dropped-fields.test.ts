/*
 * docs/origins.md against the table of the fields that do not reach an origin.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DROPPED_FIELDS, VOUCHED_FIELDS } from '#gateway/request/forwarded-headers.ts';
import { METADATA_FIELDS } from '#protocol/credential-header.ts';

const page = readFileSync('docs/origins.md', 'utf8').toLowerCase();

describe('docs/origins.md', () => {
  it.each([...Object.values(DROPPED_FIELDS).flat(), ...METADATA_FIELDS, ...VOUCHED_FIELDS])('tells what becomes of %s', (name) => {
    expect(page).toContain(`\`${name}\``);
  });
});
