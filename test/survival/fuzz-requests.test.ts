/*
 * What reads whole requests and what is told about them, against inputs that are nearly right: it never throws, and of what
 * it takes something is true that can be said without it.
 */
import { isIP } from 'node:net';
import { afterAll, describe, it } from 'vitest';
// Before everything that is covered.
import { tellCoverage } from './coverage.ts';
import { readClientFacts } from '#gateway/request/client-key.ts';
import { readRequestFacts } from '#gateway/request/request-facts.ts';
import { readClnrest, readLndConnect } from '#lnd-bridge/connection-strings.ts';
import { MintAnswer, SettlementPush } from '#lnd-bridge/contract.ts';
import { checkRequest, signRequest } from '#lnd-bridge/request-auth.ts';
import { feed, FUZZ_TIMEOUT_MS, hold, INPUTS } from './feed.ts';
import { mutateText } from './mutations.ts';
import { type Chance } from './seed.ts';

const timeout = FUZZ_TIMEOUT_MS;

afterAll(() =>
  tellCoverage([
    ...['client-key', 'request-facts'].map((name) => `/src/gateway/${name}.ts`),
    ...['connection-strings', 'request-auth'].map((name) => `/lnd-bridge/${name}.ts`),
  ]),
);

/** A request as workerd would hand it on: its address is text that nobody has put right. */
function requestOf(url: string, fields: Readonly<Record<string, string>>, method = 'GET'): Request {
  const headers = { get: (name: string) => fields[name] ?? null, has: (name: string) => fields[name] !== undefined };
  return { url, method, headers, body: null } as unknown as Request;
}

describe('readers of requests', () => {
  /** What follows the scheme, which is workerd's own. */
  const ADDRESSES = ['gateway.test/v1/weather?n=1', '[2001:db8::1]:8443/a', 'gateway.test.:80/', 'a.example'];
  const CREDENTIALS = ['L402 AgEEbHNhdA==:00', 'Bearer x, LSAT AgEE:01', ''];
  const METHODS = ['GET', 'POST', 'OPTIONS', 'CONNECT'];

  it('M25: readRequestFacts takes no address that a server could read in two ways', { timeout }, () =>
    feed('readRequestFacts', {
      make: (chance) => [`http://${mutateText(ADDRESSES, chance)}`, mutateText(CREDENTIALS, chance), chance.pick(METHODS)] as const,
      read([url, text, method]) {
        const fields = { authorization: text, 'l402-authorization': text, macaroon: text, 'content-type': text };
        const facts = readRequestFacts(requestOf(url, fields, method));
        if (!facts.ok) return false;
        const { host, path, query, base } = facts.value;
        hold(/^[a-z0-9._:[\]-]+$/.test(host) && path.startsWith('/') && !path.includes('?'), 'host and path are what they are');
        hold(query === '' || query.startsWith('?'), 'the query begins with its mark');
        hold(url.endsWith(query) && base.includes(host), 'nothing was made up');
        return true;
      },
    }),
  );

  const FORWARDED = [
    '192.0.2.1',
    '192.0.2.1:80, 198.51.100.7',
    '[2001:db8::1]:443',
    '2001:db8::7, ::ffff:192.0.2.9',
    'unknown, _hidden',
    '',
  ];
  const SOURCES = ['socket', 'cloudflare', { trustedHops: 1 }, { trustedHops: 2 }, undefined] as const;
  it('M20 M21: readClientFacts gives each client one key, in one spelling', { timeout }, () =>
    feed('readClientFacts', {
      make: (chance) => [mutateText(FORWARDED, chance), chance.pick(SOURCES)] as const,
      read([text, source]) {
        const request = requestOf('http://h.test/', { 'x-forwarded-for': text, 'cf-connecting-ip': text });
        const { address, addressText, key } = readClientFacts({ headers: request.headers, cf: { clientIp: text } }, source);
        hold((address === undefined) === (key.key === 'unknown'), 'who has no address is one with all such');
        if (addressText === undefined) return false;
        hold(isIP(addressText) !== 0, 'an address is one');
        const again = readClientFacts({ headers: request.headers, cf: { clientIp: addressText } }, 'socket');
        hold(again.key.key === key.key && again.key.group === key.group, 'in one spelling it is the same client');
        return true;
      },
    }),
  );
});

describe('readers of what gateway and bridge say', () => {
  const KEY = { id: '1', secret: new Uint8Array(32).fill(1) };
  const NOW = 1_700_000_000;
  const sent = { method: 'POST', pathAndQuery: '/v1/invoices', body: '{"amountMsat":"1000"}' };
  const signed = signRequest(sent, { key: KEY, nowSeconds: NOW, nonceHex: '0f'.repeat(16) });
  const parts = { ...sent, ...signed };
  const names = Object.keys(parts) as (keyof typeof parts)[];

  it('M28: checkRequest takes nothing but what was signed', { timeout }, () =>
    feed('checkRequest', {
      // Each costs some hashes.
      inputs: INPUTS / 4,
      make(chance: Chance) {
        const name = chance.pick(names);
        return { ...parts, ...(chance.percent(5) ? {} : { [name]: mutateText([parts[name]!], chance) }) };
      },
      read(parts_) {
        const { method, pathAndQuery, body, ...fields } = parts_ as typeof parts & Record<string, string>;
        const header = (name: string) => (fields as Record<string, string>)[name];
        const { ok } = checkRequest({ method, pathAndQuery, body, header }, { keys: [KEY], nowSeconds: NOW, maxSkewSeconds: 60 });
        const isSame = names.every((name) => parts_[name] === parts[name]);
        hold(ok === isSame, 'it is taken if and only if nothing was changed');
        return ok;
      },
    }),
  );

  const PUSH = JSON.stringify({
    feed: 'lnd-1',
    fromIndex: 7,
    settled: [{ index: 8, paymentHashHex: '0f'.repeat(32), settledAtSeconds: NOW }],
  });
  const ANSWER = JSON.stringify({ invoice: 'lnbcrt1', paymentHashHex: '0f'.repeat(32), expiresAtSeconds: NOW, settlement: 'strict' });
  it.each([
    ['SettlementPush', SettlementPush, PUSH],
    ['MintAnswer', MintAnswer, ANSWER],
  ] as const)('M28: %s has no field but its own', { timeout }, (name, schema, text) => {
    const own = new Set(Object.keys(JSON.parse(text) as object));
    feed(name, {
      make: (chance) => mutateText([text, text.replace('{', '{"preimageHex":"00",')], chance),
      read(changed) {
        let value: unknown;
        try {
          value = JSON.parse(changed);
        } catch {
          return false;
        }
        const { success, data } = schema.safeParse(value);
        hold(!success || Object.keys(data as object).every((key) => own.has(key)), 'what is not of the contract is refused whole');
        return success;
      },
    });
  });

  const STRINGS = [
    'lndconnect://192.0.2.1:10009?cert=MIIB&macaroon=AgEEbG5k',
    'clnrest+https://node.example:3010?rune=cnVuZQ==&certs=LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tQS0tLS0tRU5EIENFUlRJRklDQVRFLS0tLS0=',
    'clnrest://https://[2001:db8::1]:3010?rune=cnVuZQ==',
  ];
  it('P23: connection strings give addresses that are one', { timeout }, () =>
    feed('connection strings', {
      make: (chance) => mutateText(STRINGS, chance),
      read(text) {
        const read = [readLndConnect(text), readClnrest(text)].filter(({ ok }) => ok);
        hold(read.length < 2, 'it is of one kind');
        return read.length > 0;
      },
    }),
  );
});
