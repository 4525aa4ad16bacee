/*
 * `WWW-Authenticate`, written and read: the challenge that the gateway sends, and the challenge list (RFC 9110 §11.6.1) that
 * a payer receives, in every variant that deployed servers send. Reading never throws. Pure.
 */
import { type ChallengeRefusal } from './refusal.ts';
import { accept, refuse, type Result } from './result.ts';

export interface L402Offer {
  readonly scheme: 'L402' | 'LSAT';
  readonly token: string;
  readonly invoice: string;
}

/**
 * Formats an L402 challenge. `macaroon` and `invoice` come first, in this order, right after the scheme: the only form that
 * every known client reads. `version` and `token` follow for clients of the current specification.
 */
export function formatL402Challenge({ token, invoice }: { token: string; invoice: string }): string {
  return `L402 macaroon="${token}", invoice="${invoice}", version="0", token="${token}"`;
}

export interface Challenge {
  /** As sent; compare case-insensitively. */
  readonly scheme: string;
  /** Names in lower case. A repeated name keeps every value; the reader must refuse ambiguity. */
  readonly parameters: ReadonlyMap<string, readonly string[]>;
}

/** Parses the challenges of one or more header values, in order. Anything else is skipped. */
export function parseChallenges(text: string): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string[]> }[] = [];
  const scanner = { text, offset: 0 };
  while (skip(scanner, /[\s,]*/y) && scanner.offset < text.length) {
    const word = take(scanner, /[^\s,="']+/y);
    const isParameter = challenges.length > 0 && take(scanner, /\s*=\s*(?=[^\s,=])/y) !== '';
    if (isParameter) {
      const values = challenges.at(-1)!.parameters;
      const name = word.toLowerCase();
      const value = takeValue(scanner);
      const earlier = values.get(name);
      if (earlier === undefined) values.set(name, [value]);
      else earlier.push(value);
    } else if (word === '') {
      scanner.offset += 1;
    } else if (take(scanner, /=+/y) === '') {
      challenges.push({ scheme: word, parameters: new Map() });
    }
    // Otherwise it was a token68 (`Negotiate YII=`), which belongs to another scheme.
  }
  return challenges;
}

/** Finds a payable offer: an L402 challenge if there is one, else the older LSAT. */
export function parseL402Offer(text: string): Result<L402Offer, ChallengeRefusal> {
  const challenges = parseChallenges(text);
  const named = (name: string) => challenges.find(({ scheme }) => scheme.toUpperCase() === name);
  const challenge = named('L402') ?? named('LSAT');
  if (challenge === undefined) return refuse({ code: 'challenge_missing', detail: 'there is no L402 challenge' });
  const tokens = new Set([...(challenge.parameters.get('token') ?? []), ...(challenge.parameters.get('macaroon') ?? [])]);
  const invoices = new Set(challenge.parameters.get('invoice'));
  const [token] = tokens;
  const [invoice] = invoices;
  // Two different tokens or invoices in one challenge: either could be the wrong one to pay for.
  if (tokens.size !== 1 || invoices.size !== 1 || !token || !invoice) {
    return refuse({ code: 'challenge_malformed', detail: 'the challenge has not exactly one token and one invoice' });
  }
  return accept({ scheme: challenge.scheme.toUpperCase() === 'LSAT' ? 'LSAT' : 'L402', token, invoice });
}

interface Scanner {
  readonly text: string;
  offset: number;
}

function take(scanner: Scanner, pattern: RegExp): string {
  pattern.lastIndex = scanner.offset;
  const taken = pattern.exec(scanner.text)?.[0] ?? '';
  scanner.offset += taken.length;
  return taken;
}

function skip(scanner: Scanner, pattern: RegExp): true {
  take(scanner, pattern);
  return true;
}

/** Takes a value: in single or double quotes with backslash escapes, or bare (possibly base64 with its `=`). */
function takeValue(scanner: Scanner): string {
  const quote = scanner.text[scanner.offset];
  if (quote !== '"' && quote !== "'") return take(scanner, /[^\s,]+/y);
  const inner = take(scanner, quote === '"' ? /"(?:[^"\\]|\\.)*/sy : /'(?:[^'\\]|\\.)*/sy).slice(1);
  // Skips the closing quote, unless the text was cut short.
  if (scanner.text[scanner.offset] === quote) scanner.offset += 1;
  return inner.replace(/\\(.)/gs, '$1');
}
