/*
 * The challenge as servers really write it: the forms that were found in the wild, as one header line or as several, and
 * the credential that goes back for each.
 */
import { describe, expect, it } from 'vitest';
import { createL402Fetch } from '#client/index.ts';
import { NOW_MS } from './invoice-maker.ts';
import { ADDRESS, openShop, type Sale } from './fake-shop.ts';

const spec = ({ token, invoice }: Sale) => `L402 version="0", token="${token}", invoice="${invoice}"`;
const old = ({ token, invoice }: Sale) => `L402 macaroon="${token}", invoice="${invoice}"`;
const both = ({ token, invoice }: Sale) => `L402 macaroon="${token}", invoice="${invoice}", version="0", token="${token}"`;
const lsat = ({ token, invoice }: Sale) => `LSAT macaroon="${token}", invoice="${invoice}"`;
const mpp = () => 'Payment id="p1", realm="shop.example", method="lightning", intent="charge", request="eyJhIjoiMSJ9"';

type Form = (sale: Sale) => readonly string[];

const FORMS: readonly (readonly [string, Form])[] = [
  ['A: version, token, invoice', (sale) => [spec(sale)]],
  ['B: macaroon, invoice', (sale) => [old(sale)]],
  ['C: macaroon, invoice, version, token', (sale) => [both(sale)]],
  ['D: LSAT before A', (sale) => [lsat(sale), spec(sale)]],
  ['E: LSAT before C', (sale) => [lsat(sale), both(sale)]],
  ['F: LSAT, C, Payment', (sale) => [lsat(sale), both(sale), mpp()]],
  ['G: Payment first', (sale) => [mpp(), both(sale)]],
  ['H: version, macaroon, invoice', ({ token, invoice }) => [`L402 version="0", macaroon="${token}", invoice="${invoice}"`]],
  ['I: no space after the comma', ({ token, invoice }) => [`L402 macaroon="${token}",invoice="${invoice}"`]],
  ['J: invoice before macaroon', ({ token, invoice }) => [`L402 invoice="${invoice}", macaroon="${token}"`]],
  ['K: C before Payment', (sale) => [both(sale), mpp()]],
];

const OTHERS: readonly (readonly [string, Form])[] = [
  ['scheme in lower case', ({ token, invoice }) => [`l402 macaroon="${token}", invoice="${invoice}"`]],
  ['names in upper case', ({ token, invoice }) => [`L402 Macaroon="${token}", INVOICE="${invoice}"`]],
  ['single quotes', ({ token, invoice }) => [`L402 macaroon='${token}', invoice='${invoice}'`]],
  ['no quotes', ({ token, invoice }) => [`L402 macaroon=${token}, invoice=${invoice}`]],
  ['spaces around the equals signs', ({ token, invoice }) => [`L402 macaroon = "${token}" , invoice = "${invoice}"`]],
  ['an unknown parameter', ({ token, invoice }) => [`L402 realm="a, b=\\"c\\"", macaroon="${token}", invoice="${invoice}"`]],
  ['Basic and Negotiate around it', (sale) => ['Negotiate YII=', 'Basic realm="L402"', old(sale), 'Bearer']],
  ['the invoice in upper case', ({ token, invoice }) => [`L402 macaroon="${token}", invoice="${invoice.toUpperCase()}"`]],
];

async function buy(form: Form, offered: { asOneLine: boolean }) {
  const shop = openShop({ challenge: (sale) => (offered.asOneLine ? form(sale).join(', ') : form(sale)) });
  const fetch = createL402Fetch({ wallet: shop.wallet, maxPriceSats: 10, network: 'regtest', fetch: shop.fetch, clock: () => NOW_MS });
  const response = await fetch(ADDRESS);
  return { status: response.status, sent: shop.seen[1]?.headers.get('authorization'), sale: shop.sales[0]!, paid: shop.paid.length };
}

describe('forms of the challenge', () => {
  it.each([...FORMS, ...OTHERS])('Y2: %s is read, paid and answered with the token byte for byte', async (_, form) => {
    for (const asOneLine of [false, true]) {
      const { status, sent, sale, paid } = await buy(form, { asOneLine });
      expect([status, paid, sent]).toEqual([200, 1, `L402 ${sale.token}:${sale.preimageHex}`]);
    }
  });

  it('Y2, F8: LSAT alone is answered with LSAT', async () => {
    const { status, sent, sale } = await buy((sale) => [lsat(sale)], { asOneLine: false });
    expect([status, sent]).toEqual([200, `LSAT ${sale.token}:${sale.preimageHex}`]);
  });

  it.each<[string, Form]>([
    ['has no token', ({ invoice }) => [`L402 invoice="${invoice}"`]],
    ['has no invoice', ({ token }) => [`L402 macaroon="${token}"`]],
    ['has no parameters', () => ['L402']],
    ['names two tokens', (sale) => [`${old(sale)}, token="AgEEbHNhdA"`]],
    ['names two invoices', (sale) => [`${old(sale)}, invoice="lnbcrt1"`]],
  ])('M31, Y2: a challenge that %s is a refusal of its own, and nothing is paid', async (_, form) => {
    const shop = openShop({ challenge: form });
    const options = { wallet: shop.wallet, maxPriceSats: 10, network: 'regtest', fetch: shop.fetch, clock: () => NOW_MS } as const;
    await expect(createL402Fetch(options)(ADDRESS)).rejects.toMatchObject({ code: 'challenge_malformed', paid: 'no', offer: undefined });
    expect((await createL402Fetch({ ...options, unpaid: 'response' })(ADDRESS)).status).toBe(402);
    expect(shop.paid).toEqual([]);
  });
});
