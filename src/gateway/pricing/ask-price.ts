/*
 * Prices decided elsewhere: by the seller's function, or by a pricing service. Any failure, and every answer outside the
 * bounds, gives a 503 and a log entry: never a free call, a guess, or an invoice (M17, M26). Effects: the function and the
 * ports that are asked.
 */
import { formatBase64 } from '#protocol/bytes.ts';
import { type Msat } from '#protocol/msat.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { type Log, type Pricing, type Wait } from '../../ports.ts';
import { type BodyOutcome } from '../request/held-body.ts';
import { readPriceFacts } from './price-facts.ts';
import { type AskedPrice, type PriceBounds, type PriceFacts, type PriceFunction, type PriceOutcome, type ServicePrice } from './price.ts';
import { type GatewayRefusal } from '../answers/refusals.ts';
import { type RequestFacts } from '../request/request-facts.ts';

/** What pricing a request needs: the request for its headers and body, and the ports. */
export interface PriceSources {
  readonly request: Request;
  /** Reads the whole body, if it is at most this long. */
  readonly readBody: (most: number) => BodyOutcome | Promise<BodyOutcome>;
  readonly pricing: Pricing;
  readonly wait: Wait;
  readonly log: Log;
}

/** The client waits for its 402: a slower function counts as broken. */
const FUNCTION_LIMIT_MS = 5000;
const PRICE_RETRY_SECONDS = 5;

/** Returns the price of a request from its function or service. */
export async function askPrice(
  price: AskedPrice,
  { facts, match }: { facts: RequestFacts; match: string },
  sources: PriceSources,
): Promise<PriceOutcome> {
  const { request, wait, log } = sources;
  const read = readPriceFacts(facts, { names: price.names, headers: request.headers });
  if (!read.ok) return read;
  if (price.kind === 'service') return askService(price, { facts: read.value, match }, sources);
  const answer = await callFunction(price.decide, read.value, wait);
  const checked = answer.ok ? checkAnswer(answer.value, price.bounds) : answer;
  if (!checked.ok) return unavailable(checked.refusal, { match, log });
  return accept({ priceMsat: checked.value, inputs: ['function', JSON.stringify(read.value)] });
}

async function askService(
  price: ServicePrice,
  { facts, match }: { facts: PriceFacts; match: string },
  { readBody, pricing, log }: PriceSources,
): Promise<PriceOutcome> {
  const { service, bodyPrefixBytes, timeoutMs, cacheSeconds, bounds } = price;
  const presented = bodyPrefixBytes === undefined ? undefined : await readBody(bodyPrefixBytes);
  if (presented?.ok === false) return presented;
  const body = JSON.stringify({
    version: 1,
    route: match,
    method: facts.method,
    host: facts.host,
    path: facts.path,
    path_parameters: facts.pathParameters,
    query_parameters: facts.queryParameters,
    headers: facts.headers,
    ...(presented === undefined ? {} : { body_base64: formatBase64(presented.value) }),
  });
  let answer: unknown;
  try {
    answer = await pricing({ service, body, timeoutMs, cacheSeconds });
  } catch (error) {
    return unavailable(error instanceof Error ? error.message : 'the pricing service cannot be asked', { match, log });
  }
  const checked = checkAnswer(answer, bounds);
  if (!checked.ok) return unavailable(checked.refusal, { match, log });
  const priced = { priceMsat: checked.value, inputs: ['service', body] };
  return accept(presented === undefined ? priced : { ...priced, body: { kind: 'read', bytes: presented.value } });
}

async function callFunction(decide: PriceFunction, facts: PriceFacts, wait: Wait): Promise<Result<unknown, string>> {
  const answered = new AbortController();
  const late = wait(FUNCTION_LIMIT_MS, answered.signal).then(() => refuse(`the price function took more than ${FUNCTION_LIMIT_MS} ms`));
  try {
    return await Promise.race([late, Promise.resolve(decide(facts)).then((value) => accept<unknown>(value))]);
  } catch (error) {
    // The message may quote the request; the error's name and location do not.
    return refuse(`the price function threw ${error instanceof Error ? `a ${error.name} ${placeOf(error)}` : 'something'}`);
  } finally {
    answered.abort();
  }
}

function placeOf({ stack = '' }: Error): string {
  return /^\s+at .*:[0-9]+:[0-9]+\)?$/m.exec(stack)?.[0].trim() ?? '';
}

function checkAnswer(answer: unknown, { minMsat, maxMsat }: PriceBounds): Result<Msat, string> {
  if (typeof answer !== 'bigint') return refuse('the answer is not a bigint of millisatoshi');
  if (answer < minMsat || answer > maxMsat) return refuse('the answer is not between minSats and maxSats');
  return accept(answer as Msat);
}

function unavailable(message: string, { match, log }: { match: string; log: Log }): Result<never, GatewayRefusal> {
  log('fault', { at: 'price', match, message });
  return refuse({
    code: 'price_unavailable',
    detail: 'the price of this call cannot be worked out now',
    retryAfterSeconds: PRICE_RETRY_SECONDS,
  });
}
