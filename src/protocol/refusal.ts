/*
 * Every reason for which this layer refuses something, by its stable code. The codes are part of the public interface: they
 * appear in problem bodies, in logs and in the client's errors. A detail contains fixed words and numbers only, never input,
 * which could be a secret. Pure data.
 */

/** Reasons to refuse a credential or its token. */
export const CREDENTIAL_REFUSALS = [
  'too_many_tokens',
  'preimage_missing',
  'preimage_malformed',
  'preimage_wrong',
  'token_too_large',
  'token_malformed',
  'token_version_unsupported',
  'token_third_party_caveat',
  'token_too_many_caveats',
  'identifier_malformed',
  'token_layout_unknown',
  'token_key_unknown',
  'token_epoch_out_of_range',
  'signature_wrong',
  'minter_caveats_missing',
  'terms_missing',
  'caveat_malformed',
  'caveat_widens',
  'service_wrong',
  'tier_too_low',
  'capability_missing',
  'token_expired',
  'preimage_caveat_wrong',
  'token_not_yet_valid',
  'caveat_method',
  'caveat_host',
  'caveat_path',
  'caveat_client',
  'request_digest_wrong',
  'counters_too_many',
  'caveat_exhausted',
] as const;

/** Reasons to refuse an invoice, for the gateway that ordered it or for the payer. */
export const INVOICE_REFUSALS = [
  'invoice_malformed',
  'invoice_amount_missing',
  'invoice_amount_sub_msat',
  'invoice_amount_too_large',
  'invoice_amount_wrong',
  'invoice_network_wrong',
  'invoice_expired',
  'invoice_expiry_wrong',
  'invoice_hash_wrong',
  'invoice_description_wrong',
] as const;

/** Reasons why a payer cannot use what a server sent with a 402. */
export const CHALLENGE_REFUSALS = ['challenge_missing', 'challenge_malformed'] as const;

export type CredentialRefusalCode = (typeof CREDENTIAL_REFUSALS)[number];
export type InvoiceRefusalCode = (typeof INVOICE_REFUSALS)[number];
export type ChallengeRefusalCode = (typeof CHALLENGE_REFUSALS)[number];

export interface Refusal<Code extends string> {
  readonly code: Code;
  readonly detail: string;
}

export type CredentialRefusal = Refusal<CredentialRefusalCode>;
export type InvoiceRefusal = Refusal<InvoiceRefusalCode>;
export type ChallengeRefusal = Refusal<ChallengeRefusalCode>;
