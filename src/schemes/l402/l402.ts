/*
 * L402 as a payment scheme: a macaroon, and the preimage of the invoice that it was sold for. Effects: memory, randomness,
 * the given HMAC.
 */
import { formatHex, parseHex } from '#protocol/bytes.ts';
import { formatL402Challenge } from '#protocol/challenge-header.ts';
import { type Credential } from '#protocol/credential-header.ts';
import { decodeIdentifier } from '#protocol/identifier.ts';
import { parseToken } from '#protocol/macaroon-codec.ts';
import { accept } from '#protocol/result.ts';
import { decodeTokenId, formatClaimObjectName } from '#protocol/token-id.ts';
import { type Hmac, type KeyRing, type Random } from '../../ports.ts';
import { type NamedToken, type PaymentScheme, type PresentedCredential, type ProvedPayment, type Revocable } from '../scheme.ts';
import { findPaymentHashes, proveCredential, readCredentials, type ReadCredentials, type TokenReader } from './credentials.ts';
import { openIssuer } from './issue.ts';
import { judgeStanding, judgeToken } from './judge.ts';
import { findCredentials, holdsCredential } from './present.ts';
import { type ProvedToken } from './proved-token.ts';
import { readToken } from './token-reading.ts';
import { createVerifiedTokens } from './verified-tokens.ts';

export interface L402Options {
  readonly keys: KeyRing;
  readonly hmac: Hmac;
  readonly random: Random;
}

/** Creates the L402 scheme with these keys. */
export function createL402Scheme(options: L402Options): PaymentScheme {
  const reader: TokenReader = { ...options, verified: createVerifiedTokens() };
  return {
    name: 'L402',
    present(fields, authorization) {
      const written = findCredentials(fields, authorization);
      if (!written.ok) return written;
      let read: ReadCredentials | undefined;
      const readOnce = () => (read ??= readCredentials(written.value, reader));
      return accept({
        authorizationRest: written.value.authorizationRest,
        credentials() {
          const { credentials } = readOnce();
          return credentials.ok ? accept(credentials.value.map((credential) => presented(credential, reader))) : credentials;
        },
        paymentHashes: () => findPaymentHashes(readOnce()),
      });
    },
    holdsCredential,
    formatChallenge: formatL402Challenge,
    issuer: () => openIssuer(options),
    findRevocable,
  };
}

function presented(credential: Credential, reader: TokenReader): PresentedCredential {
  return {
    async prove() {
      const token = await proveCredential(credential, reader);
      return token.ok ? accept(new L402Payment(token.value, reader)) : token;
    },
  };
}

/** A payment, by the token that was sold for it. */
class L402Payment implements ProvedPayment {
  readonly paymentHash: Uint8Array;
  readonly #token: ProvedToken;
  readonly #reader: TokenReader;

  constructor(token: ProvedToken, reader: TokenReader) {
    this.paymentHash = token.paymentHash;
    this.#token = token;
    this.#reader = reader;
  }

  get access() {
    return this.#token.id.access;
  }

  get revocable() {
    const { identifier, id } = this.#token;
    return { identifier, keyId: id.keyId, epochStartHours: id.epoch.startHours };
  }

  get isProof() {
    return !this.#token.caveats.some(({ author, condition }) => author === 'minter' && condition === 'settlement');
  }

  readonly needsDigest: ProvedPayment['needsDigest'] = (service) => readToken(this.#token, service).needsDigest;
  readonly judgeStanding: ProvedPayment['judgeStanding'] = (sold, context) => judgeStanding(this.#token, sold, context);
  readonly judge: ProvedPayment['judge'] = (quote, context) => judgeToken(this.#token, quote, context);

  readonly checkKey: ProvedPayment['checkKey'] = async () => {
    const { keyId, epoch } = this.#token.id;
    const key = await this.#reader.keys.epochKeys(keyId, epoch);
    return key.ok ? undefined : key.refusal;
  };
}

/** Finds a token by its text, or by the 66 bytes of its identifier in hex. */
function findRevocable({ token, identifier: text }: NamedToken): Revocable | undefined {
  const parsed = typeof token === 'string' ? parseToken(token) : undefined;
  const bytes = parsed?.ok === true ? parsed.value.identifier : parseHex(typeof text === 'string' ? text : '');
  const identifier = bytes === undefined ? undefined : decodeIdentifier(bytes);
  const id = identifier?.ok === true ? decodeTokenId(identifier.value.tokenId) : undefined;
  if (bytes === undefined || identifier?.ok !== true || id?.ok !== true) return undefined;
  const { paymentHash } = identifier.value;
  const { epoch } = id.value;
  return {
    paymentHash,
    claimObjectName: formatClaimObjectName(id.value, paymentHash),
    identifierHex: formatHex(bytes),
    lastHours: epoch.startHours + epoch.lengthHours,
  };
}
