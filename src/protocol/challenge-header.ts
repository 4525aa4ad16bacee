/*
 * `WWW-Authenticate`, both ways: the challenge that the gateway sends, and the challenge list (RFC 9110 §11.6.1) that a
 * payer gets, with everything that deployed servers do to it. Reading never throws. No effects.
 */
import { type ChallengeRefusal } from './refusal.ts';
import { accept, refuse, type Result } from './result.ts';

export interface L402Offer {
  readonly scheme: 'L402' | 'LSAT';
  readonly token: string;
  readonly invoice: string;
}

/**
 * `macaroon` and `invoice` first and in this order, right after the scheme: the only form that every known client
 * reads. `version` and `token` follow for those that read the present specification.
 */
export function formatL402Challenge({ token, invoice }: { token: string; invoice: string }): string {
  return `L402 macaroon="${token}", invoice="${invoice}", version="0", token="${token}"`;
}

export interface Challenge {
  /** As sent; compare without regard to case. */
  readonly scheme: string;
  /** Names in lower case. A name that stands twice keeps every value: which one counts is for the reader to refuse. */
  readonly parameters: ReadonlyMap<string, readonly string[]>;
}

/** The challenges of one or more header values, in order. What is no challenge is passed over. */
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
    // Otherwise it was a token68 (`Negotiate YII=`): it belongs to a scheme that is not ours.
  }
  return challenges;
}

/** Finds what can be paid for by L402: an L402 challenge if there is one, else the older LSAT. */
export function parseL402Offer(text: string): Result<L402Offer, ChallengeRefusal> {
  const challenges = parseChallenges(text);
  const named = (name: string) => challenges.find(({ scheme }) => scheme.toUpperCase() === name);
  const challenge = named('L402') ?? named('LSAT');
  if (challenge === undefined) return refuse({ code: 'challenge_missing', detail: 'there is no L402 challenge' });
  const tokens = new Set([...(challenge.parameters.get('token') ?? []), ...(challenge.parameters.get('macaroon') ?? [])]);
  const invoices = new Set(challenge.parameters.get('invoice'));
  const [token] = tokens;
  const [invoice] = invoices;
  // Two different tokens or invoices in one challenge: whichever is picked could be the wrong one to pay for.
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

/** Quoted either way, with backslash escapes, or bare (then base64 with its `=` may stand there). */
function takeValue(scanner: Scanner): string {
  const quote = scanner.text[scanner.offset];
  if (quote !== '"' && quote !== "'") return take(scanner, /[^\s,]+/y);
  const inner = take(scanner, quote === '"' ? /"(?:[^"\\]|\\.)*/sy : /'(?:[^'\\]|\\.)*/sy).slice(1);
  // The closing one, if the text was not cut short before it.
  if (scanner.text[scanner.offset] === quote) scanner.offset += 1;
  return inner.replace(/\\(.)/gs, '$1');
}
