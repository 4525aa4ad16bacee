/*
 * Bodies that decide a price: by their length, by what a pricing service reads in them, or by what a form in them must not
 * say. What is priced is what the origin works on (M39): 100 KiB of text are 300 bytes when they are compressed. Pure.
 */
import { foldFieldName } from '../request/field-name.ts';
import { type GatewayRefusal } from '../answers/refusals.ts';
import { type Route } from '../route.ts';

/** Why the body of this request cannot be priced as it comes; asked before anything is sold. */
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
    // Under another spelling of its name some servers read the field, and some do not.
    if (usual === undefined || (name === usual.name && value.toLowerCase() === usual.value)) continue;
    return { code: 'encoding_unsupported', detail: `the body decides the price, and ${usual.name} is not ${usual.value}` };
  }
  return undefined;
}

const USUAL_CODINGS: Readonly<Record<string, { readonly name: string; readonly value: string } | undefined>> = {
  'content-encoding': { name: 'content-encoding', value: 'identity' },
  'transfer-encoding': { name: 'transfer-encoding', value: 'chunked' },
};
