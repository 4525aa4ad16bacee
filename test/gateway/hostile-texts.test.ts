/*
 * Texts that cost much to read for their length: each is read in time that grows with its length and not with the square of it.
 * So many rounds would otherwise outlast the time that any test has.
 */
import { describe, it } from 'vitest';
import { findFormField } from '#gateway/request/form-fields.ts';
import { foldPath } from '#gateway/routing/path.ts';
import { readParameters } from '#gateway/request/query.ts';
import { foldValue } from '#gateway/routing/sold-values.ts';
import { looksLikeCredential } from '#protocol/credential-header.ts';
import { findCredentials } from '#schemes/l402/present.ts';

const LENGTH = 16_000;
const ROUNDS = 200;
const MULTIPART = new Headers({ 'content-type': 'multipart/form-data; boundary=b' });
const bytesOf = (text: string) => new TextEncoder().encode(text);
const run = (text: string) => text.repeat(LENGTH / text.length);

describe('a text of 16 KiB', () => {
  it.each<[string, () => unknown]>([
    ['dots in a path', () => foldPath(`/a${run('.')}a`)],
    ['blanks in a path', () => foldPath(`/a${'%20'.repeat(5000)}a`)],
    ['underscores in the name of a parameter', () => readParameters(`?${run('_')}a`, ['svc'])],
    ['brackets in the name of a parameter', () => readParameters(`?${run('[')}a`, ['svc'])],
    ['names of parts', () => findFormField(MULTIPART, { bytes: bytesOf(run('name=')), names: ['svc'] })],
    ['quotes in names of parts', () => findFormField(MULTIPART, { bytes: bytesOf(run('name="\\')), names: ['svc'] })],
    ['pairs', () => readParameters(`?${run('a&')}`, ['svc'])],
    ['blanks in a value', () => foldValue(`a${run(' ')}a`)],
    ['digits in a value', () => foldValue(`${run('1')}a`)],
    ['accents in a value', () => foldValue(run('e\u0301'))],
    ['commas in a credential', () => findCredentials(new Headers(), run('a,'))],
    ['beginnings of a credential', () => looksLikeCredential(`AgE${run('AgEA:')}`)],
  ])('D21: is read quickly: %s', (_, read) => {
    for (let round = 0; round < ROUNDS; round++) read();
  });
});
