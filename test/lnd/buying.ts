/*
 * The steps of a purchase one by one, for tests that come between them. Effects: requests to the gateway.
 */
import { expect } from 'vitest';
import { L402Error, readOffer, type Offer, type Wallet } from '#client/index.ts';

/** What this address asks for; an answer that asks for nothing is a fault of the test. */
export async function askOffer(url: string, init: RequestInit = {}): Promise<Offer> {
  const response = await fetch(url, init);
  const offer = readOffer(response);
  await response.body?.cancel();
  if (!offer.ok) throw new Error(`${url}: ${response.status} ${offer.refusal.code}`);
  return offer.value;
}

/** The status of an answer and, of our gateway's refusals, the code. */
export async function answerOf(url: string, authorization: string): Promise<{ status: number; code: string; left: string | null }> {
  const response = await fetch(url, { headers: { authorization } });
  const text = await response.text();
  const isProblem = response.headers.get('content-type') === 'application/problem+json';
  const code = isProblem ? (JSON.parse(text) as { code: string }).code : '';
  return { status: response.status, code, left: response.headers.get('l402-remaining') };
}

/** What a call of the client throws. */
export async function errorOf(call: Promise<unknown>): Promise<L402Error> {
  const thrown: unknown = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(L402Error);
  return thrown as L402Error;
}

/** A wallet that has something happen between the 402 and the payment. */
export function payAfter(event: (invoice: string) => Promise<unknown>, wallet: Wallet): Wallet {
  return async (invoice) => {
    await event(invoice);
    return wallet(invoice);
  };
}
