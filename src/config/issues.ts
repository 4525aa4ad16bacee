/*
 * What is wrong with a configuration, as sentences that start with a key: what was expected, and for a key that nobody
 * knows the nearest one that is known. Never the value, which could be a secret in the wrong place. Pure.
 */

/** What is read of a schema: enough to find which keys may stand at a place. */
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

/** The parts of a schema library's issue that are told. */
interface Issue {
  readonly code: string;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
  /** Of a union: what is wrong with each of its forms. */
  readonly errors?: readonly (readonly Issue[])[];
  /** Of a key: what is wrong with it. */
  readonly issues?: readonly Issue[];
  readonly expected?: string;
  readonly minimum?: number | bigint;
  readonly maximum?: number | bigint;
  readonly values?: readonly unknown[];
  readonly pattern?: string;
}

/** Where issues were found: a text to put first, the schema, and the path at which it was used. */
export interface IssuePlace {
  readonly place: string;
  readonly schema: Schema;
  readonly base?: readonly PropertyKey[];
}

/** A sentence for each problem. */
export function describeIssues(issues: readonly unknown[], { place, schema, base = [] }: IssuePlace): readonly string[] {
  return (issues as readonly Issue[]).flatMap((issue) => {
    const { code, keys = [], errors = [] } = issue;
    const path = [...base, ...issue.path];
    if (code === 'unrecognized_keys') {
      const known = keysAt(schema, path);
      return keys.map((key) => `${place}${[...path, key].map(String).join('.')}: unknown key; ${suggestKey(key, known)}`);
    }
    if (code === 'invalid_union') {
      // The form that was meant is one of the same kind; where none is, all are told.
      const meant = errors.find((form) => !form.some(isOfOtherKind));
      if (meant !== undefined) return describeIssues(meant, { place, schema, base: path });
    }
    const detail =
      code === 'invalid_union' && issue.message === NO_MESSAGE ? describeForms(errors, keysAt(schema, path)) : describeIssue(issue);
    return [path.length === 0 ? `${place}${detail}` : `${place}${path.map(String).join('.')}: ${detail}`];
  });
}

/** Whether something else altogether was written: not an object where one is meant, none of some words. */
function isOfOtherKind({ code, path, message }: Issue): boolean {
  const isWordless = code === 'custom' && message === NO_MESSAGE;
  return path.length === 0 && (code === 'invalid_type' || code === 'invalid_value' || isWordless);
}

function describeForms(errors: readonly (readonly Issue[])[], keys: readonly string[]): string {
  const forms = errors.flatMap(([issue]) => {
    if (issue === undefined || issue.code === 'custom') return [];
    return issue.code === 'invalid_type' && issue.expected === 'object' ? [`an object with ${keys.join(', ')}`] : [describeIssue(issue)];
  });
  return forms.join('; or ');
}

/** What zod/mini says where the schema says nothing. */
const NO_MESSAGE = 'Invalid input';

/** For each reading: a process that has all of zod loaded, as the local bridge does, would say it in other words. */
export const PLAIN_WORDS = { error: () => NO_MESSAGE };

function describeIssue({ code, message, expected, minimum, maximum, values = [], pattern, issues = [] }: Issue): string {
  if (code === 'invalid_key' && issues[0] !== undefined) return describeIssue(issues[0]);
  // The schema's own words say more than the library's kinds.
  if (code === 'custom' || message !== NO_MESSAGE) return message;
  if (code === 'invalid_type') return `missing, or not of the kind: ${expected}`;
  if (code === 'too_small') return `at least ${minimum}`;
  if (code === 'too_big') return `at most ${maximum}`;
  if (code === 'invalid_value') return `one of: ${values.map(String).join(', ')}`;
  return pattern === undefined ? 'not of the form that is asked for' : `must fit ${pattern}`;
}

/** The keys that may stand at a path. */
function keysAt(schema: Schema | undefined, path: readonly PropertyKey[]): readonly string[] {
  const { shape, innerType, element, valueType, options } = (schema?._zod.def ?? {}) as Definition;
  if (innerType !== undefined) return keysAt(innerType, path);
  if (options !== undefined) return options.flatMap((option) => keysAt(option, path));
  const [step, ...rest] = path;
  if (step === undefined) return Object.keys(shape ?? {});
  return keysAt(shape?.[String(step)] ?? element ?? valueType, rest);
}

/** More letters wrong than this, and it is another word. */
const MOST_MISTAKES = 3;

/** The word that was probably meant. */
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
  return nearest === undefined ? `known here: ${known.join(', ')}` : `did you mean ${nearest}?`;
}

/** Letters to add, drop or change (Levenshtein). */
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
