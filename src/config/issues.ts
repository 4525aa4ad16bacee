/*
 * Problems of a configuration, as sentences that start with a key: what was expected, and for an unknown key the nearest
 * known one. Never the value, which could be a misplaced secret. Pure.
 */

/** The parts of a schema needed to find the allowed keys at a path. */
interface Definition {
  readonly shape?: Readonly<Record<string, Schema>>;
  readonly innerType?: Schema;
  readonly element?: Schema;
  readonly valueType?: Schema;
  readonly options?: readonly Schema[];
}

export interface Schema {
  readonly _zod: { readonly def: object };
}

/** The parts of a schema library's issue that are used. */
interface Issue {
  readonly code: string;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
  /** For a union: the problems of each of its forms. */
  readonly errors?: readonly (readonly Issue[])[];
  /** For a key: its problems. */
  readonly issues?: readonly Issue[];
  readonly expected?: string;
  readonly minimum?: number | bigint;
  readonly maximum?: number | bigint;
  readonly values?: readonly unknown[];
  readonly pattern?: string;
  /** For a bound: the kind of value that it bounds. */
  readonly origin?: string;
}

/** Where issues were found: a prefix text, the schema, and the path at which it was used. */
export interface IssuePlace {
  readonly place: string;
  readonly schema: Schema;
  readonly base?: readonly PropertyKey[];
}

/** Describes each problem in a sentence. */
export function describeIssues(issues: readonly unknown[], { place, schema, base = [] }: IssuePlace): readonly string[] {
  return (issues as readonly Issue[]).flatMap((issue) => {
    const { code, keys = [], errors = [] } = issue;
    const path = [...base, ...issue.path];
    if (code === 'unrecognized_keys') {
      const known = keysAt(schema, path);
      return keys.map((key) => `${place}${[...path, key].map(String).join('.')}: unknown key; ${suggestKey(key, known)}`);
    }
    if (code === 'invalid_union') {
      // Picks the form of the same kind as the value; if there is none, all forms are described.
      const meant = errors.find((form) => !form.some(isOfOtherKind));
      if (meant !== undefined) return describeIssues(meant, { place, schema, base: path });
    }
    const detail =
      code === 'invalid_union' && issue.message === NO_MESSAGE ? describeForms(errors, keysAt(schema, path)) : describeIssue(issue);
    return [path.length === 0 ? `${place}${detail}` : `${place}${path.map(String).join('.')}: ${detail}`];
  });
}

/** Whether the value is of another kind: not an object where one is expected, or none of the allowed words. */
function isOfOtherKind({ code, path, message }: Issue): boolean {
  const isWordless = code === 'custom' && message === NO_MESSAGE;
  return path.length === 0 && (code === 'invalid_type' || code === 'invalid_value' || isWordless);
}

function describeForms(errors: readonly (readonly Issue[])[], keys: readonly string[]): string {
  const forms = errors.flatMap(([issue]) => {
    if (issue === undefined || issue.code === 'custom') return [];
    if (issue.code === 'invalid_type')
      return [issue.expected === 'object' ? `an object with ${keys.join(', ')}` : `of type ${issue.expected}`];
    return [describeIssue(issue).replace(/^must be /, '')];
  });
  return `must be ${forms.join('; or ')}`;
}

/** The message of zod/mini if the schema has none. */
const NO_MESSAGE = 'Invalid input';

/** Passed to each parse: a process that has loaded all of zod, such as the local bridge, would use other messages. */
export const PLAIN_WORDS = { error: () => NO_MESSAGE };

function describeIssue({ code, message, expected, minimum, maximum, values = [], pattern, origin, issues = [] }: Issue): string {
  if (code === 'invalid_key' && issues[0] !== undefined) return describeIssue(issues[0]);
  // The schema's own message says more than the library's code.
  if (code === 'custom' || message !== NO_MESSAGE) return message;
  if (code === 'invalid_type') return `missing, or not of type ${expected}`;
  if (code === 'too_small') return describeBound(`at least ${minimum}`, origin);
  if (code === 'too_big') return describeBound(`at most ${maximum}`, origin);
  if (code === 'invalid_value' && values.length === 1) return `must be ${JSON.stringify(values[0])}`;
  if (code === 'invalid_value') return `must be one of: ${values.map(String).join(', ')}`;
  return pattern === undefined ? 'has the wrong format' : `must match ${pattern}`;
}

/** Describes a bound of a number, or of the length of a list or a text. */
function describeBound(bound: string, origin: string | undefined): string {
  if (origin === 'array') return `must have ${bound} ${bound.endsWith(' 1') ? 'entry' : 'entries'}`;
  return origin === 'string' ? `must have ${bound} characters` : `must be ${bound}`;
}

/** Returns the allowed keys at a path. */
function keysAt(schema: Schema | undefined, path: readonly PropertyKey[]): readonly string[] {
  const { shape, innerType, element, valueType, options } = (schema?._zod.def ?? {}) as Definition;
  if (innerType !== undefined) return keysAt(innerType, path);
  if (options !== undefined) return options.flatMap((option) => keysAt(option, path));
  const [step, ...rest] = path;
  if (step === undefined) return Object.keys(shape ?? {});
  return keysAt(shape?.[String(step)] ?? element ?? valueType, rest);
}

/** With more wrong letters it is a different word. */
const MOST_MISTAKES = 3;

/** Returns the word that was probably meant. */
export function findNearest(word: string, known: readonly string[], mostMistakes: number): string | undefined {
  const ranked = known.map((name) => ({ name, mistakes: countMistakes(word.toLowerCase(), name.toLowerCase()) }));
  const nearest = ranked.reduce<(typeof ranked)[number] | undefined>(
    (best, next) => (best === undefined || next.mistakes < best.mistakes ? next : best),
    undefined,
  );
  return nearest !== undefined && nearest.mistakes <= mostMistakes ? nearest.name : undefined;
}

function suggestKey(key: string, known: readonly string[]): string {
  const nearest = findNearest(key, known, Math.min(MOST_MISTAKES, Math.floor(key.length / 3)));
  return nearest === undefined ? `allowed keys: ${known.join(', ')}` : `did you mean ${nearest}?`;
}

/** Counts letters to add, drop or change (Levenshtein). */
function countMistakes(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [index, letter] of [...from].entries()) {
    const next = [index + 1];
    for (let column = 1; column <= to.length; column++) {
      const changed = row[column - 1]! + (letter === to[column - 1] ? 0 : 1);
      next.push(Math.min(changed, row[column]! + 1, next[column - 1]! + 1));
    }
    row = next;
  }
  return row[to.length]!;
}
