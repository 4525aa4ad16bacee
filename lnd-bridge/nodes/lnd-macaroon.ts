/*
 * What an LND macaroon allows, read from the macaroon itself: its identifier lists the permissions, and the node refuses an
 * altered one. Caveats only narrow, so the list is the most that it can do. Pure.
 */
import { type Macaroon, decodeMacaroon } from '#protocol/macaroon-codec.ts';
import { parseHex } from '#protocol/bytes.ts';

/** The permissions of a macaroon, each `entity:action`. */
export type Permissions = ReadonlySet<string>;

export interface MacaroonAudit {
  /** Permissions that could move money out or make a stronger macaroon; also unknown ones. */
  readonly spending: readonly string[];
  /** Calls that the bridge needs and this macaroon does not allow. */
  readonly missing: readonly string[];
}

/** The bridge's calls to LND, each with the permissions of which one suffices. */
const NEEDED: Readonly<Record<string, readonly string[]>> = {
  AddInvoice: ['invoices:write', 'uri:/lnrpc.Lightning/AddInvoice'],
  LookupInvoice: ['invoices:read', 'uri:/lnrpc.Lightning/LookupInvoice'],
  SubscribeSingleInvoice: ['invoices:read', 'uri:/invoicesrpc.Invoices/SubscribeSingleInvoice'],
};

/** The same, if its payments are followed. */
const NEEDED_FOR_FEED = { ...NEEDED, SubscribeInvoices: ['invoices:read', 'uri:/lnrpc.Lightning/SubscribeInvoices'] };

/** Reading, receiving and nothing else. `address:write` creates addresses of the node's own wallet. */
const HARMLESS = new Set([
  'invoices:read',
  'invoices:write',
  'address:read',
  'address:write',
  'onchain:read',
  'offchain:read',
  'info:read',
  'message:read',
  'peers:read',
  'signer:read',
  ...[
    'AddInvoice',
    'LookupInvoice',
    'ListInvoices',
    'SubscribeInvoices',
    'GetInfo',
    'ChannelBalance',
    'WalletBalance',
    'ListChannels',
    'DecodePayReq',
  ].map((name) => `uri:/lnrpc.Lightning/${name}`),
  ...['SubscribeSingleInvoice', 'LookupInvoiceV2', 'AddHoldInvoice', 'SettleInvoice', 'CancelInvoice'].map(
    (name) => `uri:/invoicesrpc.Invoices/${name}`,
  ),
  'uri:/lnrpc.State/GetState',
]);

/** Compares a macaroon with what the bridge needs; `undefined` if it is not a readable LND macaroon. */
export function auditMacaroon(macaroonHex: string, { hasFeed = false }: { hasFeed?: boolean } = {}): MacaroonAudit | undefined {
  const needed: typeof NEEDED = hasFeed ? NEEDED_FOR_FEED : NEEDED;
  const bytes = parseHex(macaroonHex);
  const decoded = bytes === undefined ? undefined : decodeMacaroon(bytes);
  const permissions = decoded?.ok === true ? readPermissions(decoded.value) : undefined;
  if (permissions === undefined) return undefined;
  return {
    spending: [...permissions].filter((permission) => !HARMLESS.has(permission)),
    missing: Object.keys(needed).filter((call) => !needed[call]!.some((permission) => permissions.has(permission))),
  };
}

/**
 * Reads the permissions. Bakery version 3, then a protobuf message: nonce = 1, storage id = 2, repeated op = 3 { entity = 1,
 * repeated action = 2 }.
 */
function readPermissions({ identifier }: Macaroon): Permissions | undefined {
  if (identifier[0] !== 3) return undefined;
  const fields = readFields(identifier.slice(1));
  const permissions = new Set<string>();
  for (const { number, content } of fields ?? []) {
    if (number !== 3) continue;
    const op = readFields(content);
    const entity = op?.find((field) => field.number === 1);
    if (op === undefined || entity === undefined) return undefined;
    for (const action of op.filter((field) => field.number === 2)) permissions.add(`${text(entity.content)}:${text(action.content)}`);
  }
  return fields === undefined || permissions.size === 0 ? undefined : permissions;
}

interface Field {
  readonly number: number;
  readonly content: Uint8Array;
}

/** Reads protobuf fields. Every field of this message has a length (wire type 2); anything else is another message. */
function readFields(bytes: Uint8Array): readonly Field[] | undefined {
  const fields: Field[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const tag = bytes[offset]!;
    const length = readVarint(bytes, offset + 1);
    if ((tag & 7) !== 2 || tag >= 0x80 || length === undefined || length.next + length.value > bytes.length) return undefined;
    fields.push({ number: tag >> 3, content: bytes.slice(length.next, length.next + length.value) });
    offset = length.next + length.value;
  }
  return fields;
}

function readVarint(bytes: Uint8Array, offset: number): { value: number; next: number } | undefined {
  const first = bytes[offset];
  if (first === undefined) return undefined;
  if (first < 0x80) return { value: first, next: offset + 1 };
  const second = bytes[offset + 1];
  // Two bytes reach 16,383: longer than any macaroon that is accepted.
  return second === undefined || second >= 0x80 ? undefined : { value: (first & 0x7f) | (second << 7), next: offset + 2 };
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
