/*
 * Writes the vectors that this project generates into test/vectors: `node test/protocol/write-vectors.ts`. Needed only
 * when a recipe is added; the tests hold the files against the recipes. The token files are frozen: only add to them.
 */
import { writeFile } from 'node:fs/promises';
import { INVOICE_VECTORS } from './invoice-recipes.ts';
import { writeMintedTokens, writeTokenIds } from './token-recipes.ts';

const files = { 'invoices.json': INVOICE_VECTORS, 'token-ids.json': writeTokenIds(), 'minted-tokens.json': await writeMintedTokens() };
for (const [name, vectors] of Object.entries(files)) {
  await writeFile(new URL(`../vectors/${name}`, import.meta.url), `${JSON.stringify(vectors, null, 2)}\n`);
}
