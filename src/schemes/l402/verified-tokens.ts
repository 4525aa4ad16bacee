/*
 * Tokens that this isolate has proved already, by the text they were sent as: a pass is shown with every call, and its
 * signature does not change. Only the proof is kept. What a token allows now, when it ends and whether its epoch is still
 * in grace is judged at every request anew. Bounded; the oldest goes first. Effects: memory.
 */
import { type Credential } from '#protocol/credential-header.ts';
import { type ProvedToken } from './proved-token.ts';

export interface VerifiedTokens {
  /** The credential that was read from exactly this text. */
  readonly find: (text: string) => Credential | undefined;
  readonly tokenOf: (credential: Credential) => ProvedToken | undefined;
  /** Keeps a proof. A single call is not worth a place: it comes once. */
  readonly remember: (credential: Credential, token: ProvedToken) => void;
  /** Says which text a credential was read from, so that its proof can be found by it. */
  readonly name: (credential: Credential, text: string) => void;
}

const MOST_KEPT = 2048;
/** Four times the length of a token as it is sold. */
const LONGEST_TEXT = 2048;

/** An empty memory. */
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
