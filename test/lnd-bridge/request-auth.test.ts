import { createHash, createHmac } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkAnswer, checkRequest, signAnswer, signRequest, type AnswerToSign, type SentRequest } from '#lnd-bridge/request-auth.ts';
import { KEY, PREVIOUS_KEY, START_SECONDS } from './bridge-harness.ts';

const NONCE = '0123456789abcdef0123456789abcdef';
const OTHER_NONCE = 'fedcba9876543210fedcba9876543210';
const REQUEST: SentRequest = { method: 'POST', pathAndQuery: '/v1/invoices?a=1', body: '{"amountMsat":"1"}' };
const POLICY = { keys: [KEY, PREVIOUS_KEY], nowSeconds: START_SECONDS, maxSkewSeconds: 60 };

function sign(changes: { nowSeconds?: number; key?: typeof KEY } = {}): Record<string, string> {
  return signRequest(REQUEST, { key: KEY, nowSeconds: START_SECONDS, nonceHex: NONCE, ...changes });
}

function check(headers: Record<string, string>, changes: Partial<SentRequest> = {}, policy: Partial<typeof POLICY> = {}): string {
  const checked = checkRequest({ ...REQUEST, ...changes, header: (name) => headers[name] }, { ...POLICY, ...policy });
  return checked.ok ? `ok ${checked.value.keyId} ${checked.value.nonceHex}` : checked.refusal.code;
}

describe('a signed request', () => {
  test('M28 is accepted with its key and its nonce', () => {
    expect(check(sign())).toBe(`ok k1 ${NONCE}`);
  });

  test('M28 is signed over version, direction, key, method, path with query, body hash, time and nonce', () => {
    const bodyHash = createHash('sha256').update(REQUEST.body).digest('hex');
    const text = `l402-bridge v1\nrequest\nk1\nPOST\n/v1/invoices?a=1\n${bodyHash}\n${START_SECONDS}\n${NONCE}\n`;
    expect(sign()['x-l402-bridge-signature']).toBe(createHmac('sha256', KEY.secret).update(text).digest('hex'));
  });

  test('M28 is refused when method, path, query or body was altered', () => {
    expect(check(sign(), { method: 'GET' })).toBe('signature_wrong');
    expect(check(sign(), { pathAndQuery: '/v1/invoice?a=1' })).toBe('signature_wrong');
    expect(check(sign(), { pathAndQuery: '/v1/invoices?a=2' })).toBe('signature_wrong');
    expect(check(sign(), { pathAndQuery: '/v1/invoices' })).toBe('signature_wrong');
    expect(check(sign(), { body: '{"amountMsat":"2"}' })).toBe('signature_wrong');
  });

  test('M28 is refused when time, nonce, key id or signature was altered', () => {
    expect(check({ ...sign(), 'x-l402-bridge-time': String(START_SECONDS + 1) })).toBe('signature_wrong');
    expect(check({ ...sign(), 'x-l402-bridge-nonce': OTHER_NONCE })).toBe('signature_wrong');
    expect(check({ ...sign(), 'x-l402-bridge-key': 'k0' })).toBe('signature_wrong');
    expect(check({ ...sign(), 'x-l402-bridge-signature': 'ab'.repeat(32) })).toBe('signature_wrong');
  });

  test('M28 is refused without any of its headers, or with one that is malformed', () => {
    for (const name of Object.keys(sign())) {
      const { [name]: _, ...rest } = sign();
      expect(check(rest)).toBe('unsigned');
      expect(check({ ...sign(), [name]: '' })).toBe('unsigned');
    }
    expect(check({ ...sign(), 'x-l402-bridge-nonce': NONCE.toUpperCase() })).toBe('unsigned');
    expect(check({ ...sign(), 'x-l402-bridge-time': '1e9' })).toBe('unsigned');
    expect(check({ ...sign(), 'x-l402-bridge-signature': 'ab' })).toBe('unsigned');
  });

  test('M28 is stale a second after the window and a second before it', () => {
    expect(check(sign({ nowSeconds: START_SECONDS - 60 }))).toBe(`ok k1 ${NONCE}`);
    expect(check(sign({ nowSeconds: START_SECONDS + 60 }))).toBe(`ok k1 ${NONCE}`);
    expect(check(sign({ nowSeconds: START_SECONDS - 61 }))).toBe('stale');
    expect(check(sign({ nowSeconds: START_SECONDS + 61 }))).toBe('stale');
  });

  test('is accepted with the current and with the previous key, and with no other', () => {
    expect(check(sign({ key: PREVIOUS_KEY }))).toBe(`ok k0 ${NONCE}`);
    expect(check(sign({ key: PREVIOUS_KEY }), {}, { keys: [KEY] })).toBe('key_unknown');
    expect(check(sign({ key: { id: 'k1', secret: PREVIOUS_KEY.secret } }))).toBe('signature_wrong');
  });

  test('cannot be signed with a short secret, a malformed nonce or a path that holds a line break', () => {
    expect(() => sign({ key: { id: 'k1', secret: new Uint8Array(31) } })).toThrow(RangeError);
    expect(() => signRequest(REQUEST, { key: KEY, nowSeconds: START_SECONDS, nonceHex: 'ab' })).toThrow(RangeError);
    const split = { ...REQUEST, pathAndQuery: '/v1\n/x' };
    expect(() => signRequest(split, { key: KEY, nowSeconds: START_SECONDS, nonceHex: NONCE })).toThrow(RangeError);
  });

  test('is judged without ever throwing, whatever was sent', () => {
    const anything = fc.record({ method: fc.string(), pathAndQuery: fc.string({ unit: 'binary' }), body: fc.string({ unit: 'binary' }) });
    fc.assert(
      fc.property(anything, fc.dictionary(fc.constantFrom(...Object.keys(sign())), fc.string()), (request, headers) => {
        expect(check({ ...sign(), ...headers }, request)).not.toContain('ok');
      }),
    );
  });
});

describe('a signed answer', () => {
  const ANSWER = { status: 200, body: '{"invoice":"x"}', nonceHex: NONCE };
  const headers = signAnswer(ANSWER, KEY);

  function isGood(changes: Partial<AnswerToSign> = {}, key = KEY): boolean {
    return checkAnswer({ ...ANSWER, ...changes, header: (name) => headers[name] }, key);
  }

  test('M28 is accepted for the request whose nonce it names', () => {
    expect(isGood()).toBe(true);
  });

  test('M28 is signed over version, direction, key, nonce of the request, status and body hash', () => {
    const bodyHash = createHash('sha256').update(ANSWER.body).digest('hex');
    const text = `l402-bridge v1\nanswer\nk1\n${NONCE}\n200\n${bodyHash}\n`;
    expect(headers['x-l402-bridge-signature']).toBe(createHmac('sha256', KEY.secret).update(text).digest('hex'));
  });

  test('M28 a recorded answer does not fit another request', () => {
    expect(isGood({ nonceHex: OTHER_NONCE })).toBe(false);
  });

  test('M28 is refused when status, body or key is another', () => {
    expect(isGood({ status: 201 })).toBe(false);
    expect(isGood({ body: '{"invoice":"y"}' })).toBe(false);
    expect(isGood({}, PREVIOUS_KEY)).toBe(false);
    expect(isGood({}, { id: 'k2', secret: KEY.secret })).toBe(false);
  });

  test('M28 a request signature is no answer signature, and the other way round', () => {
    const request = sign();
    expect(checkAnswer({ ...ANSWER, header: (name) => request[name] }, KEY)).toBe(false);
    expect(check({ ...request, ...headers })).toBe('signature_wrong');
  });

  test('M28 a push of the bridge and its answer are signed as such: neither is taken for a request or an answer of the gateway', () => {
    const pushed = signRequest({ ...REQUEST, direction: 'push' }, { key: KEY, nowSeconds: START_SECONDS, nonceHex: NONCE });
    expect([check(pushed), check(pushed, { direction: 'push' })]).toEqual(['signature_wrong', `ok k1 ${NONCE}`]);
    expect(check(sign(), { direction: 'push' })).toBe('signature_wrong');
    const answered = signAnswer({ ...ANSWER, direction: 'push' }, KEY);
    const isTaken = (direction: 'request' | 'push') => checkAnswer({ ...ANSWER, direction, header: (name) => answered[name] }, KEY);
    expect([isTaken('request'), isTaken('push'), isGood({ direction: 'push' })]).toEqual([false, true, false]);
  });

  test('M28 without a signature is refused', () => {
    expect(checkAnswer({ ...ANSWER, header: () => null }, KEY)).toBe(false);
  });
});
