/*
 * The Worker of the survival suite: the one that ships, under a short lease, with invoices that nobody can pay instead of
 * a node (its tokens are made beforehand), and silent but for faults.
 */
import { randomBytes } from '@noble/hashes/utils.js';
import { accept } from '#protocol/result.ts';
import { createApp } from '#src/app.ts';
import { createDeps, type Env } from '#src/deps.ts';
import { type Claims, type InvoiceOrder, type Lightning, type Log } from '#src/ports.ts';
import { jsonLog } from '#adapters/json-log.ts';
import { bytesField, FIELD, numberField, textField, writeInvoice } from '../../protocol/invoice-writer.ts';
import { LEASE_MS, MADE_AHEAD, SOLD_OUT, survivalGateway } from '../../survival/shop.ts';

export * from '#durable-objects/objects.ts';

const mintAs = async (firstByte: number, { amountMsat, memo, expirySeconds }: InvoiceOrder): ReturnType<Lightning['mint']> => {
  if (memo.startsWith(SOLD_OUT)) throw new Error(SOLD_OUT);
  const fields = [
    bytesField(FIELD.paymentHash, Uint8Array.of(firstByte, ...randomBytes(31))),
    textField(FIELD.description, memo),
    numberField(FIELD.expiry, expirySeconds),
  ];
  const timestamp = Math.floor(Date.now() / 1000);
  return { invoice: writeInvoice({ prefix: `lnbcrt${amountMsat * 10n}p`, timestamp, fields }), settlement: 'preimage' };
};
const lightning: Lightning = {
  mint: (order) => mintAs(0, order),
  mintBatch: (orders) => Promise.all(orders.map((order) => mintAs(MADE_AHEAD, order))),
  lookUp: () => Promise.reject(new Error('no node')),
};

const underShortLease = (claims: Claims): Claims => ({ reserve: (order) => claims.reserve({ ...order, leaseMs: LEASE_MS }) });

const log: Log = (event, fields) => {
  if ((event === 'fault' && fields['message'] !== SOLD_OUT) || event === 'config_invalid') jsonLog(event, fields);
};

let app: ReturnType<typeof createApp> | undefined;

const worker: ExportedHandler<Env> = {
  fetch(request, env, context) {
    if (app === undefined) {
      const deps = createDeps(env, survivalGateway);
      app = createApp(deps.ok ? accept({ ...deps.value, claims: underShortLease(deps.value.claims), lightning, log }) : deps, log);
    }
    return app.fetch(request, env, context);
  },
};

export default worker;
