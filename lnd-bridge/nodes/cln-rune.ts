/*
 * What a Core Lightning rune allows, read from the rune itself: 32 bytes of authentication code, then its restrictions as
 * text, each a list of alternatives. Only conditions on the method are judged; any other is assumed to hold. Pure.
 */
import { parseBase64 } from '#protocol/bytes.ts';

export interface RuneAudit {
  /** Methods allowed by this rune that could move money out or make a stronger rune. */
  readonly spending: readonly string[];
  /** Methods that the bridge needs and this rune does not allow. */
  readonly missing: readonly string[];
}

const NEEDED = ['invoice', 'listinvoices', 'waitinvoice'];
/** The same, if its payments are followed. */
const NEEDED_FOR_FEED = [...NEEDED, 'waitanyinvoice'];

/** All methods that the bridge calls. A rune cannot spend only if it lists its methods and contains no others. */
const HARMLESS: ReadonlySet<string> = new Set([...NEEDED_FOR_FEED, 'getinfo', 'listpeerchannels']);

/** Spending methods of a stock node, listed if a rune does not list its methods. */
const WAYS_OUT = [
  'pay',
  'xpay',
  'renepay',
  'sendpay',
  'sendonion',
  'keysend',
  'fetchinvoice',
  'withdraw',
  'txprepare',
  'txsend',
  'sendpsbt',
  'signpsbt',
  'fundchannel',
  'multifundchannel',
  'close',
  'splice_init',
  'createrune',
  'commando-rune',
  'recover',
  'exposesecret',
  'plugin',
  'sendinvoice',
  'multiwithdraw',
  'injectpaymentonion',
];
/** Plugins add methods of any name. */
const ANY_OTHER = 'whatever other method fits it';

const CODE_BYTES = 32;
/** A condition: a field's name, one sign, a value. */
const CONDITION = /^([A-Za-z0-9_]*)([!=/^$~<>{}#])(.*)$/s;

/** Compares a rune with what the bridge needs; `undefined` if it cannot be read. */
export function auditRune(rune: string, { hasFeed = false }: { hasFeed?: boolean } = {}): RuneAudit | undefined {
  const bytes = parseBase64(rune);
  if (bytes === undefined || bytes.length < CODE_BYTES) return undefined;
  const restrictions = splitUnescaped(new TextDecoder().decode(bytes.slice(CODE_BYTES)), '&')
    .filter((text) => text !== '')
    .map((text) => splitUnescaped(text, '|').map((alternative) => CONDITION.exec(alternative)));
  if (restrictions.some((alternatives) => alternatives.some((condition) => condition === null))) return undefined;
  const allows = (method: string): boolean =>
    restrictions.every((alternatives) => alternatives.some((condition) => mayHold(condition!, method)));
  return {
    spending: findSpending(restrictions as RegExpExecArray[][], allows),
    missing: (hasFeed ? NEEDED_FOR_FEED : NEEDED).filter((method) => !allows(method)),
  };
}

/** Finds the allowed methods beyond those that the bridge calls. All restrictions apply, so one that lists the methods suffices. */
function findSpending(restrictions: readonly (readonly RegExpExecArray[])[], allows: (method: string) => boolean): readonly string[] {
  const listing = restrictions.find((alternatives) => alternatives.every(([, field, sign]) => field === 'method' && sign === '='));
  if (listing === undefined) return [...WAYS_OUT.filter(allows), ANY_OTHER];
  return listing.map(([, , , value = '']) => unescape(value)).filter((method) => allows(method) && !HARMLESS.has(method));
}

function unescape(value: string): string {
  return value.replace(/\\(.)/gs, '$1');
}

function mayHold([, field, sign, raw = '']: RegExpExecArray, method: string): boolean {
  if (field !== 'method') return true;
  const value = unescape(raw);
  switch (sign) {
    case '!':
      return false;
    case '=':
      return method === value;
    case '/':
      return method !== value;
    case '^':
      return method.startsWith(value);
    case '$':
      return method.endsWith(value);
    case '~':
      return method.includes(value);
    case '{':
      return method < value;
    case '}':
      return method > value;
    case '<':
    case '>':
      // Compares numbers, and no method is a number.
      return false;
    default:
      return true;
  }
}

/** Splits at unescaped separators: a backslash escapes the character after it. */
function splitUnescaped(text: string, separator: string): string[] {
  const parts = [''];
  for (let index = 0; index < text.length; index++) {
    const character = text[index]!;
    if (character === separator) parts.push('');
    else if (character === '\\') parts[parts.length - 1] += character + (text[++index] ?? '');
    else parts[parts.length - 1] += character;
  }
  return parts;
}
