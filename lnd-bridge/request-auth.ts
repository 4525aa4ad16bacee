/*
 * Signed requests and answers between gateway and bridge (M28): HMAC-SHA256 over a canonical text that names version,
 * direction and key first. An answer's signature covers the nonce of its request, so a recorded answer fits no other request.
 * Runs in Node and in a Worker. Pure: time and nonces are passed in; admission.ts remembers nonces against replays.
 */
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { concatBytes, encodeAscii, equalBytes, formatHex, parseHex } from '#protocol/bytes.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';

/** A shared secret of at least 32 bytes, and the id by which a request names it. */
export interface BridgeKey {
  readonly id: string;
  readonly secret: Uint8Array;
}

/** Who sends first: the gateway a request, the bridge a push. A signature of one is never valid for the other. */
export type Direction = 'request' | 'push';

/** The signed parts of a request. Path and query exactly as sent; no body is the empty string. */
export interface SentRequest {
  /** `undefined`: a request of the gateway. */
  readonly direction?: Direction;
  readonly method: string;
  readonly pathAndQuery: string;
  readonly body: string;
}

/** Reads a header by its lower-case name. */
export type HeaderReader = (name: string) => string | null | undefined;

export interface RequestAuthRefusal {
  readonly code: 'unsigned' | 'key_unknown' | 'stale' | 'signature_wrong';
  readonly detail: string;
}

export interface AnswerToSign {
  /** The direction of the request. */
  readonly direction?: Direction;
  readonly status: number;
  readonly body: string;
  /** The nonce of the answered request. */
  readonly nonceHex: string;
}

const VERSION = 'l402-bridge v1';
const KEY_HEADER = 'x-l402-bridge-key';
const TIME_HEADER = 'x-l402-bridge-time';
const NONCE_HEADER = 'x-l402-bridge-nonce';
const SIGNATURE_HEADER = 'x-l402-bridge-signature';
const SHORTEST_SECRET = 32;

/** Returns the headers that sign a request with this key. Use each nonce once: 16 random bytes. */
export function signRequest(
  request: SentRequest,
  { key, nowSeconds, nonceHex }: { key: BridgeKey; nowSeconds: number; nonceHex: string },
): Record<string, string> {
  if (!isNonce(nonceHex)) throw new RangeError('nonceHex: 32 lower-case hex digits');
  if (!isWireText(request.pathAndQuery)) throw new RangeError('pathAndQuery: printable ASCII without spaces');
  const time = String(nowSeconds);
  return {
    [KEY_HEADER]: key.id,
    [TIME_HEADER]: time,
    [NONCE_HEADER]: nonceHex,
    [SIGNATURE_HEADER]: formatHex(sign(key, requestLines(request, { time, nonceHex }))),
  };
}

/** Identifies the key of a request. Two keys may be valid at once, so that keys can be changed without a gap. */
export function checkRequest(
  request: SentRequest & { readonly header: HeaderReader },
  { keys, nowSeconds, maxSkewSeconds }: { keys: readonly BridgeKey[]; nowSeconds: number; maxSkewSeconds: number },
): Result<{ keyId: string; nonceHex: string }, RequestAuthRefusal> {
  const keyId = request.header(KEY_HEADER);
  const time = request.header(TIME_HEADER);
  const nonceHex = request.header(NONCE_HEADER);
  const signature = readSignature(request.header);
  if (!keyId || !time || !/^[0-9]{1,12}$/.test(time) || !nonceHex || !isNonce(nonceHex) || signature === undefined) {
    return no('unsigned', 'a signature header is missing or malformed');
  }
  const key = keys.find(({ id }) => id === keyId);
  if (key === undefined) return no('key_unknown', 'the key that the request names is not known here');
  if (Math.abs(nowSeconds - Number(time)) > maxSkewSeconds) {
    return no('stale', `the request was signed more than ${maxSkewSeconds} seconds before or after now`);
  }
  // Only printable text can have been signed; other text must not reach a function that throws on it.
  const readable = isWireText(request.method) && isWireText(request.pathAndQuery);
  if (!readable || !equalBytes(sign(key, requestLines(request, { time, nonceHex })), signature)) {
    return no('signature_wrong', 'the signature does not belong to this request');
  }
  return accept({ keyId, nonceHex });
}

/** Returns the header that ties an answer to the request with this nonce. */
export function signAnswer(answer: AnswerToSign, key: BridgeKey): Record<string, string> {
  return { [SIGNATURE_HEADER]: formatHex(sign(key, answerLines(answer))) };
}

/** Whether the bridge gave this answer to the request with this nonce. */
export function checkAnswer({ header, ...answer }: AnswerToSign & { readonly header: HeaderReader }, key: BridgeKey): boolean {
  const signature = readSignature(header);
  return signature !== undefined && equalBytes(sign(key, answerLines(answer)), signature);
}

function requestLines(
  { direction = 'request', method, pathAndQuery, body }: SentRequest,
  { time, nonceHex }: { time: string; nonceHex: string },
): string[] {
  return [direction, method, pathAndQuery, hashHex(body), time, nonceHex];
}

function answerLines({ direction, status, body, nonceHex }: AnswerToSign): string[] {
  return [direction === 'push' ? 'push answer' : 'answer', nonceHex, String(status), hashHex(body)];
}

/** Signs lines of text. No line can contain a line break (encodeAscii refuses it), so no two requests share a text. */
function sign(key: BridgeKey, [direction, ...rest]: readonly string[]): Uint8Array {
  if (key.secret.length < SHORTEST_SECRET) throw new RangeError(`key: a secret of at least ${SHORTEST_SECRET} bytes`);
  const lines = [VERSION, direction ?? '', key.id, ...rest].flatMap((line) => [encodeAscii(line), Uint8Array.of(0x0a)]);
  return hmac(sha256, key.secret, concatBytes(...lines));
}

function hashHex(body: string): string {
  return formatHex(sha256(utf8ToBytes(body)));
}

function readSignature(header: HeaderReader): Uint8Array | undefined {
  const text = header(SIGNATURE_HEADER);
  return text && /^[0-9a-f]{64}$/.test(text) ? parseHex(text) : undefined;
}

function isNonce(text: string): boolean {
  return /^[0-9a-f]{32}$/.test(text);
}

function isWireText(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}

function no(code: RequestAuthRefusal['code'], detail: string): Result<never, RequestAuthRefusal> {
  return refuse({ code, detail });
}
