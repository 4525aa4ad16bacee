/* Stands beside a gateway and asks its replay sets what it is told to: one order after the other, in JSON. */
const parseHex = (text) => Uint8Array.from(text.match(/../g), (byte) => Number.parseInt(byte, 16)).buffer;

async function obey(stub, { call, outcome, paymentHashHex, ...order }) {
  const request = { ...order, paymentHash: parseHex(paymentHashHex) };
  if (call === 'revoke') return (await stub.revoke(request)) ?? 'revoked';
  if (call === 'finish') return stub.finish({ ...request, outcome });
  const { answer, lease } = await stub.reserve(request);
  // Without an outcome the use stays in doubt.
  if (outcome === 'commit') await lease.commit();
  if (outcome === 'release') await lease.release();
  return answer;
}

export default {
  async fetch(request, { REPLAY_SET }) {
    const { objectName, orders } = await request.json();
    const stub = REPLAY_SET.get(REPLAY_SET.idFromName(objectName));
    const answers = [];
    for (const order of orders) answers.push(await obey(stub, order));
    return Response.json(answers);
  },
};
