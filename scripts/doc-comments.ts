/*
 * A simple parser of this project's schemas: finds the doc comment of each key of each object. It supports the few forms in
 * which the schemas are written (object schemas, spread fragments, names of other constants) and nothing else of the
 * language. Pure.
 */

/** A key of an object schema, as written. */
export interface WrittenKey {
  readonly name: string;
  /** The words of its doc comment; empty if there is none. */
  readonly words: string;
  /** The text after `@example` in the comment. */
  readonly example: string | undefined;
  readonly value: Expression;
}

/** The part of a file that defines a constant or a key. */
export interface Expression {
  readonly file: string;
  readonly tokens: readonly Token[];
}

interface Token {
  readonly text: string;
  /** The doc comment before it. */
  readonly doc: string | undefined;
}

/** Every top-level constant, by file and name. */
export type Constants = ReadonlyMap<string, ReadonlyMap<string, Expression>>;

const BLANKS = /\s+|\/\/[^\n]*/y;
const COMMENT = /\/\*[\s\S]*?\*\//y;
const WORD = /[A-Za-z_$#][\w$]*|[0-9][\w.]*/y;
const TEXT = /'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/y;
const REGEX = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
const SIGN = /\.\.\.|=>|[\s\S]/y;
const OBJECT_SCHEMAS = new Set(['strictObject', 'object', 'looseObject']);

/** Reads the constants of a file. */
export function readConstants(file: string, source: string): ReadonlyMap<string, Expression> {
  const tokens = splitTokens(source);
  const constants = new Map<string, Expression>();
  let depth = 0;
  for (const [index, { text }] of tokens.entries()) {
    if (depth === 0 && text === 'const') {
      const start = findAtTop(tokens, { from: index, sign: '=' });
      constants.set(tokens[index + 1]!.text, { file, tokens: tokens.slice(start + 1, findAtTop(tokens, { from: start, sign: ';' })) });
    }
    depth += depthOf(text);
  }
  return constants;
}

/** Returns the keys of the object schemas in an expression, in their order. */
export function findKeys(expression: Expression, constants: Constants): readonly WrittenKey[] {
  const { file, tokens } = expression;
  const keys: WrittenKey[] = [];
  for (let index = 0; index < tokens.length; index++) {
    const { text } = tokens[index]!;
    const isShape = text === '{' && (index === 0 || (tokens[index - 1]!.text === '(' && OBJECT_SCHEMAS.has(tokens[index - 2]?.text ?? '')));
    if (isShape) {
      const end = findClose(tokens, index);
      keys.push(...readShape({ file, tokens: tokens.slice(index + 1, end) }, constants));
      index = end;
    } else if (tokens[index - 1]?.text !== '.') {
      const known = findConstant(text, file, constants);
      if (known !== undefined && known !== expression) keys.push(...findKeys(known, constants));
    }
  }
  return keys;
}

function findConstant(name: string, file: string, constants: Constants): Expression | undefined {
  return constants.get(file)?.get(name) ?? [...constants.values()].find((of) => of.has(name))?.get(name);
}

function readShape({ file, tokens }: Expression, constants: Constants): readonly WrittenKey[] {
  const keys: WrittenKey[] = [];
  for (let index = 0; index < tokens.length;) {
    const comma = findAtTop(tokens, { from: index, sign: ',' });
    const [first, second] = tokens.slice(index, comma);
    const value = { file, tokens: tokens.slice(second?.text === ':' ? index + 2 : index, comma) };
    if (first?.text === '...') keys.push(...findKeys({ file, tokens: tokens.slice(index + 1, comma) }, constants));
    else if (first !== undefined) keys.push({ name: first.text.replaceAll("'", ''), value, ...readDoc(first.doc ?? '') });
    index = comma + 1;
  }
  return keys;
}

function readDoc(comment: string): Pick<WrittenKey, 'words' | 'example'> {
  const text = comment
    .replace(/^\/\*\*|\*\/$/g, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trim())
    .join(' ')
    .trim();
  const [words = '', example] = text.split('@example');
  return { words: words.trim(), example: example?.trim() };
}

function splitTokens(source: string): readonly Token[] {
  const tokens: Token[] = [];
  let doc: string | undefined;
  for (let at = 0; at < source.length;) {
    const match = (pattern: RegExp) => {
      pattern.lastIndex = at;
      return pattern.exec(source)?.[0];
    };
    const skipped = match(BLANKS);
    const comment = skipped === undefined ? match(COMMENT) : undefined;
    if (comment?.startsWith('/**') === true) doc = comment;
    if (skipped !== undefined || comment !== undefined) {
      at += (skipped ?? comment)!.length;
      continue;
    }
    // A slash after a value is a division; anywhere else it begins a pattern.
    const mayDivide = /^[\w$)\]}'"`]/.test(tokens.at(-1)?.text.at(-1) ?? '(');
    const text = (mayDivide ? undefined : match(REGEX)) ?? match(TEXT) ?? match(WORD) ?? match(SIGN)!;
    tokens.push({ text, doc });
    doc = undefined;
    at += text.length;
  }
  return tokens;
}

function depthOf(text: string): number {
  if (/^[([{]$/.test(text)) return 1;
  return /^[)\]}]$/.test(text) ? -1 : 0;
}

/** Returns the index of the next `sign` at the current depth of brackets; the end if there is none. */
function findAtTop(tokens: readonly Token[], { from, sign }: { from: number; sign: string }): number {
  let depth = 0;
  for (let index = from; index < tokens.length; index++) {
    const { text } = tokens[index]!;
    if (depth === 0 && text === sign) return index;
    depth += depthOf(text);
  }
  return tokens.length;
}

function findClose(tokens: readonly Token[], open: number): number {
  let depth = 0;
  for (let index = open; index < tokens.length; index++) {
    depth += depthOf(tokens[index]!.text);
    if (depth === 0) return index;
  }
  return tokens.length;
}
