/*
 * Parses the connection strings that nodes and wallets show as QR codes: LND's `lndconnect://` and Core Lightning's
 * `clnrest…://`. Each holds a credential. Pure, never throws.
 */
import { formatBase64, formatHex, parseBase64 } from '#protocol/bytes.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type RawSettings } from './setting-types.ts';

/** LND's gRPC port: connection strings are made for wallets that use gRPC, but the bridge uses REST. */
const GRPC_PORT = '10009';

/** Reads the settings (URL, MACAROON, CERT) from `lndconnect://host:port?cert=…&macaroon=…`, or says why it cannot. */
export function readLndConnect(text: string): Result<RawSettings, string> {
  const parts = splitConnection(text, 'lndconnect:');
  if (parts === undefined) return refuse('must be like lndconnect://host:port?cert=…&macaroon=…');
  const { host, query } = parts;
  const macaroon = parseBase64(query.get('macaroon') ?? '');
  if (macaroon === undefined || macaroon.length === 0) return refuse('holds no macaroon in base64url');
  const cert = query.get('cert');
  const certificate = cert === undefined ? undefined : parseBase64(cert);
  if (cert !== undefined && certificate === undefined) return refuse('holds a certificate that is not base64url');
  return accept({
    // Omitted, so that the REST address must be given separately.
    ...(host.endsWith(`:${GRPC_PORT}`) ? {} : { URL: `https://${host}` }),
    MACAROON: formatHex(macaroon),
    ...(certificate === undefined ? {} : { CERT: formatBase64(certificate) }),
  });
}

/**
 * Reads the settings (URL, RUNE, CERT) from `clnrest+https://host:port?rune=…&certs=…`. Older strings are
 * `clnrest://host:port` or `clnrest://https://host:port`. `certs` also holds a client's key and certificate, which clnrest
 * does not ask for.
 */
export function readClnrest(text: string): Result<RawSettings, string> {
  const isPlain = /^clnrest(\+http:\/\/|:\/\/http:\/\/)/i.test(text);
  const parts = splitConnection(text.replace(/^clnrest(?:\+https?)?:\/\/(?:https?:\/\/)?/i, 'clnrest://'), 'clnrest:');
  if (parts === undefined) return refuse('must be like clnrest+https://host:port?rune=…&certs=…');
  const { host, query } = parts;
  const rune = query.get('rune');
  if (rune === undefined || rune === '') return refuse('holds no rune');
  const certs = query.get('certs') ?? query.get('caCert');
  const pem = certs === undefined ? undefined : readPem(certs);
  if (certs !== undefined && pem === undefined) return refuse('holds certificates that cannot be read');
  return accept({ URL: `${isPlain ? 'http' : 'https'}://${host}`, RUNE: rune, ...(pem === undefined ? {} : { CERT: pem }) });
}

/** Takes the last certificate, which is the authority; the client's certificate is no reason to trust a server. */
function readPem(certs: string): string | undefined {
  const bytes = parseBase64(certs.replaceAll(' ', '+'));
  const blocks = bytes && new TextDecoder().decode(bytes).match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  return blocks?.at(-1);
}

function splitConnection(text: string, scheme: string): { host: string; query: ReadonlyMap<string, string> } | undefined {
  const match = /^([a-z]+:)\/\/([A-Za-z0-9.[\]:-]+)\/?(?:\?(.*))?$/s.exec(text.trim());
  if (match === null || match[1] !== scheme) return undefined;
  const query = new Map<string, string>();
  // Not URLSearchParams, which turns the "+" of base64 into a space.
  for (const pair of (match[3] ?? '').split('&')) {
    const at = pair.indexOf('=');
    if (at > 0) query.set(pair.slice(0, at), decodeValue(pair.slice(at + 1)));
  }
  return { host: match[2]!, query };
}

function decodeValue(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A lone "%": the text is kept unchanged, and the next check refuses it.
    return text;
  }
}
