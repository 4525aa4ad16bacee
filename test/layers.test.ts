/*
 * Who may import whom (docs/architecture.md): every import of every file is held against this table.
 */
import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

interface Layer {
  readonly files: string;
  readonly may: readonly RegExp[];
}

const NOBLE = /^@(noble|scure)\//;

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
  { files: 'src/gateway/*.ts', may: [/^\.\//, /^\.\.\/ports\.ts$/, /^#protocol\//, /^#schemes\//, /^@noble\/hashes\//] },
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
    files: 'src/*.ts',
    may: [
      /^\.\//,
      /^\.\.\/gateway\.config\.ts$/,
      /^#(protocol|gateway|schemes|durable-objects)\//,
      /^hono/,
      /^zod\/mini$/,
      /^@noble\/hashes\//,
    ],
  },
  { files: '{gateway.config.ts,examples/*/gateway.config.ts}', may: [/^l402-edge\/config$/] },
  { files: 'local/*.ts', may: [/^\.\//, /^node:/, /^#protocol\//, /^#lnd-bridge\//, /^#client\//] },
  {
    files: '{scripts,bench}/**/*.ts',
    may: [/^\.{1,2}\//, /^node:/, /^#(protocol|client|local|lnd-bridge|support|bench)\//, /^#src\/config\.ts$/, /^autocannon$/],
  },
];

const files = [...new Set(LAYERS.flatMap((layer) => globSync(layer.files)))].toSorted();

function importsOf(file: string): readonly string[] {
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(/(?:from|import)\s+'([^']+)'/g)].map((match) => match[1]!);
}

describe('layers', () => {
  it.each(files)('%s imports only what its layer may', (file) => {
    const layer = LAYERS.find(({ files: pattern }) => globSync(pattern).includes(file))!;
    const foreign = importsOf(file).filter((name) => !layer.may.some((pattern) => pattern.test(name)));
    expect(foreign).toEqual([]);
  });

  it('ports.ts imports types only', () => {
    const values = readFileSync('src/ports.ts', 'utf8').match(/import \{(?!\s*type )[^}]*\}/g);
    expect(values).toBeNull();
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
    expect(readers.toSorted()).toEqual(['src/gateway/request-facts.ts', 'src/protocol/credential-header.ts']);
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
