/*
 * What of a request reaches the origin: not the port that the client named, and none of the fields by which an origin could be
 * led to believe in another request, host, scheme or client than the one that came (M25), or that we answer for.
 */
import { describe, expect, it } from 'vitest';
import { makeToken } from '#support/tokens.ts';
import { openGateway } from './front-door.ts';

/** What the origin sees of a request: its address and its fields. */
async function passOn(
  path: string,
  { headers = {}, gateway = {}, cf }: { headers?: Readonly<Record<string, string>>; gateway?: object; cf?: object } = {},
) {
  const seen: Request[] = [];
  const origin = (request: Request) => {
    seen.push(request);
    return Promise.resolve(new Response('origin'));
  };
  const routes = [
    { match: '/free/*', free: true as const, setHeaders: { 'x-api-key': 'of the seller' } },
    { match: '/call/*', service: 'call', priceSats: 1 },
    { match: '/zone/*', origin: 'same-zone' as const, host: 'zone.test', free: true as const },
  ];
  const door = openGateway({ routes, ...gateway }, { parts: { origin } });
  const response = await door.ask(path, { headers, ...(cf === undefined ? {} : { cf }) } as RequestInit);
  return { status: response.status, url: seen[0]?.url, fields: Object.fromEntries(seen[0]?.headers ?? []) };
}

describe('the port that a client names', () => {
  it('M25: is not the one at which a zone is asked for its origin', async () => {
    expect((await passOn('https://zone.test:8443/zone/x?a=1')).url).toBe('https://zone.test/zone/x?a=1');
    expect((await passOn('https://zone.test:22/zone/x')).url).toBe('https://zone.test/zone/x');
  });
});

/** Each in the name that is known, and in others of which CGI makes the same variable. */
const SPOOFED = [
  ...['X-L402-Claim', 'X-L402-Price-Msat', 'X-L402-Signature', 'L402-Remaining', 'L402-Authorization'],
  ...['X-Original-URL', 'X-Original-URI', 'X-Rewrite-URL', 'X-Forwarded-Prefix', 'X-Forwarded-Path', 'X-Forwarded-URI'],
  ...['X-Script-Name', 'Script-Name', 'X-Envoy-Original-Path', 'X-Middleware-Rewrite', 'X-Sendfile-Type', 'X-Accel-Mapping'],
  ...['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override', 'X-HTTP-Override'],
  ...['X-Forwarded-Server', 'X-Forwarded-Host', 'X-Host', 'X-HTTP-Host-Override', 'X-Original-Host', 'Forwarded'],
  ...['X-Forwarded-Scheme', 'X-Forwarded-Protocol', 'X-Forwarded-Port', 'X-Forwarded-Ssl', 'Front-End-Https', 'X-Url-Scheme', 'X-Scheme'],
  ...['X-Forwarded-Proto', 'CF-Visitor', 'X-Forwarded-For', 'X-Real-IP', 'CF-Connecting-IP', 'True-Client-IP'],
  ...['X-Client-IP', 'Client-IP', 'X-Cluster-Client-IP', 'Fastly-Client-IP', 'X-Remote-IP', 'X-Remote-Addr', 'X-Originating-IP'],
  ...['Proxy', 'Proxy-Authorization', 'Keep-Alive', 'TE', 'Trailer'],
];

describe('a field that nobody vouches for', () => {
  it.each(SPOOFED)('M25 M27: does not reach the origin: %s', async (name) => {
    const spellings = [name, name.replaceAll('-', '_'), name.replaceAll('-', '.'), name.replace('-', '!').replaceAll('-', '~')];
    for (const spelling of spellings) {
      const { fields } = await passOn('/free/x', { headers: { [spelling]: 'forged', 'X_Own.Field': 'kept' } });
      expect(Object.values(fields), spelling).not.toContain('forged');
      expect(fields['x_own.field']).toBe('kept');
    }
  });

  it.each(['Host', 'Content-Length', 'Content-Type', 'Content-Encoding', 'Transfer-Encoding', 'Idempotency-Key', 'X-Api-Key'])(
    'M25: does not reach the origin beside the one field of its name: %s',
    async (name) => {
      for (const mark of ['_', '.', '!']) {
        const { fields } = await passOn('/free/x', { headers: { [name.replaceAll('-', mark)]: 'forged' } });
        if (name.includes('-')) expect(Object.values(fields), mark).not.toContain('forged');
      }
      expect((await passOn('/free/x')).fields['x-api-key']).toBe('of the seller');
    },
  );

  it('reaches it where the edge has written it, and only if the edge does write it', async () => {
    const vouched = { 'x-forwarded-for': '203.0.113.1', 'x-real-ip': '203.0.113.1', 'x-forwarded-proto': 'https', 'cf-visitor': '{}' };
    const gateway = { clientAddress: 'cloudflare' };
    const headers = { ...vouched, 'x-client-ip': 'forged', 'x-forwarded-port': 'forged', x_forwarded_proto: 'forged' };
    const { fields } = await passOn('/free/x', { headers, gateway });
    expect(fields).toMatchObject(vouched);
    expect(Object.values(fields)).not.toContain('forged');
  });

  it('is told apart from the many that are the origin’s own', async () => {
    const own = {
      'x-api-version': '1',
      'x-request-id': '2',
      traceparent: '3',
      accept: '*/*',
      cookie: 'a=1',
      'x-proxy': '4',
      'x-script': '5',
    };
    const { authorization } = await makeToken({ service: 'call' });
    const { status, fields } = await passOn('/call/x', { headers: { ...own, authorization } });
    expect([status, fields]).toEqual([200, expect.objectContaining(own)]);
  });
});
