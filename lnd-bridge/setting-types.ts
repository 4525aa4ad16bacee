/*
 * The value types of settings, each read from text and refused with a reason that contains no value. Pure.
 */
import * as z from 'zod';
import { parseHex } from '#protocol/bytes.ts';

/** Unparsed settings: names and texts. */
export type RawSettings = Readonly<Record<string, string>>;

export interface ConfigProblem {
  readonly key: string;
  readonly reason: string;
}

/** Reads text of this form. */
export function text(pattern: RegExp, reason: string): z.ZodString {
  return z.string(reason).regex(pattern, reason);
}

/** Reads hex of this form, as bytes. */
export function bytes(pattern: RegExp, reason: string): z.ZodPipe<z.ZodString, z.ZodTransform<Uint8Array, string>> {
  // The transform runs only if the pattern matched.
  return text(pattern, reason).transform((hex) => parseHex(hex)!);
}

/** Reads a whole number in a range. */
export function integer(smallest: number, largest: number): z.ZodPipe<z.ZodString, z.ZodTransform<number, string>> {
  const reason = `must be a whole number from ${smallest} to ${largest}`;
  const inRange = (digits: string): boolean => Number(digits) >= smallest && Number(digits) <= largest;
  return text(/^(?:0|[1-9][0-9]{0,9})$/, reason)
    .refine(inRange, reason)
    .transform(Number);
}

/** Reads `true` or `false`. */
export function flag(): z.ZodPipe<z.ZodEnum<{ true: 'true'; false: 'false' }>, z.ZodTransform<boolean, 'true' | 'false'>> {
  return z.enum(['true', 'false'], 'must be true or false').transform((word) => word === 'true');
}

/** At least 32 bytes in hex. */
export const secret = bytes(/^(?:[0-9a-fA-F]{2}){32,128}$/, 'must be hex of at least 32 bytes (make one: openssl rand -hex 32)');

/** Converts an issue to problems by setting. */
export function tellIssue(issue: z.core.$ZodIssue, { raw, prefix = '' }: { raw: RawSettings; prefix?: string }): ConfigProblem[] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => ({ key: prefix + key, reason: 'is not a setting of the bridge' }));
  const key = String(issue.path[0]);
  return [{ key: prefix + key, reason: raw[key] === undefined ? `is missing: ${issue.message}` : issue.message }];
}
