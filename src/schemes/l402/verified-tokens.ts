/*
 * Tokens that this isolate has already proved, by the text in which they were sent: a pass is presented with every call, and
 * its signature does not change. Only the proof is kept. What the token allows, its end and the grace period of its epoch are
 * judged at every request. Bounded; the oldest is dropped first. Effects: memory.
 */
import { type Credential } from '#protocol/credential-header.ts';
import { type ProvedToken } from './proved-token.ts';

export interface VerifiedTokens {
  /** The credential that was read from exactly this text. */
  readonly find: (text: string) => Credential | undefined;
  readonly tokenOf: (credential: Credential) => ProvedToken | undefined;
  /** Keeps a proof. A single call comes only once, so it is not kept. */
  readonly remember: (credential: Credential, token: ProvedToken) => void;
  /** Links a credential to its text, so that its proof can be found by the text. */
  readonly name: (credential: Credential, text: string) => void;
}

const MOST_KEPT = 2048;
/** Four times the length of a token as sold. */
const LONGEST_TEXT = 2048;

/** Creates an empty cache. */
export function createVerifiedTokens(): VerifiedTokens {
  const byText = new Map<string, Credential>();
  const tokens = new WeakMap<Credential, ProvedToken>();
  const texts = new WeakMap<Credential, string>();
  return {
    find: (text) => byText.get(text),
    tokenOf: (credential) => tokens.get(credential),
    name: (credential, text) => void texts.set(credential, text),
    remember(credential, token) {
      const text = texts.get(credential);
      if (text === undefined || text.length > LONGEST_TEXT || token.id.access === 'call') return;
      if (byText.size >= MOST_KEPT) byText.delete(byText.keys().next().value!);
      byText.set(text, credential);
      tokens.set(credential, token);
    },
  };
}
