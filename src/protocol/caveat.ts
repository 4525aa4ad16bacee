/*
 * Caveats: `condition=value`, and the registry of the kinds that this gateway enforces. A kind is a record of two
 * functions: does the caveat let this request through, and does it only narrow the one before it. A kind that is not
 * in the registry is skipped, as every L402 verifier does; a kind that is, and does not parse, refuses. No effects.
 */
import { decodeLatin1, equalBytes, parseHex } from './bytes.ts';
import { parseMsat } from './msat.ts';
import { type CredentialRefusal, type CredentialRefusalCode } from './refusal.ts';
import { parseServices } from './services.ts';

/** Who wrote a caveat: the gateway that sold the token, or someone who held it. Only the first can set terms (M1). */
export type CaveatAuthor = 'minter' | 'holder';

export interface Caveat {
  readonly condition: string;
  readonly value: string;
  readonly author: CaveatAuthor;
}

/** What a caveat is judged against. */
export interface CaveatFacts {
  readonly service: string;
  readonly tier: number;
  readonly capabilities: readonly string[];
  readonly nowSeconds: number;
  readonly skewSeconds: number;
  readonly preimage: Uint8Array;
}

export interface CaveatKind {
  /** Why the caveat does not let the request through; nothing if it does. */
  readonly satisfied: (value: string, facts: CaveatFacts) => CredentialRefusal | undefined;
  /** Whether this value allows nothing that the one before it did not. */
  readonly narrows: (previous: string, current: string) => boolean;
}

/** Kinds with one name for all services. */
const KINDS: Readonly<Record<string, CaveatKind>> = {
  services: {
    satisfied(value, { service, tier }) {
      const services = parseServices(value);
      if (services === undefined) return no('caveat_malformed', 'a services caveat does not parse');
      const sold = services.get(service);
      if (sold === undefined) return no('service_wrong', 'the token was sold for another service');
      return sold < tier ? no('tier_too_low', 'the token was sold for a lower tier') : undefined;
    },
    narrows(previous, current) {
      const before = parseServices(previous);
      const now = parseServices(current);
      if (before === undefined || now === undefined) return false;
      return [...now].every(([name, tier]) => tier <= (before.get(name) ?? -1));
    },
  },
  paid_msat: {
    satisfied: (value) => (parseMsat(value) === undefined ? no('caveat_malformed', 'a paid_msat caveat does not parse') : undefined),
    narrows(previous, current) {
      const before = parseMsat(previous);
      const now = parseMsat(current);
      return before !== undefined && now !== undefined && now <= before;
    },
  },
  quote: {
    satisfied: (value) => (parseQuoteDigest(value) === undefined ? no('caveat_malformed', 'a quote caveat does not parse') : undefined),
    narrows: (previous, current) => previous === current,
  },
  // lnget and the Go clients append this one to what they send: it must be the preimage shown.
  preimage: {
    satisfied(value, { preimage }) {
      const named = parseHex(value);
      if (named?.length !== 32) return no('caveat_malformed', 'a preimage caveat does not parse');
      return equalBytes(named, preimage) ? undefined : no('preimage_caveat_wrong', 'a preimage caveat names another preimage');
    },
    narrows: (previous, current) => previous.toLowerCase() === current.toLowerCase(),
  },
};

/** Kinds whose name starts with the service: `<service>_valid_until`. Those of other services are unknown here. */
const SERVICE_KINDS: Readonly<Record<string, CaveatKind>> = {
  valid_until: {
    satisfied(value, { nowSeconds, skewSeconds }) {
      const end = parseSeconds(value);
      if (end === undefined) return no('caveat_malformed', 'a valid_until caveat does not parse');
      return nowSeconds < end + skewSeconds ? undefined : no('token_expired', 'the token has expired');
    },
    narrows(previous, current) {
      const before = parseSeconds(previous);
      const now = parseSeconds(current);
      return before !== undefined && now !== undefined && now <= before;
    },
  },
  capabilities: {
    satisfied(value, { capabilities }) {
      const sold = value.split(',');
      return capabilities.every((needed) => sold.includes(needed))
        ? undefined
        : no('capability_missing', 'the token was sold without a capability that is needed here');
    },
    narrows(previous, current) {
      const before = previous.split(',');
      return current === '' || current.split(',').every((capability) => before.includes(capability));
    },
  },
};

/** The kind that enforces a condition for a service; nothing for one that is skipped. */
export function caveatKind(condition: string, service: string): CaveatKind | undefined {
  if (Object.hasOwn(KINDS, condition)) return KINDS[condition];
  const prefix = `${service}_`;
  const suffix = condition.slice(prefix.length);
  return condition.startsWith(prefix) && Object.hasOwn(SERVICE_KINDS, suffix) ? SERVICE_KINDS[suffix] : undefined;
}

/** Splits at the first `=`; text without one is a caveat of no known kind. Nothing is trimmed. */
export function decodeCaveat(bytes: Uint8Array, author: CaveatAuthor): Caveat {
  const text = decodeLatin1(bytes);
  const border = text.indexOf('=');
  return border < 0 ? { condition: text, value: '', author } : { condition: text.slice(0, border), value: text.slice(border + 1), author };
}

/** Every caveat is satisfied, and each only narrows the one of its kind before it. */
export function judgeCaveats(caveats: readonly Caveat[], facts: CaveatFacts): CredentialRefusal | undefined {
  const previous = new Map<string, string>();
  for (const { condition, value } of caveats) {
    const kind = caveatKind(condition, facts.service);
    if (kind === undefined) continue;
    const refusal = kind.satisfied(value, facts);
    if (refusal !== undefined) return refusal;
    const before = previous.get(condition);
    if (before !== undefined && !kind.narrows(before, value)) {
      return no('caveat_widens', 'a later caveat allows more than an earlier one');
    }
    previous.set(condition, value);
  }
  return undefined;
}

/** The texts of a services caveat and the like, as the minter writes them. */
export function formatCaveat(condition: string, value: string): string {
  return `${condition}=${value}`;
}

/** The digest of a quote's inputs: 32 hex digits in lower case. */
export function parseQuoteDigest(text: string): string | undefined {
  return /^[0-9a-f]{32}$/.test(text) ? text : undefined;
}

/** Unix seconds in decimal, without sign or leading zero. */
export function parseSeconds(text: string): number | undefined {
  return /^(0|[1-9][0-9]{0,11})$/.test(text) ? Number(text) : undefined;
}

function no(code: CredentialRefusalCode, detail: string): CredentialRefusal {
  return { code, detail };
}
