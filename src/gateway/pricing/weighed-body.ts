/*
 * Bodies that decide a price: by their length, by what a pricing service reads in them, or by fields that a form must not
 * contain. The priced body must be the one that the origin processes (M39): 100 KiB of text compress to 300 bytes. Pure.
 */
import { foldFieldName } from '../request/field-name.ts';
import { type GatewayRefusal } from '../answers/refusals.ts';
import { type Route } from '../route.ts';

/** Returns why the body of this request cannot be priced in its encoding; checked before anything is sold. */
export function findEncodedBody(
  { sale, refusedInForm }: Pick<Route, 'sale' | 'refusedInForm'>,
  headers: Headers,
): GatewayRefusal | undefined {
  if (sale.kind !== 'paid') return undefined;
  const { price } = sale;
  const isWeighed = price.kind === 'size' || (price.kind === 'service' && price.bodyPrefixBytes !== undefined);
  if (!isWeighed && refusedInForm.length === 0) return undefined;
  for (const [name, value] of headers) {
    const usual = USUAL_CODINGS[foldFieldName(name)];
    // Servers differ on whether they read the field under another spelling of its name.
    if (usual === undefined || (name === usual.name && value.toLowerCase() === usual.value)) continue;
    return { code: 'encoding_unsupported', detail: `the body decides the price, and ${usual.name} is not ${usual.value}` };
  }
  return undefined;
}

const USUAL_CODINGS: Readonly<Record<string, { readonly name: string; readonly value: string } | undefined>> = {
  'content-encoding': { name: 'content-encoding', value: 'identity' },
  'transfer-encoding': { name: 'transfer-encoding', value: 'chunked' },
};
