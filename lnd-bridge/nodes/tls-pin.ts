/*
 * Checks a node's TLS certificate against the operator's pin. Nodes sign their own certificates, so no public authority can
 * vouch for them: the pin is the certificate itself (its SHA-256), or the node's own authority that issued it (Core Lightning
 * has one). The host name is not checked then: the holder of that key is the node. Pure.
 */
import { X509Certificate } from 'node:crypto';
import { equalBytes, parseHex } from '#protocol/bytes.ts';

/** What is trusted: fingerprints of certificates, and authorities. */
export interface TlsPin {
  readonly sha256: readonly Uint8Array[];
  readonly authorities: readonly X509Certificate[];
}

const PEM_BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Reads a pin from the SHA-256 of the certificate, as printed by `openssl x509 -fingerprint -sha256` or in plain hex. */
export function readFingerprint(text: string): TlsPin | undefined {
  const bytes = parseHex(text.replace(/^sha256 fingerprint=/i, '').replaceAll(':', ''));
  return bytes?.length === 32 ? { sha256: [bytes], authorities: [] } : undefined;
}

/** Reads a pin from a certificate file: PEM (one or several) or DER. */
export function readCertificates(file: Uint8Array | string): TlsPin | undefined {
  const blocks = typeof file === 'string' ? file.match(PEM_BLOCK) : [file];
  try {
    const certificates = (blocks ?? []).map((block) => new X509Certificate(block));
    if (certificates.length === 0) return undefined;
    return { sha256: certificates.map(hashCertificate), authorities: certificates.filter(({ ca }) => ca) };
  } catch {
    // OpenSSL throws its own errors; here it is simply not a certificate.
    return undefined;
  }
}

/** Whether the pin trusts the certificate that the node presents. */
export function isPinned(certificate: X509Certificate, pin: TlsPin): boolean {
  const hash = hashCertificate(certificate);
  if (pin.sha256.some((known) => equalBytes(known, hash))) return true;
  return pin.authorities.some((authority) => certificate.checkIssued(authority) && certificate.verify(authority.publicKey));
}

function hashCertificate(certificate: X509Certificate): Uint8Array {
  return parseHex(certificate.fingerprint256.replaceAll(':', ''))!;
}
