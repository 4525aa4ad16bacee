/*
 * The field names of a form, as any server may read them. Many origins take a parameter from the query or from a form; so a
 * parameter that decides the price in the query must not also be in the form (M39). Only names are examined, not values. In
 * case of doubt a name counts as present. Pure.
 */
import { foldName, MOST_PAIRS } from './query.ts';
import { type GatewayRefusal } from '../answers/refusals.ts';

/** Forms are read whole, before anything is sold. The same limit as for a pricing service: both share the same memory. */
export const LARGEST_FORM_BYTES = 65_536;

/** Whether the body may be read as a form: its type says so, is missing, or is not one plain type. */
export function isForm(headers: Headers): boolean {
  const type = headers.get('content-type') ?? '';
  return !/^[a-z0-9.+-]+\/[a-z0-9.+-]+ *(;[^,]*)?$/i.test(type) || /form|multipart|urlencoded/i.test(type);
}

/** Returns what is wrong with a form that must not have these fields. */
export function findFormField(
  headers: Headers,
  { bytes, names }: { bytes: Uint8Array; names: readonly string[] },
): GatewayRefusal | undefined {
  const type = headers.get('content-type') ?? '';
  if (namesOddCharset(type)) return { code: 'encoding_unsupported', detail: 'a form is read here, and its charset is not UTF-8' };
  const text = new TextDecoder().decode(bytes);
  const parts = /multipart/i.test(type) ? readPartNames(text) : [];
  const pairs = /multipart/i.test(type) && !/urlencoded/i.test(type) ? [] : readPairNames(text);
  if (parts === undefined || pairs === undefined)
    return { code: 'too_many_parameters', detail: `a form has at most ${MOST_PAIRS} fields here` };
  if (parts.includes(UNREADABLE))
    return { code: 'parameter_ambiguous', detail: 'a part of the form has a name in pieces, or one that is too long' };
  const found = [...parts, ...pairs];
  const folded = new Set(found.map((name) => foldName(decodeLoosely(name))));
  const field = names.find((name) => folded.has(foldName(name)));
  if (field === undefined) return undefined;
  return { code: 'parameter_ambiguous', detail: `the parameter ${field} is read from the query, and stands in a form` };
}

const UNREADABLE = '';
/** The limit of a part's name; longer names are refused. Names of sold parameters have at most 64 letters. */
const LONGEST_NAME = 1024;

function readPairNames(text: string): readonly string[] | undefined {
  // Splits off at most one piece more than allowed.
  const pairs = text.split(/[&;]/, MOST_PAIRS + 1);
  return pairs.length > MOST_PAIRS ? undefined : pairs.map((pair) => pair.split('=', 1)[0]!.replaceAll('+', ' '));
}

/** Whether the type names an unusual charset. Some servers obey charsets in which letters are not encoded as in ASCII. */
function namesOddCharset(type: string): boolean {
  return [...type.matchAll(/charset[^=]*=[\s"']*([^"';,\s]*)/gi)].some(([, charset = '']) => !USUAL_CHARSET.test(charset));
}

const USUAL_CHARSET = /^(utf-?8|us-ascii|iso-8859-1|windows-1252)$/i;

/** Finds every `name=` in a multipart body, wherever it is: a file that contains such text is refused rather than misread. */
function readPartNames(text: string): readonly string[] | undefined {
  if (/name\*[0-9]/i.test(text)) return [UNREADABLE];
  const names: string[] = [];
  let fields = 0;
  for (const match of text.matchAll(PART_NAME)) {
    if (++fields > MOST_PAIRS) return undefined;
    const [before, extended = ''] = match;
    const start = match.index + before.length;
    const value = text.slice(start, start + LONGEST_NAME);
    const [plain = ''] = /^[^\s;]*/.exec(value) ?? [];
    const quoted = /^(["'])/.exec(value) === null ? [] : readQuoted(value);
    const read = [plain, ...quoted];
    if (read.some((name) => name.length >= LONGEST_NAME - 1)) return [UNREADABLE];
    names.push(...read.map((name) => (extended === '' ? name : name.replace(/^[^']*'[^']*'/, '')).replace(/["']/g, '')));
  }
  return names;
}

/** Reads up to the next quote, and up to the next unescaped quote: servers differ. */
function readQuoted(value: string): readonly string[] {
  const quote = value[0]!;
  const end = value.indexOf(quote, 1);
  const raw = value.slice(1, end < 0 ? undefined : end);
  if (!raw.includes('\\')) return [raw];
  const escaped = (quote === '"' ? /^"((?:[^"\\]|\\.)*)/s : /^'((?:[^'\\]|\\.)*)/s).exec(value)?.[1] ?? '';
  return [raw, escaped.replace(/\\(.)/gs, '$1')];
}

/** Does not match `filename=`, which names no field. The text after the equals sign is not skipped: it may contain another name. */
const PART_NAME = /(?<![a-z0-9_-])name(\*?)[ \t\r\n]*=[ \t\r\n]*/gi;

function decodeLoosely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text.replace(/%([0-9a-f]{2})/gi, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
  }
}
