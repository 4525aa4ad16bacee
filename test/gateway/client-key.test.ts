/*
 * Who a client is: read from the one place that is trusted, counted by networks and not by addresses.
 */
import { describe, expect, it } from 'vitest';
import { isVouchedFor, nameClient, readClientFacts, type ClientAddressSource } from '#gateway/request/client-key.ts';
import { formatAddress, parseAddress } from '#protocol/cidr.ts';

/** What raw workerd 2026-11-17 gives for a connection over TCP. */
const socket = (clientIp: string) => ({ clientIp });
const EDGE = { colo: 'FRA', country: 'DE', asn: 3320 };

function facts(headers: Readonly<Record<string, string>>, cf: unknown, source?: ClientAddressSource) {
  return readClientFacts({ headers: new Headers(headers), cf }, source);
}

function addressOf(headers: Readonly<Record<string, string>>, cf: unknown, source?: ClientAddressSource): string {
  const { address } = facts(headers, cf, source);
  return address === undefined ? 'unknown' : formatAddress(address);
}

describe("a client's address", () => {
  it.each([
    ['192.0.2.1:42104', '192.0.2.1'],
    ['[::1]:52906', '0:0:0:0:0:0:0:1'],
    ['[::ffff:127.0.0.1]:48576', '127.0.0.1'],
  ])('is the peer of the socket, as workerd writes it: %s', (clientIp, address) => {
    expect(addressOf({}, socket(clientIp))).toBe(address);
  });

  it('M21: off Cloudflare 1,000 forged headers are one client', () => {
    const keys = new Set<string>();
    for (let index = 0; index < 1000; index++) {
      const forged = `203.0.${index >> 8}.${index & 0xff}`;
      const headers = {
        'cf-connecting-ip': forged,
        'x-forwarded-for': `${forged}, ${forged}`,
        'x-real-ip': forged,
        'true-client-ip': forged,
        forwarded: `for=${forged}`,
        'cf-ipcountry': index % 2 === 0 ? 'DE' : 'FR',
      };
      const client = facts(headers, socket(`192.0.2.7:${2000 + index}`));
      keys.add(client.key.key);
      expect([client.country, client.asn]).toEqual([undefined, undefined]);
    }
    expect([...keys]).toEqual(['192.0.2.7']);
  });

  it('M21: behind one trusted proxy 1,000 forged headers are one client', () => {
    const keys = new Set<string>();
    for (let index = 0; index < 1000; index++) {
      // The proxy appends what it saw to whatever the client has written.
      const headers = { 'x-forwarded-for': `${'9.9.9.9, '.repeat(index % 7)}203.0.${index >> 8}.${index & 0xff}, 192.0.2.7` };
      keys.add(facts(headers, socket('10.0.0.1:1'), { trustedHops: 1 }).key.key);
    }
    expect([...keys]).toEqual(['192.0.2.7']);
  });

  it('M21: on Cloudflare it is CF-Connecting-IP, with what the edge knows beside it', () => {
    const client = facts({ 'cf-connecting-ip': '2001:db8:1:2::9', 'x-forwarded-for': '9.9.9.9' }, EDGE);
    expect(client).toMatchObject({ key: { key: '2001:db8:1:2:0:0:0:0/64', group: '2001:db8:1:0:0:0:0:0/48' }, country: 'DE', asn: 3320 });
  });

  it('M21: is read where the configuration says, whatever else is there', () => {
    const headers = { 'cf-connecting-ip': '203.0.113.1', 'x-forwarded-for': '203.0.113.2, 203.0.113.3, 203.0.113.4' };
    const cf = { ...EDGE, clientIp: '203.0.113.5:1' };
    expect(addressOf(headers, cf, 'cloudflare')).toBe('203.0.113.1');
    expect(addressOf(headers, cf, 'socket')).toBe('203.0.113.5');
    expect(addressOf(headers, cf, { trustedHops: 1 })).toBe('203.0.113.4');
    expect(addressOf(headers, cf, { trustedHops: 2 })).toBe('203.0.113.3');
    expect(addressOf({ 'x-forwarded-for': '[2001:db8::1]:443' }, cf, { trustedHops: 1 })).toBe('2001:db8:0:0:0:0:0:1');
    expect(addressOf({ 'x-forwarded-for': '203.0.113.9:443' }, cf, { trustedHops: 1 })).toBe('203.0.113.9');
  });

  it.each<{ why: string; headers: Readonly<Record<string, string>>; cf: unknown; source?: ClientAddressSource }>([
    { why: 'no header on Cloudflare', headers: {}, cf: EDGE, source: 'cloudflare' },
    { why: 'two addresses in one header', headers: { 'cf-connecting-ip': '192.0.2.1, 192.0.2.2' }, cf: EDGE, source: 'cloudflare' },
    { why: 'a Unix socket, which has no address', headers: {}, cf: { clientPid: 1, clientUid: 0 }, source: 'socket' },
    { why: 'no connection facts', headers: {}, cf: undefined },
    { why: 'fewer entries than hops', headers: { 'x-forwarded-for': '192.0.2.1' }, cf: socket('10.0.0.1:1'), source: { trustedHops: 2 } },
    { why: 'no entry at all', headers: {}, cf: socket('10.0.0.1:1'), source: { trustedHops: 1 } },
    { why: 'a word for an address', headers: { 'x-forwarded-for': '192.0.2.1, unknown' }, cf: EDGE, source: { trustedHops: 1 } },
  ])('is unknown with $why, and all such clients are one', ({ headers, cf, source }) => {
    expect(facts(headers, cf, source)).toMatchObject({ address: undefined, key: { key: 'unknown' } });
  });

  it('is not known by country where Cloudflare says that it does not know it', () => {
    expect(facts({ 'cf-connecting-ip': '192.0.2.1' }, { ...EDGE, country: 'XX' }).country).toBeUndefined();
  });
});

describe("a client's key", () => {
  const key = (text: string) => nameClient(parseAddress(text));

  it('M20: of IPv6 is the /64, in the group of its /48', () => {
    expect(key('2001:db8:1:2:aaaa::1')).toEqual(key('2001:db8:1:2:bbbb:1:2:3'));
    expect(key('2001:db8:1:2::')).not.toEqual(key('2001:db8:1:3::'));
    expect(key('2001:db8:1:2::').group).toBe(key('2001:db8:1:3::').group);
    expect(key('2001:db8:1:2::').group).not.toBe(key('2001:db8:2:2::').group);
  });

  it('M20: of IPv4 is the address, in whichever clothing it comes', () => {
    expect(key('192.0.2.1')).toEqual({ key: '192.0.2.1', crowd: ['192.0.2.0/24', '192.0.0.0/16'] });
    expect(key('::ffff:192.0.2.1')).toEqual(key('192.0.2.1'));
    expect(key('192.0.2.2')).not.toEqual(key('192.0.2.1'));
  });
});

describe('what proxies write of an address', () => {
  it('M21: is vouched for by the edge and by proxies of one’s own, and by nobody where the client is the peer', () => {
    const headers = new Headers();
    const vouched = (cf: unknown, source?: ClientAddressSource) => isVouchedFor({ headers, cf }, source);
    expect([vouched(EDGE), vouched(EDGE, 'cloudflare'), vouched(socket('192.0.2.1:1'), { trustedHops: 1 })]).toEqual([true, true, true]);
    expect([vouched(socket('192.0.2.1:1')), vouched(undefined), vouched(EDGE, 'socket')]).toEqual([false, false, false]);
  });
});
