/*
 * Where a request has L402 credentials: `Authorization`, a field of our own, and what gRPC clients use. The fields are bounded
 * before anything in them is read. Pure.
 */
import {
  looksLikeCredential,
  METADATA_FIELDS,
  parseMetadataMacaroon,
  splitAuthorization,
  type Credential,
} from '#protocol/credential-header.ts';
import { type Refusal } from '#protocol/refusal.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type WrittenCredentials } from './credentials.ts';

/** As many tokens as are read in other fields. */
const MOST_METADATA = 4;
/** Room for four tokens of the largest size. */
export const LONGEST_AUTHORIZATION = 32_768;
/** Each piece between commas is read. Four tokens have four; the schemes of others have about a dozen parameters at most. */
const MOST_CREDENTIAL_PIECES = 64;

/** Cuts the credentials out of the fields, and says what is left of `Authorization`. */
export function findCredentials(
  fields: Headers,
  authorization: string,
): Result<WrittenCredentials & { readonly authorizationRest: string }, Refusal<'header_too_large'>> {
  const own = fields.get('l402-authorization') ?? '';
  if (authorization.length + own.length > LONGEST_AUTHORIZATION) {
    return refuse({ code: 'header_too_large', detail: `credentials have at most ${LONGEST_AUTHORIZATION} characters` });
  }
  if (countCommas(authorization) + countCommas(own) > MOST_CREDENTIAL_PIECES) {
    return refuse({ code: 'header_too_large', detail: `credentials have at most ${MOST_CREDENTIAL_PIECES} commas` });
  }
  const shared = splitAuthorization(authorization);
  // The field of our own holds nothing else, so its scheme may be left out.
  const separate = own === '' || /^(l402|lsat)\s/i.test(own) ? splitAuthorization(own).credentials : [own];
  const texts = [...shared.credentials, ...separate];
  const metadata = texts.length > 0 ? undefined : readMetadata(fields);
  return accept({ texts, metadata, authorizationRest: shared.rest });
}

/** Whether a metadata field holds a credential in any style, also where another one was read: it is none of the origin's business. */
export function holdsCredential(value: string): boolean {
  return findMetadata(value) !== undefined || looksLikeCredential(value) || value.split(',').length > MOST_METADATA;
}

function countCommas(text: string): number {
  let commas = 0;
  for (let at = text.indexOf(','); at >= 0; at = text.indexOf(',', at + 1)) commas += 1;
  return commas;
}

function readMetadata(fields: Headers): Credential | undefined {
  for (const name of METADATA_FIELDS) {
    const credential = findMetadata(fields.get(name) ?? '');
    if (credential !== undefined) return credential;
  }
  return undefined;
}

/** Two lines of one field are joined by a comma. */
function findMetadata(value: string): Credential | undefined {
  if (!value.includes(',')) return parseMetadataMacaroon(value);
  for (const piece of value.split(',', MOST_METADATA)) {
    const credential = parseMetadataMacaroon(piece.trim());
    if (credential !== undefined) return credential;
  }
  return undefined;
}
