/*
 * The claims port over Durable Objects: one object call to reserve, the outcome on the same session. If the session is lost
 * (deploy, object moved) the outcome is recorded by reservation id on a new stub (M10). An object is created where its token
 * was sold (M45). Effects: object calls.
 */
import { regionOfClaimObject } from '#protocol/token-id.ts';
import { type Outcome } from '#durable-objects/claim-rules.ts';
import { type ClaimRequest, type ReplaySet } from '#durable-objects/replay-set.ts';
import { type ClaimOrder, type Claims, type NoteFirst, type RevokeClaim } from '../ports.ts';
import { placedIn } from './object-places.ts';

/** Attempts with new stubs after a lost session. The runtime itself retries calls that never reached the object. */
const MOST_ATTEMPTS = 3;

/** Creates the claims port for the objects of a namespace. */
export function createDurableClaims(
  namespace: DurableObjectNamespace<ReplaySet>,
): Claims & { readonly revoke: RevokeClaim; readonly noteFirst: NoteFirst } {
  const stubFor = (objectName: string) => namespace.get(namespace.idFromName(objectName), placedIn(regionOfClaimObject(objectName)));
  return {
    async revoke({ objectName, paymentHash, endsAtSeconds }) {
      await attempt(() => stubFor(objectName).revoke({ paymentHash: paymentHash.slice().buffer, endsAtSeconds }));
    },
    noteFirst: ({ objectName, paymentHash, endsAtSeconds }) =>
      attempt(() => stubFor(objectName).noteFirst({ paymentHash: paymentHash.slice().buffer, endsAtSeconds })),
    async reserve({ objectName, paymentHash, ...order }: ClaimOrder) {
      const request: ClaimRequest = { paymentHash: paymentHash.slice().buffer, ...order };
      const { reservationId, endsAtSeconds } = order;
      // Repeating a reservation grants it again, so a retry after an unclear failure is safe.
      const session = await attempt(() => stubFor(objectName).reserve(request));
      const { answer, lease } = session;
      if (answer.kind !== 'granted' || lease === undefined) {
        session[Symbol.dispose]();
        if (answer.kind === 'granted') throw new Error('a granted claim came without a lease');
        return answer;
      }
      const finish = async (outcome: Outcome) => {
        try {
          await (outcome.kind === 'commit' ? lease.commit(outcome.cost) : lease.release(outcome.cools));
        } catch {
          await attempt(() => stubFor(objectName).finish({ paymentHash: request.paymentHash, reservationId, outcome, endsAtSeconds }));
        } finally {
          session[Symbol.dispose]();
        }
      };
      return { ...answer, lease: { finish } };
    },
  };
}

async function attempt<Answer>(call: () => Promise<Answer>): Promise<Answer> {
  for (let attempts = 1; ; attempts++) {
    try {
      return await call();
    } catch (error) {
      // Retrying makes an overloaded object worse.
      if (attempts === MOST_ATTEMPTS || (error as { overloaded?: boolean }).overloaded === true) throw error;
    }
  }
}
