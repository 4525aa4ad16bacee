/*
 * The names of a form's fields, as any server may read them. Many origins take a parameter from the query or from a form,
 * whichever they find: one that decides the price in the query must not stand in the form too (M39). Names are looked for, values are not read.
 * Where it is not clear whether there is a name, there is one. Pure.
 */
import { foldName, MOST_PAIRS } from './query.ts';
import { type GatewayRefusal } from './refusals.ts';

/** Forms are read whole, before anything is sold. As much as a pricing service is shown at most: the same memory holds both. */
export const LARGEST_FORM_BYTES = 65_536;

/** Whether the body may be read as a form: its type says so, or is missing, or is not one plain type. */
export function isForm(headers: Headers): boolean {
  const type = headers.get('content-type') ?? '';
  return !/^[a-z0-9.+-]+\/[a-z0-9.+-]+ *(;[^,]*)?$/i.test(type) || /form/i.test(type);
}

/** What is wrong with a form that must not have these fields. */
export function findFormField(
  headers: Headers,
  { bytes, names }: { bytes: Uint8Array; names: readonly string[] },
): GatewayRefusal | undefined {
  const text = new TextDecoder().decode(bytes);
  const type = headers.get('content-type') ?? '';
  const parts = /multipart/i.test(type) ? readPartNames(text) : [];
  const pairs = /multipart/i.test(type) && !/urlencoded/i.test(type) ? [] : readPairNames(text);
  if (parts === undefined || pairs === undefined)
    return { code: 'too_many_parameters', detail: `a form has at most ${MOST_PAIRS} fields here` };
  if (parts.includes(UNREADABLE)) return { code: 'parameter_ambiguous', detail: 'a part of the form has a name in pieces' };
  const found = [...parts, ...pairs];
  const folded = new Set(found.map((name) => foldName(decodeLoosely(name))));
  const field = names.find((name) => folded.has(foldName(name)));
  if (field === undefined) return undefined;
  return { code: 'parameter_ambiguous', detail: `the parameter ${field} is read from the query, and stands in a form` };
}

const UNREADABLE = '';

function readPairNames(text: string): readonly string[] | undefined {
  // More pieces than there may be are not split.
  const pairs = text.split(/[&;]/, MOST_PAIRS + 1);
  return pairs.length > MOST_PAIRS ? undefined : pairs.map((pair) => pair.split('=', 1)[0]!.replaceAll('+', ' '));
}

/** Every `name=` of a body in parts, wherever it stands: what a file says about names is refused rather than misread. */
function readPartNames(text: string): readonly string[] | undefined {
  if (/name\*[0-9]/i.test(text)) return [UNREADABLE];
  const names: string[] = [];
  for (const [, extended = '', quoted, plain = ''] of text.matchAll(PART_NAME)) {
    if (names.length === MOST_PAIRS) return undefined;
    const name = quoted === undefined ? plain : quoted.replace(/\\(.)/g, '$1');
    names.push(extended === '' ? name : name.replace(/^[^']*'[^']*'/, ''));
  }
  return names;
}

/** Not `filename=`, which names no field. */
const PART_NAME = /(?<![a-z0-9_-])name(\*?)[ \t\r\n]*=[ \t\r\n]*(?:"((?:[^"\\]|\\.)*)"|([^\s;]*))/gi;

function decodeLoosely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text.replace(/%([0-9a-f]{2})/gi, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
  }
}
