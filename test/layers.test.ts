/*
 * Who may import whom (docs/architecture.md): every import of every file is held against this table.
 */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';

interface Layer {
  readonly files: string;
  readonly may: readonly RegExp[];
}

const NOBLE = /^@(noble|scure)\//;

/** The stages of a request's path, in the order of the path: each knows those before it, and how a refusal is answered. */
const STAGES = ['answers', 'request', 'routing', 'pricing', 'policy', 'payment', 'upstream'];
const earlier = (index: number) => new RegExp(`^\\.\\./(${STAGES.slice(0, index).join('|') || '(?!)'})/[a-z0-9-]+\\.ts$`);
/** What all stages speak of; types only. */
const PLAN = /^\.\.\/(gate-deps|admission|route|request-context)\.ts$/;

/** The first layer whose files match decides. */
const LAYERS: readonly Layer[] = [
  { files: 'src/protocol/*.ts', may: [/^\.\//, /^@noble\/hashes\//, /^@scure\/base$/, /^light-bolt11-decoder$/] },
  { files: 'durable-objects/*-rules.ts', may: [/^\.\/[a-z-]+-rules\.ts$/] },
  { files: 'durable-objects/*.ts', may: [/^\.\//, /^cloudflare:workers$/] },
  { files: 'lnd-bridge/{contract,request-auth}.ts', may: [/^\.\//, /^#protocol\//, NOBLE, /^zod\/mini$/] },
  { files: 'lnd-bridge/**/*.ts', may: [/^\.{1,2}\//, /^node:/, /^zod(\/mini)?$/, /^hono/, NOBLE, /^#protocol\//] },
  { files: 'client/node/*.ts', may: [/^\.{1,2}\/[a-z-]+\.ts$/, /^node:/, /^#protocol\//] },
  { files: 'client/**/*.ts', may: [/^\.\//, /^#protocol\//] },
  { files: 'src/ports.ts', may: [/^#protocol\//, /^#durable-objects\/[a-z-]+-rules\.ts$/] },
  ...STAGES.map((stage, index) => ({
    files: `src/gateway/${stage}/*.ts`,
    may: [/^\.\//, /^\.\.\/\.\.\/ports\.ts$/, /^#protocol\//, /^#schemes\/scheme\.ts$/, /^@noble\/hashes\//, earlier(index), PLAN],
  })),
  {
    files: 'src/gateway/*.ts',
    may: [/^\.\/[a-z/-]+\.ts$/, /^\.\.\/ports\.ts$/, /^#protocol\//, /^#schemes\/scheme\.ts$/],
  },
  { files: 'src/schemes/*/*.ts', may: [/^\.\//, /^\.\.\/[a-z-]+\.ts$/, /^\.\.\/\.\.\/ports\.ts$/, /^#protocol\//, /^@noble\/hashes\//] },
  { files: 'src/schemes/*.ts', may: [/^\.\//, /^\.\.\/ports\.ts$/, /^#protocol\//, /^@noble\/hashes\//] },
  {
    files: 'src/adapters/*.ts',
    may: [
      /^\.\//,
      /^\.\.\/ports\.ts$/,
      /^#protocol\//,
      /^#durable-objects\//,
      /^#lnd-bridge\/(contract|request-auth)\.ts$/,
      /^node:crypto$/,
    ],
  },
  {
    files: 'src/config/*.ts',
    may: [/^\.\//, /^\.\.\/ports\.ts$/, /^#(protocol|gateway)\//, /^#schemes\/scheme\.ts$/, /^zod\/mini$/, /^@noble\/hashes\//],
  },
  {
    files: 'src/*.ts',
    may: [/^\.\//, /^\.\.\/gateway\.config\.ts$/, /^#(protocol|gateway|schemes|durable-objects)\//, /^hono/],
  },
  { files: '{gateway.config.ts,examples/*/gateway.config.ts}', may: [/^l402-edge\/config$/] },
  { files: 'local/*.ts', may: [/^\.\//, /^node:/, /^#durable-objects\/object-table\.ts$/, /^#protocol\//, /^#lnd-bridge\//, /^#client\//] },
  {
    files: '{scripts,bench}/**/*.ts',
    may: [/^\.{1,2}\//, /^node:/, /^#(protocol|client|local|lnd-bridge|support|bench)\//, /^#src\/config\/config\.ts$/, /^autocannon$/],
  },
];

const files = [...new Set(LAYERS.flatMap((layer) => globSync(layer.files)))].toSorted();

function importsOf(file: string): readonly string[] {
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(/(?:from|import)\s+'([^']+)'/g)].map((match) => match[1]!);
}

const ALIASES = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly imports: Readonly<Record<string, string>> };

/** The file that an import names; nothing for a package. */
function resolveImport(name: string, from: string): string | undefined {
  if (name.startsWith('.')) return normalize(join(dirname(from), name));
  const alias = Object.entries(ALIASES.imports).find(([pattern]) => name.startsWith(pattern.slice(0, -1)));
  return alias === undefined ? undefined : normalize(alias[1].replace('*', name.slice(alias[0].length - 1)));
}

describe('layers', () => {
  it.each(files)('%s imports only what its layer may', (file) => {
    const layer = LAYERS.find(({ files: pattern }) => globSync(pattern).includes(file))!;
    const foreign = importsOf(file).filter((name) => !layer.may.some((pattern) => pattern.test(name)));
    expect(foreign).toEqual([]);
  });

  it.each(['src/ports.ts', ...['gate-deps', 'admission', 'route', 'request-context'].map((name) => `src/gateway/${name}.ts`)])(
    '%s has types only',
    (file) => {
      const text = readFileSync(file, 'utf8');
      for (const [, names = ''] of text.matchAll(/import \{([^}]*)\}/g)) {
        for (const name of names.split(',')) if (name.trim() !== '') expect(name.trim()).toMatch(/^type /);
      }
      expect(text).not.toMatch(/^export (const|function|async|class)/m);
    },
  );

  it('no file imports itself by way of others, types included', () => {
    const targets = new Map(files.map((file) => [file, importsOf(file).flatMap((name) => resolveImport(name, file) ?? [])]));
    const done = new Set<string>();
    const walk = (file: string, path: readonly string[]) => {
      if (path.includes(file)) expect.fail(`a circle: ${[...path.slice(path.indexOf(file)), file].join(' → ')}`);
      if (done.has(file)) return;
      for (const target of targets.get(file) ?? []) walk(target, [...path, file]);
      done.add(file);
    };
    for (const file of files) walk(file, []);
    expect(done.size).toBeGreaterThan(150);
  });

  it('no pure file reads a clock or draws at random', () => {
    const pure = [...globSync('src/protocol/*.ts'), ...globSync('durable-objects/*-rules.ts')];
    for (const file of pure) expect(readFileSync(file, 'utf8'), file).not.toMatch(/Date\.now|new Date|Math\.random|getRandomValues/);
  });

  it('M29: nothing asks the platform to serve the origin for free when the Worker fails', () => {
    const shipped = [...globSync('{src,durable-objects,test/workerd/entries}/**/*.{ts,js}'), ...globSync('*.{ts,toml,jsonc}')];
    expect(shipped.length).toBeGreaterThan(40);
    for (const file of shipped) expect(readFileSync(file, 'utf8'), file).not.toContain('passThroughOnException');
  });

  it('a credential is read in one place, so that no two readings of it can differ', () => {
    const readers = globSync('{src,durable-objects}/**/*.ts').filter((file) =>
      /splitAuthorization\(|parseMetadataMacaroon\(/.test(readFileSync(file, 'utf8')),
    );
    expect(readers.toSorted()).toEqual(['src/protocol/credential-header.ts', 'src/schemes/l402/present.ts']);
  });

  it('no port has more than six methods', () => {
    const ports = readFileSync('src/ports.ts', 'utf8').split(/^export /m);
    expect(ports.length).toBeGreaterThan(10);
    for (const port of ports) expect(port.match(/=> /g)?.length ?? 0, port.split('\n')[0]).toBeLessThanOrEqual(6);
  });

  it('no file is longer than 400 lines', () => {
    const all = [...files, ...globSync('test/**/*.ts')];
    for (const file of all) expect(readFileSync(file, 'utf8').split('\n').length, file).toBeLessThanOrEqual(401);
  });
});
