/*
 * The one shape of every file under test/vectors, and how a Result looks in it. Nothing here but types and the
 * turning of bytes into hex: what is compared stands in the JSON.
 */
import { formatHex, parseHex } from '#protocol/bytes.ts';
import { type Result } from '#protocol/result.ts';

export interface Vector<Input, Expected> {
  readonly name: string;
  readonly input: Input;
  readonly expected: Expected;
  readonly why: string;
}

export interface Refused {
  readonly refusal: string;
}

/** The vectors of a file, their outer shape checked; two of one name would hide each other in a report. */
export function readVectors<Input, Expected>(json: readonly object[]): readonly Vector<Input, Expected>[] {
  const names = new Set(json.map((vector) => ('name' in vector ? vector.name : undefined)));
  const shaped = json.every((vector) => Object.keys(vector).join() === 'name,input,expected,why');
  if (!shaped || names.size !== json.length) throw new Error('a vector is { name, input, expected, why } with a name of its own');
  return json as readonly Vector<Input, Expected>[];
}

/** A Result as a vector states it: the facts, or the code of the refusal. */
export function asExpected<Value, Facts>(
  result: Result<Value, { readonly code: string }>,
  facts: (value: Value) => Facts,
): Facts | Refused {
  return result.ok ? facts(result.value) : { refusal: result.refusal.code };
}

/** Hex of a vector as bytes; a vector that is no hex is a mistake in the vector. */
export function bytesOf(hex: string): Uint8Array {
  const bytes = parseHex(hex);
  if (bytes === undefined) throw new Error('the vector is not hex');
  return bytes;
}

export const hexOf = formatHex;
