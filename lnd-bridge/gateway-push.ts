/*
 * Reports payments to the gateway: one signed request, and one matching answer with the gateway's index. During a key change
 * the gateway may know only the previous key: after a 401 the other key is tried. Failures are values, without the text of
 * system errors. Effects: sockets.
 */
import { formatHex } from '#protocol/bytes.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { SETTLEMENTS_PATH, SettlementPushAnswer, type SettlementPush } from './contract.ts';
import { parseJson } from './http-listener.ts';
import { type Clock, type Random } from './ports.ts';
import { type BridgeKey, checkAnswer, signRequest } from './request-auth.ts';

export interface PushRefusal {
  readonly reason: 'unreachable' | 'unauthorized' | 'refused' | 'answer_wrong';
  readonly detail: string;
}

/** Pushes, and returns the gateway's index afterwards. Never rejects. */
export type Push = (push: SettlementPush, signal: AbortSignal) => Promise<Result<number, PushRefusal>>;

export interface PushOptions {
  /** Without a trailing slash. */
  readonly url: string;
  /** The valid keys, the current one first. */
  readonly keys: () => readonly BridgeKey[];
  readonly clock: Clock;
  readonly random: Random;
}

const TIMEOUT_MS = 10_000;
/** An answer of the contract has less than 100 bytes. */
const LARGEST_ANSWER_BYTES = 4096;
const direction = 'push';

/** Creates a push to the gateway at this URL. */
export function createPush({ url, keys, clock, random }: PushOptions): Push {
  let keyAt = 0;

  return async (push, signal) => {
    const good = keys();
    const key = good[keyAt % good.length]!;
    const nonceHex = formatHex(random(16));
    const body = JSON.stringify(push);
    const request = { direction, method: 'POST', pathAndQuery: SETTLEMENTS_PATH, body } as const;
    const headers = signRequest(request, { key, nowSeconds: clock.nowSeconds(), nonceHex });
    let response: Response;
    let text: string | undefined;
    try {
      response = await fetch(url + SETTLEMENTS_PATH, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body,
        redirect: 'manual',
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
      });
      text = await readText(response);
    } catch {
      return refuse({ reason: 'unreachable', detail: 'the gateway cannot be reached, or does not answer in time' });
    }
    if (response.status === 401) {
      keyAt += 1;
      return refuse({ reason: 'unauthorized', detail: 'the gateway does not take the signature: do keys and clocks agree?' });
    }
    if (response.status === 404) return refuse({ reason: 'refused', detail: 'the gateway knows of no feed: is settlementFeed set there?' });
    if (response.status !== 200) return refuse({ reason: 'refused', detail: `the gateway answered ${response.status}` });
    const header = (name: string): string | null => response.headers.get(name);
    const isOurs = text !== undefined && checkAnswer({ direction, status: 200, body: text, nonceHex, header }, key);
    const answer = isOurs ? SettlementPushAnswer.safeParse(parseJson(text!)).data : undefined;
    if (answer === undefined)
      return refuse({ reason: 'answer_wrong', detail: 'the answer is not signed by the gateway, or not of the contract' });
    return accept(answer.index);
  };
}

async function readText(response: Response): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    // Leaving the loop closes the connection.
    if (length > LARGEST_ANSWER_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
