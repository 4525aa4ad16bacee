/*
 * The text of docs/configuration.md, from the schemas and the doc comments at their keys. Effects: reads the sources.
 */
import { globSync, readFileSync } from 'node:fs';
import { GatewaySchema, VariablesSchema } from '#src/config/config.ts';
import { describeKeys, findMissing, SECRET_NAME, type DescribedKey, type KeySection, type Schema } from './configuration-keys.ts';
import { findKeys, readConstants } from './doc-comments.ts';

export const PAGE_PATH = 'docs/configuration.md';

const HEAD = `# Configuration

Written by \`npm run docs\` from the schemas in src/ and their comments; a test holds it to them. Do not edit it.

gateway.config.ts says what is sold, and is bundled with the Worker. Variables say where it runs. Keys are Worker secrets.

An unknown or wrong key stops the gateway: it answers every request with 500 \`config_invalid\`, and the log lists the problems, each by
its key and never with a value. \`npm start\`, \`npm run build\` and \`npm run deploy\` tell you before that. Some problems appear only
after others are fixed: while a variable, or a key other than \`origin\` and \`routes\`, has a wrong form, the file as a whole is not checked;
and a route with a wrong form is not checked further. Complete files are in [examples](../examples/).

A key without a default is optional unless marked \`needed\`.
`;

const TOKEN_SECRETS = `
The secrets that sign tokens are named \`TOKEN_SECRET_0\` to \`TOKEN_SECRET_255\`, each at least 32 bytes of hex. The one that
TOKEN_KEY_ID names must be there; the others are read for tokens that they have signed. [Operations](operations.md) says how to change them.
`;

/** Returns the whole page. */
export function writePage(): string {
  const [vars] = readSections('VariablesSchema', VariablesSchema);
  const [file, ...objects] = readSections('GatewaySchema', GatewaySchema);
  return [
    HEAD,
    formatTable({ title: '## gateway.config.ts', keys: file!.keys }),
    ...formatObjects(objects),
    formatTable({ title: '## Variables', keys: vars!.keys.filter(({ name }) => !SECRET_NAME.test(name)) }),
    formatTable({ title: '## Secrets', keys: vars!.keys.filter(({ name }) => SECRET_NAME.test(name)) }),
    TOKEN_SECRETS,
  ].join('');
}

/** Returns the tables of one schema, by the name of its constant in src/config/config.ts. */
export function readSections(name: string, schema: Schema): readonly KeySection[] {
  const constants = new Map(globSync('src/config/*.ts').map((path) => [path, readConstants(path, readFileSync(path, 'utf8'))] as const));
  const written = constants.get('src/config/config.ts')?.get(name);
  if (written === undefined) throw new RangeError(`name: no constant ${name} in src/config/config.ts`);
  const sections = describeKeys(schema, { written: findKeys(written, constants), constants });
  // A new key without a comment fails here.
  const missing = findMissing(sections);
  if (missing.length > 0) throw new Error(missing.join('\n'));
  return sections;
}

/** Formats the objects; those with the same keys share a table. */
function formatObjects(objects: readonly KeySection[]): readonly string[] {
  const places = new Map<string, string[]>();
  for (const { place, keys } of objects) {
    const table = formatTable({ title: '', keys });
    places.set(table, [...(places.get(table) ?? []), `\`${place}\``]);
  }
  return [...places].map(([table, of]) => `\n### ${of.join(', ')}${table}`);
}

function formatTable({ title, keys }: { title: string; keys: readonly DescribedKey[] }): string {
  const rows = keys.map((key) => `| ${cellsOf(key).join(' | ')} |\n`);
  return `${title === '' ? '' : `\n${title}`}\n\n| Key | Default | Unit | Takes | Example | What it is |\n|---|---|---|---|---|---|\n${rows.join('')}`;
}

function cellsOf({ name, standard, unit, takes, example, words }: DescribedKey): readonly string[] {
  const value = standard === 'needed' ? standard : quote(standard);
  return [quote(name), value, unit, takes, quote(example), words].map((cell) => (cell === '' ? '–' : cell.replaceAll('|', '\\|')));
}

function quote(text: string): string {
  return text === '' ? '' : `\`${text}\``;
}
