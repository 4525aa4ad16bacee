/*
 * What is priced is what the origin works on (M39): a body that decides the price comes uncompressed, and no form repeats what the query was
 * priced by.
 */
import { describe, expect, it } from 'vitest';
import { openPriceDoor } from './price-door.ts';

const codeOf = async (response: Response) => (await response.json<{ code: string }>()).code;

describe('a body that decides the price, and comes in another form than it is worked on', () => {
  const routes = [
    { match: 'POST /size', service: 'size', price: { perKibibyteSats: 1 }, maxSats: 4 },
    { match: 'POST /shown', service: 'shown', price: { service: 'PRICING', bodyPrefixBytes: 64 }, minSats: 1, maxSats: 9 },
    { match: 'POST /told', service: 'told', price: { service: 'PRICING' }, minSats: 1, maxSats: 9 },
    { match: 'POST /fixed', service: 'fixed', priceSats: 1 },
  ];
  const post = (headers: [string, string][]): RequestInit => ({
    method: 'POST',
    body: 'abc',
    headers: [['content-length', '3'], ...headers],
  });
  const open = () => openPriceDoor(routes, () => Response.json({ price_msat: '1000' }));

  it.each<[string, [string, string][]]>([
    ['compressed', [['Content-Encoding', 'gzip']]],
    ['compressed, in capitals', [['content-encoding', 'BR']]],
    ['compressed twice', [['content-encoding', 'gzip, deflate']]],
    [
      'compressed after a line that says that it is not',
      [
        ['content-encoding', 'identity'],
        ['content-encoding', 'gzip'],
      ],
    ],
    ['compressed by a name with an underscore', [['content_encoding', 'gzip']]],
    ['compressed by a name with a dot', [['content.encoding', 'gzip']]],
    ['coded for the transfer in another way than in chunks', [['transfer-encoding', 'gzip, chunked']]],
  ])('M39 M17: is 415 without an invoice and without the origin when it is %s', async (_, headers) => {
    const door = open();
    const bought = await door.buy('/size', post([]));
    for (const path of ['/size', '/shown']) {
      const response = await door.ask(path, post(headers));
      expect([path, response.status, await codeOf(response)]).toEqual([path, 415, 'encoding_unsupported']);
    }
    expect(await door.use('/size', bought, post(headers))).toBe('encoding_unsupported');
    expect([door.minted(), door.seen.length]).toEqual([1, 0]);
    expect(await door.use('/size', bought, post([]))).toBe('origin');
  });

  it('M39: is sold as it is when it says that it is not compressed, and compressed where it does not decide the price', async () => {
    const door = open();
    for (const path of ['/size', '/shown']) expect(await door.price(path, post([['content-encoding', 'Identity']]))).toBe(1000n);
    for (const path of ['/told', '/fixed']) expect(await door.price(path, post([['content-encoding', 'gzip']]))).toBe(1000n);
  });
});

describe('a route that refuses in a form what decides its price in the query', () => {
  const routes = [
    { match: 'POST /form', service: 'form', price: { parameter: 'pages', unitSats: 2, max: 50 }, refuseInForm: true as const },
    { match: 'POST /agent', query: { svc: 'dear' }, service: 'dear', priceSats: 50, refuseInForm: true as const },
    { match: 'POST /agent', service: 'cheap', priceSats: 1, refuseInForm: true as const },
    { match: 'POST /lax', service: 'lax', price: { parameter: 'pages', unitSats: 2, max: 50 } },
  ];
  const URLENCODED = 'application/x-www-form-urlencoded';
  const form = (body: string, type = URLENCODED): RequestInit => ({ method: 'POST', body, headers: { 'content-type': type } });
  const part = (disposition: string) => `--b\r\nContent-Disposition: ${disposition}\r\n\r\n50\r\n--b--\r\n`;
  const MULTIPART = 'multipart/form-data; boundary=b';

  it.each([
    ['plainly', form('a=1&pages=50')],
    ['with an escape', form('p%61ges=50')],
    ['in other letters', form('PAGES=50')],
    ['as a list', form('pages[]=50')],
    ['behind a semicolon', form('a=1;pages=50')],
    ['beside what does not decode', form('%zz=1&pages=%zz')],
    ['in a type in capitals', form('pages=50', 'Application/X-WWW-Form-Urlencoded; charset=utf-8')],
    ['in a type that is named twice', form('pages=50', `text/plain, ${URLENCODED}`)],
    ['in parts', form(part('form-data; name="pages"'), MULTIPART)],
    ['in parts, without quotes', form(part('form-data; name=pages'), MULTIPART)],
    ['in parts, in quotes of the other kind', form(part("form-data; name='pages'"), MULTIPART)],
    ['in parts, behind a quote that may be escaped', form(part('form-data; name="a\\"; name=pages; b="'), MULTIPART)],
    ['in parts, as a list with blanks before it', form(part('form-data; name="  pages[]"'), MULTIPART)],
    ['in parts, with its name in pieces', form(part('form-data; name*0="pa"; name*1="ges"'), MULTIPART)],
    ['in parts of another type', form(part('form-data; name="pages"'), 'multipart/mixed; boundary=b')],
    ['in parts, with blanks and an escape', form(part('form-data; NAME = "p\\ages"'), MULTIPART)],
    ['in parts, in the long spelling', form(part("form-data; name*=utf-8''p%61ges"), MULTIPART)],
  ])('M39: refuses it without an invoice and without the origin, and the payment stays good: %s', async (_, init) => {
    const door = openPriceDoor(routes);
    const bought = await door.buy('/form?pages=1', form('a=1'));
    const response = await door.ask('/form?pages=1', init);
    expect([response.status, await codeOf(response), door.minted()]).toEqual([400, 'parameter_ambiguous', 1]);
    expect([await door.use('/form?pages=1', bought, init), door.seen.length]).toEqual(['parameter_ambiguous', 0]);
    expect(await door.use('/form?pages=1', bought, form('a=1'))).toBe('origin');
  });

  it('M39: hands on every other form as it came, and other bodies unread', async () => {
    const door = openPriceDoor(routes);
    const bodies = [
      form('a=1&b=pages'),
      form(part('form-data; name="upload"; filename="pages"'), MULTIPART),
      form('{"pages":50}', 'application/json'),
      { method: 'POST' },
    ];
    for (const init of bodies) {
      expect(await door.use('/form?pages=1', await door.buy('/form?pages=1', init), init)).toBe('origin');
      expect(door.seen.at(-1)).toMatchObject({ body: init.body ?? '', priceMsat: '2000' });
    }
  });

  it('M39: does so for what decides the route, on the cheap side of it too', async () => {
    const door = openPriceDoor(routes);
    expect(await door.price('/agent', form('svc=dear'))).toBe('parameter_ambiguous');
    expect(await door.price('/agent?svc=dear', form('svc=other'))).toBe('parameter_ambiguous');
    expect([await door.price('/agent', form('a=1')), await door.price('/agent?svc=dear', form('a=1'))]).toEqual([1000n, 50_000n]);
  });

  it('M39 M17: takes no form that it cannot read whole: one too large is 413, one compressed is 415', async () => {
    const door = openPriceDoor(routes);
    expect(await door.price('/form?pages=1', form('a'.repeat(65_537)))).toBe('body_too_large');
    const init = { ...form('a=1'), headers: { 'content-type': URLENCODED, 'content-encoding': 'gzip' } };
    expect(await door.price('/form?pages=1', init)).toBe('encoding_unsupported');
    const ebcdic = form('a=1', `${URLENCODED}; charset=ibm037`);
    expect(await door.price('/form?pages=1', ebcdic)).toBe('encoding_unsupported');
    expect(await door.price('/form?pages=1', form('a&'.repeat(300)))).toBe('too_many_parameters');
    expect(await door.price('/form?pages=1', form(part('form-data; name="a"').repeat(300), MULTIPART))).toBe('too_many_parameters');
    expect(door.minted()).toBe(0);
  });

  it('M39: does so for a call that is given away, and hands on the form of one that is let through', async () => {
    const policy = { freeCalls: { calls: 3, seconds: 3600, total: 1600 } };
    const known = { cf: { clientIp: '198.51.100.39:1' } } as RequestInit;
    const door = openPriceDoor(routes.map((route) => ({ ...route, policy })));
    expect((await door.ask('/form?pages=1', { ...known, ...form('pages=50') })).status).toBe(400);
    expect((await door.ask('/form?pages=1', { ...known, ...form('a=1') })).status).toBe(200);
    expect(door.seen).toMatchObject([{ body: 'a=1' }]);
  });

  it('takes a form as it is where the route does not ask for it', async () => {
    expect(await openPriceDoor(routes).price('/lax?pages=1', form('pages=50'))).toBe(2000n);
  });
});
