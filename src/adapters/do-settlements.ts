/*
 * The settlements port over one Durable Object. A push from the bridge is checked like a request to the bridge (signature,
 * time, contract), then passed to the object, which knows the index of each feed (M24, M28). Effects: one object call.
 */
import { type Settlements as SettlementsObject } from '#durable-objects/settlements.ts';
import { SettlementPush, type SettlementPushAnswer } from '#lnd-bridge/contract.ts';
import { checkRequest, signAnswer, type BridgeKey } from '#lnd-bridge/request-auth.ts';
import { accept, refuse } from '#protocol/result.ts';
import { type Clock, type Settlements } from '../ports.ts';

/** How far the clocks of gateway and bridge may differ. */
const MAX_SKEW_SECONDS = 60;
const OBJECT_NAME = 'settlements/1';
const direction = 'push';

/** Creates the settlements port for the object of a namespace. */
export function createDurableSettlements(
  namespace: DurableObjectNamespace<SettlementsObject>,
  { key, clock }: { readonly key: BridgeKey; readonly clock: Clock },
): Settlements {
  const stub = () => namespace.get(namespace.idFromName(OBJECT_NAME));
  return {
    isSettled: async (paymentHashHex) => stub().isSettled(paymentHashHex),
    async takePush(request) {
      const nowSeconds = Math.floor(clock() / 1000);
      const checked = checkRequest({ ...request, direction }, { keys: [key], nowSeconds, maxSkewSeconds: MAX_SKEW_SECONDS });
      if (!checked.ok) return refuse({ code: 'push_unauthorized', detail: checked.refusal.detail });
      const { nonceHex } = checked.value;
      const push = SettlementPush.safeParse(parseJson(request.body)).data;
      const nonceEndsAtSeconds = nowSeconds + 2 * MAX_SKEW_SECONDS;
      const taken = push === undefined ? 'malformed' : await stub().take({ ...push, nonceHex, nonceEndsAtSeconds });
      if (taken === 'replayed') return refuse({ code: 'push_unauthorized', detail: 'this push was here before' });
      if (taken === 'malformed')
        return refuse({ code: 'push_invalid', detail: 'not payments in their sequence, as the contract has them' });
      const body = JSON.stringify({ index: taken.index } satisfies typeof SettlementPushAnswer._zod.output);
      return accept({ body, headers: signAnswer({ direction, status: 200, body, nonceHex }, key) });
    },
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
