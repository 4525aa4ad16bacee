/*
 * The second sending is the first one again: same method, same headers, same bytes, whatever form the caller gave them in.
 */
import { describe, expect, it } from 'vitest';
import { createL402Fetch, type L402FetchOptions } from '#client/index.ts';
import { NOW_MS } from './invoice-maker.ts';
import { ADDRESS, openShop, type Seen } from './fake-shop.ts';

function client(options: Partial<L402FetchOptions> = {}) {
  const shop = openShop();
  const settings = { wallet: shop.wallet, maxPriceSats: 10, network: 'regtest', fetch: shop.fetch, clock: () => NOW_MS } as const;
  return { shop, fetch: createL402Fetch({ ...settings, ...options }) };
}

function withoutCredential({ method, url, headers, body }: Seen) {
  const others = [...headers].filter(([name]) => name !== 'authorization');
  return { method, url, headers: others, body: [...body] };
}

/** Sends by a paying client, and by plain fetch for comparison. */
async function expectSameTwice(input: () => Parameters<typeof fetch>[0], init: () => RequestInit): Promise<Seen> {
  const { shop, fetch } = client();
  const response = await fetch(input(), init());
  expect(response.status).toBe(200);
  expect(shop.seen).toHaveLength(2);
  const [first, second] = shop.seen;
  expect(withoutCredential(second!)).toEqual(withoutCredential(first!));
  expect(second!.headers.get('authorization')).toMatch(/^L402 /);
  return second!;
}

const text = ({ body }: Seen) => new TextDecoder().decode(body);
const post = (body: NonNullable<RequestInit['body']>, headers: Record<string, string> = {}) => ({ method: 'POST', body, headers });

describe('bodies', () => {
  it('Y6: a JSON body reaches the paid call with the identical bytes and content type, and the unpaid one did not count', async () => {
    const body = JSON.stringify({ question: 'schön?', n: [1, 2, 3] });
    const seen = await expectSameTwice(
      () => ADDRESS,
      () => post(body, { 'content-type': 'application/json' }),
    );
    expect(seen.method).toBe('POST');
    expect(text(seen)).toBe(body);
    expect(seen.headers.get('content-type')).toBe('application/json');
  });

  it('Y6: text, bytes, a buffer, a Blob and form fields go out twice alike, each with the type that fetch gives it', async () => {
    const bytes = Uint8Array.from({ length: 300 }, (_, index) => index % 256);
    const cases: readonly [() => NonNullable<RequestInit['body']>, string | null, readonly number[]][] = [
      [() => 'plain', 'text/plain;charset=utf-8', [...new TextEncoder().encode('plain')]],
      [() => '', 'text/plain;charset=utf-8', []],
      [() => bytes, null, [...bytes]],
      [() => bytes.subarray(10, 20), null, [...bytes.subarray(10, 20)]],
      [() => bytes.buffer, null, [...bytes]],
      [() => new Blob([bytes], { type: 'image/png' }), 'image/png', [...bytes]],
      [
        () => new URLSearchParams({ a: '1 2', b: 'ü' }),
        'application/x-www-form-urlencoded;charset=utf-8',
        [...new TextEncoder().encode('a=1+2&b=%C3%BC')],
      ],
    ];
    for (const [body, contentType, expected] of cases) {
      const seen = await expectSameTwice(
        () => ADDRESS,
        () => post(body()),
      );
      expect([seen.headers.get('content-type')?.toLowerCase() ?? null, [...seen.body]]).toEqual([contentType, expected]);
    }
  });

  it('Y6: a multipart form keeps its boundary, and its parts arrive', async () => {
    const form = new FormData();
    form.set('field', 'value');
    form.set('file', new File(['content'], 'a.txt', { type: 'text/plain' }));
    const seen = await expectSameTwice(
      () => ADDRESS,
      () => post(form),
    );
    const boundary = /boundary="?([^";]+)/.exec(seen.headers.get('content-type')!)![1]!;
    expect(text(seen)).toContain(boundary);
    const received = await new Response(seen.body as Uint8Array<ArrayBuffer>, {
      headers: { 'content-type': seen.headers.get('content-type')! },
    }).formData();
    expect(received.get('field')).toBe('value');
    expect(await (received.get('file') as File).text()).toBe('content');
  });

  it('Y6: what the caller changes while the wallet pays does not reach the second sending', async () => {
    const body = new Uint8Array([1, 2, 3]);
    const headers = new Headers({ 'x-mine': 'before' });
    const url = new URL(ADDRESS);
    const shop = openShop();
    const wallet = async (invoice: string) => {
      body.fill(9);
      headers.set('x-mine', 'after');
      url.pathname = '/elsewhere';
      return shop.wallet(invoice);
    };
    const fetch = createL402Fetch({ wallet, maxPriceSats: 10, network: 'regtest', fetch: shop.fetch, clock: () => NOW_MS });
    await fetch(url, { method: 'POST', body, headers });
    expect(withoutCredential(shop.seen[1]!)).toEqual(withoutCredential(shop.seen[0]!));
    expect([...shop.seen[1]!.body]).toEqual([1, 2, 3]);
  });

  it('Y6: what the caller changes right after the call reaches neither sending, as with fetch', async () => {
    const body = new Uint8Array([1, 2, 3]);
    const headers = new Headers({ 'x-mine': 'before' });
    const { shop, fetch } = client();
    const call = fetch(ADDRESS, { method: 'POST', body, headers });
    body.fill(9);
    headers.set('x-mine', 'after');
    expect((await call).status).toBe(200);
    expect(shop.seen.map((seen) => [[...seen.body], seen.headers.get('x-mine')])).toEqual(
      Array.from({ length: 2 }, () => [[1, 2, 3], 'before']),
    );
  });

  it('Y6: a content type that the caller gave wins over the one that the body would get', async () => {
    const seen = await expectSameTwice(
      () => ADDRESS,
      () => post(new URLSearchParams({ a: '1' }), { 'content-type': 'application/x-my-form' }),
    );
    expect(seen.headers.get('content-type')).toBe('application/x-my-form');
  });
});

describe('one-shot bodies', () => {
  const stream = (chunks: readonly string[], onCancel = () => {}) => {
    const rest = chunks.map((chunk) => new TextEncoder().encode(chunk));
    return new ReadableStream<Uint8Array>({
      pull(controller) {
        const chunk = rest.shift();
        if (chunk === undefined) controller.close();
        else controller.enqueue(chunk);
      },
      cancel: onCancel,
    });
  };
  const streaming = (body: ReadableStream) => ({ method: 'POST', body, duplex: 'half' }) as const;

  it('M31, Y6: a stream up to the limit is read first and sent twice with the same bytes', async () => {
    const { shop, fetch } = client({ maxBodyBytes: 10 });
    const response = await fetch(ADDRESS, streaming(stream(['hello', 'world'])));
    expect(response.status).toBe(200);
    expect(shop.seen.map(text)).toEqual(['helloworld', 'helloworld']);
  });

  it('M31: a stream over the limit is refused before anything is sent or paid, and let go', async () => {
    let cancelled = false;
    const { shop, fetch } = client({ maxBodyBytes: 9, unpaid: 'response' });
    const body = stream(['hello', 'world', 'and more'], () => (cancelled = true));
    await expect(fetch(ADDRESS, streaming(body))).rejects.toMatchObject({ name: 'L402Error', code: 'body_too_large', paid: 'no' });
    expect([shop.seen, shop.paid, cancelled]).toEqual([[], [], true]);
  });

  it('M31: the limit is 1 MiB unless told otherwise', async () => {
    const chunk = 'x'.repeat(1024);
    const { shop, fetch } = client();
    expect((await fetch(ADDRESS, streaming(stream(Array.from({ length: 1024 }, () => chunk))))).status).toBe(200);
    expect(shop.seen[1]!.body.byteLength).toBe(1024 * 1024);
    const endless = new ReadableStream({ pull: (controller) => controller.enqueue(new TextEncoder().encode(chunk)) });
    await expect(fetch(ADDRESS, streaming(endless))).rejects.toMatchObject({ code: 'body_too_large' });
  });

  it('M31: a stream that fails while it is read fails the call, with nothing sent', async () => {
    const failure = new Error('disk gone');
    const { shop, fetch } = client();
    await expect(fetch(ADDRESS, streaming(new ReadableStream({ pull: (controller) => controller.error(failure) })))).rejects.toBe(failure);
    expect(shop.seen).toEqual([]);
  });

  it('M31: a caller can abort while a stream is being read', async () => {
    const { shop, fetch } = client();
    const controller = new AbortController();
    const stalled = new ReadableStream({ pull: () => controller.abort(new Error('enough')) }, { highWaterMark: 0 });
    await expect(fetch(ADDRESS, { ...streaming(stalled), signal: controller.signal })).rejects.toThrow('enough');
    expect(shop.seen).toEqual([]);
  });
});

describe('forms of input', () => {
  it('Y6: a Headers object, a plain object and a list of pairs are all kept', async () => {
    for (const headers of [new Headers({ 'x-mine': 'a' }), { 'X-Mine': 'a' }, [['x-mine', 'a']] as [string, string][]]) {
      const seen = await expectSameTwice(
        () => ADDRESS,
        () => ({ headers }),
      );
      expect(seen.headers.get('x-mine')).toBe('a');
    }
  });

  it('Y6: a URL object is as good as its text', async () => {
    const seen = await expectSameTwice(
      () => new URL(ADDRESS),
      () => ({}),
    );
    expect(seen.url).toBe(ADDRESS);
  });

  it('Y6: a Request is sent twice with its own method, headers and body', async () => {
    const seen = await expectSameTwice(
      () => new Request(ADDRESS, { method: 'PUT', headers: { 'x-mine': 'a', 'content-type': 'application/json' }, body: '{"a":1}' }),
      () => ({}),
    );
    expect([seen.method, seen.headers.get('x-mine'), seen.headers.get('content-type'), text(seen)]).toEqual([
      'PUT',
      'a',
      'application/json',
      '{"a":1}',
    ]);
  });

  it('Y6: options beside a Request win over it, as with fetch', async () => {
    const seen = await expectSameTwice(
      () => new Request(ADDRESS, { method: 'PUT', headers: { 'x-mine': 'a' }, body: 'old' }),
      () => ({ method: 'PATCH', headers: { 'x-mine': 'b' }, body: 'new' }),
    );
    expect([seen.method, seen.headers.get('x-mine'), text(seen)]).toEqual(['PATCH', 'b', 'new']);
  });

  it('Y6: only options that the caller gave are handed on, since some platforms throw at others', async () => {
    const given: string[][] = [];
    const shop = openShop();
    const fetch: typeof globalThis.fetch = (input, init) => {
      given.push(Object.keys(init ?? {}).toSorted());
      return shop.fetch(input, init);
    };
    await createL402Fetch({ wallet: shop.wallet, maxPriceSats: 10, network: 'regtest', fetch, clock: () => NOW_MS })(ADDRESS, {
      redirect: 'follow',
    });
    expect(given).toEqual([
      ['headers', 'redirect'],
      ['headers', 'redirect'],
    ]);
  });

  it('P28: an address that is none fails as fetch does', async () => {
    const { fetch } = client();
    await expect(fetch('not an address')).rejects.toThrow(TypeError);
  });
});
