/*
 * wrangler.toml as wrangler reads it: what a deployment logs, and what a call may cost its operator.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { unstable_readConfig } from 'wrangler';
import { OBJECTS } from '#durable-objects/object-table.ts';

const { observability, limits, durable_objects: objects } = unstable_readConfig({ config: 'wrangler.toml' });

describe('wrangler.toml', () => {
  it('keeps every line of the gateway: sales are told nowhere else', () => {
    expect(observability).toMatchObject({ enabled: true, head_sampling_rate: 1, logs: { enabled: true, head_sampling_rate: 1 } });
  });

  it('M27: has the platform log no header fields and no queries', () => {
    expect(observability).toMatchObject({ redact_query_string: true, logs: { invocation_logs: false } });
  });

  it('binds every Durable Object of the table, and no other; the Worker exports each class', () => {
    expect(
      Object.fromEntries(
        objects.bindings.map(({ name, class_name: className }: { name: string; class_name: string }) => [name, className]),
      ),
    ).toEqual(OBJECTS);
    const exported = readFileSync('durable-objects/objects.ts', 'utf8').matchAll(/export \{ (\w+) \}/g);
    expect(Array.from(exported, ([, name]) => name).toSorted()).toEqual(Object.values(OBJECTS).toSorted());
  });

  it('bounds what one call may cost: below what the platform allows, above what the largest body takes that is sold by size', () => {
    // Measured: 5.4 seconds for 512 MiB; sold is 1 GiB at most. The platform's own limit is 30 seconds.
    expect(limits?.cpu_ms).toBeGreaterThan(2 * 5400);
    expect(limits?.cpu_ms).toBeLessThan(30_000);
  });
});
