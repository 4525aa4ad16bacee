/*
 * The public interface of the client: a fetch that pays, its errors, its parts, and the narrowing of tokens. Exports only.
 * Runs wherever fetch exists: Node, Workers, browsers, Deno, Bun.
 */
export { attenuate, type AttenuateOptions } from './attenuate.ts';
export { type Fetch } from './call.ts';
export { createMemoryStore, formatStoreKey, type CredentialStore } from './credential-store.ts';
export { L402_ERROR_CODES, L402Error, PaymentRefused, type L402ErrorCode, type L402ErrorFacts, type Paid } from './error.ts';
export { createL402Fetch } from './l402-fetch.ts';
export { type Narrowing } from './narrowing.ts';
export { readOffer, type Offer } from './offer.ts';
export { createCredential, type Wallet } from './payment.ts';
export { digestRequest, type PlannedRequest } from './request-digest.ts';
export { type L402FetchOptions } from './settings.ts';
export { type Network } from '#protocol/invoice.ts';
