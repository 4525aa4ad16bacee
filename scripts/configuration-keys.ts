/*
 * Every key of a configuration: default and limits from its schema, description and example from its doc comment. Pure.
 */
import { type Constants, findKeys, type WrittenKey } from './doc-comments.ts';

/** A table of the page: the keys of one object. */
export interface KeySection {
  /** The path of the object; empty for the whole file. */
  readonly place: string;
  readonly keys: readonly DescribedKey[];
}

export interface DescribedKey {
  readonly name: string;
  readonly words: string;
  /** The default as written; empty for an optional key, `needed` for a required one. */
  readonly standard: string;
  readonly unit: string;
  readonly takes: string;
  readonly example: string;
  readonly schema: Schema;
}

/** The parts of a zod schema that are read. */
export interface Schema {
  readonly _zod: { readonly def: object };
}

interface Definition {
  readonly type: string;
  readonly format?: string;
  readonly shape?: Readonly<Record<string, Schema>>;
  readonly innerType?: Schema;
  readonly element?: Schema;
  readonly valueType?: Schema;
  readonly options?: readonly Schema[];
  readonly entries?: Readonly<Record<string, string>>;
  readonly values?: readonly unknown[];
  readonly defaultValue?: unknown;
  readonly checks?: readonly Schema[];
}

interface Check {
  readonly check: string;
  readonly value?: number;
  readonly inclusive?: boolean;
  readonly pattern?: RegExp;
  readonly maximum?: number;
  readonly error?: (issue: object) => string;
}

export const SECRET_NAME = /_SECRET$/;
/** How to create a secret: a literal example might be used by somebody. */
const SECRET_EXAMPLE = 'openssl rand -hex 32';

/** Lists the keys without a doc comment or example. */
export function findMissing(sections: readonly KeySection[]): readonly string[] {
  return sections.flatMap(({ place, keys }) =>
    keys.flatMap(({ name, words, example }) => [
      ...(words === '' ? [`${pathOf(place, name)}: has no doc comment`] : []),
      ...(example === '' ? [`${pathOf(place, name)}: has no @example in its doc comment`] : []),
    ]),
  );
}

/** Describes a schema and every object in it, in the order of the keys. */
export function describeKeys(
  schema: Schema,
  { written, constants, place = '' }: { written: readonly WrittenKey[]; constants: Constants; place?: string },
): readonly KeySection[] {
  const keys = shapesOf(schema).flatMap((shape) => Object.entries(shape));
  const inner: KeySection[] = [];
  const described = keys.map(([name, value]): DescribedKey => {
    const path = pathOf(place, name);
    const own = written.find((key) => key.name === name);
    const [words, stated] = splitDefault(own?.words ?? '');
    const below = own === undefined ? [] : findKeys(own.value, constants);
    if (shapesOf(value).length > 0) inner.push(...describeKeys(value, { written: below, constants, place: `${path}${manyOf(value)}` }));
    const example = own?.example ?? (SECRET_NAME.test(name) ? SECRET_EXAMPLE : exampleOf(value, below, constants));
    return {
      name,
      words,
      standard: stated ?? standardOf(value),
      unit: unitOf(name),
      takes: takesOf(value),
      example: example ?? '',
      schema: value,
    };
  });
  return [{ place, keys: described }, ...inner];
}

function pathOf(place: string, name: string): string {
  return place === '' ? name : `${place}.${name}`;
}

function definitionOf({ _zod }: Schema): Definition {
  return _zod.def as Definition;
}

/** Returns the objects that are allowed at a path. */
function shapesOf(schema: Schema): readonly Readonly<Record<string, Schema>>[] {
  const { shape, innerType, element, valueType, options } = definitionOf(schema);
  if (shape !== undefined) return [shape];
  return [innerType, element, valueType, ...(options ?? [])].flatMap((inside) => (inside === undefined ? [] : shapesOf(inside)));
}

/** Returns the suffix of a path that may have many objects. */
function manyOf(schema: Schema): '' | '[]' | '.*' {
  const { type, innerType } = definitionOf(schema);
  if (innerType !== undefined) return manyOf(innerType);
  if (type === 'record') return '.*';
  return type === 'array' ? '[]' : '';
}

/** Splits off the default that a comment states because the code behind the schema applies it. */
function splitDefault(words: string): readonly [string, string | undefined] {
  const [, rest = words, stated] = /^(.*?) ?Default ([^ ]+)\.$/.exec(words) ?? [];
  return [rest, stated];
}

function standardOf(schema: Schema): string {
  const { type, defaultValue } = definitionOf(schema);
  if (type === 'default' || type === 'prefault') return literal(defaultValue);
  return type === 'optional' ? '' : 'needed';
}

/** Names contain their unit (house style). */
const UNITS: readonly (readonly [RegExp, string])[] = [
  [/perMinute$/i, 'a minute'],
  [/seconds$/i, 'seconds'],
  [/hours$/i, 'hours'],
  [/ms$/i, 'milliseconds'],
  [/sats$/i, 'satoshi'],
  [/msat$/i, 'millisatoshi'],
  [/bytes$/i, 'bytes'],
  [/^calls$/i, 'calls'],
];

function unitOf(name: string): string {
  return UNITS.find(([pattern]) => pattern.test(name.replace('_', '')))?.[1] ?? '';
}

function takesOf(schema: Schema): string {
  const { type, innerType, element, valueType, options, entries, values, format } = definitionOf(schema);
  const checks = (definitionOf(schema).checks ?? []).map((check) => definitionOf(check) as unknown as Check);
  if (innerType !== undefined) return takesOf(innerType);
  // The schema's own message says more than a pattern.
  const said = checks.flatMap(({ error }) => (error === undefined ? [] : [error({}).replace(/^must (be|have) /, '')]));
  switch (type) {
    case 'string':
      return (
        said.join('; ') || ['text', ...checks.flatMap(describeLength).map((length) => `${length} characters`), ...fitOf(checks)].join(', ')
      );
    case 'number':
      return [format === 'safeint' ? 'whole number' : 'number', ...describeBounds(checks)].join(', ');
    case 'literal':
      return (values ?? []).map((value) => `\`${literal(value)}\``).join(', ');
    case 'enum':
      return Object.values(entries ?? {})
        .map((value) => `\`${value}\``)
        .join(', ');
    case 'array':
      return [`list: ${takesOf(element!)}`, ...checks.flatMap(describeLength), ...said].join(', ');
    case 'record':
      return `object: by name ${takesOf(valueType!)}`;
    case 'object':
      return ['object, see below', ...said].join('; ');
    case 'union':
      return [...new Set((options ?? []).map(takesOf))].join(' or ');
    case 'boolean':
      return '`true`, `false`';
    case 'custom':
      return 'function';
    default:
      throw new Error(`a schema of a kind that is not described yet: ${type}`);
  }
}

function describeLength({ check, maximum }: Check): readonly string[] {
  return check === 'max_length' ? [`at most ${maximum}`] : [];
}

function fitOf(checks: readonly Check[]): readonly string[] {
  return checks.flatMap(({ pattern }) => (pattern === undefined ? [] : [`fits \`${pattern.source}\``]));
}

function describeBounds(checks: readonly Check[]): readonly string[] {
  const of = (check: string) => checks.find((candidate) => candidate.check === check);
  const [least, most] = [of('greater_than'), of('less_than')];
  if (least?.inclusive === true && most?.inclusive === true) return [`${least.value} to ${most.value}`];
  return [
    ...(least === undefined ? [] : [least.inclusive === true ? `at least ${least.value}` : `more than ${least.value}`]),
    ...(most === undefined ? [] : [most.inclusive === true ? `at most ${most.value}` : `less than ${most.value}`]),
  ];
}

/** Returns an example from the schema of a key whose comment has none. */
function exampleOf(schema: Schema, written: readonly WrittenKey[], constants: Constants): string | undefined {
  const { type, innerType, element, options, shape, entries, values, defaultValue } = definitionOf(schema);
  if (type === 'default') return literal(defaultValue);
  if (innerType !== undefined) return exampleOf(innerType, written, constants);
  if (type === 'literal') return literal(values?.[0]);
  if (type === 'enum') return literal(Object.values(entries ?? {})[0]);
  if (type === 'number') return literal(smallestOf(schema));
  if (type === 'union') {
    const examples = (options ?? []).flatMap((option) => exampleOf(option, written, constants) ?? []);
    // A disabled value is a poor example.
    return examples.find((example) => example !== 'false') ?? examples[0];
  }
  if (type === 'array') {
    const one = exampleOf(element!, written, constants);
    return one === undefined ? undefined : `[${one}]`;
  }
  if (shape === undefined) return undefined;
  const needed = Object.entries(shape).filter(([, value]) => standardOf(value) === 'needed');
  const presented = needed.length > 0 ? needed : Object.entries(shape).slice(0, 1);
  const parts = presented.map(([name, value]) => {
    const own = written.find((key) => key.name === name);
    const example = own?.example ?? exampleOf(value, own === undefined ? [] : findKeys(own.value, constants), constants);
    return example === undefined ? undefined : `${name}: ${example}`;
  });
  return parts.includes(undefined) ? undefined : `{ ${parts.join(', ')} }`;
}

function smallestOf(schema: Schema): number {
  const checks = (definitionOf(schema).checks ?? []).map((check) => definitionOf(check) as unknown as Check);
  const least = checks.find(({ check }) => check === 'greater_than');
  if (least?.inclusive === true) return least.value!;
  return checks.find(({ check }) => check === 'less_than')?.value ?? 1;
}

function literal(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : (JSON.stringify(value) ?? '');
}
