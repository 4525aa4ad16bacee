/*
 * Where a request carries L402 credentials: `Authorization`, the gateway's own field, and the fields of gRPC clients. The
 * fields are length-checked before anything in them is read. Pure.
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

/** As many tokens as are read from other fields. */
const MOST_METADATA = 4;
/** Space for four tokens of the largest size. */
export const LONGEST_AUTHORIZATION = 32_768;
/** Each piece between commas is read. Four tokens take four; other schemes have about a dozen parameters at most. */
const MOST_CREDENTIAL_PIECES = 64;

/** Cuts the credentials out of the fields, and returns the rest of `Authorization`. */
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
  // The gateway's own field holds nothing else, so the scheme may be omitted.
  const separate = own === '' || /^(l402|lsat)\s/i.test(own) ? splitAuthorization(own).credentials : [own];
  const texts = [...shared.credentials, ...separate];
  const metadata = texts.length > 0 ? undefined : readMetadata(fields);
  return accept({ texts, metadata, authorizationRest: shared.rest });
}

/** Whether a metadata field holds a credential in any form, even if another one was read: the origin must not see it. */
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

/** Finds a credential in a metadata field. Two lines of one field are joined by a comma. */
function findMetadata(value: string): Credential | undefined {
  if (!value.includes(',')) return parseMetadataMacaroon(value);
  for (const piece of value.split(',', MOST_METADATA)) {
    const credential = parseMetadataMacaroon(piece.trim());
    if (credential !== undefined) return credential;
  }
  return undefined;
}
