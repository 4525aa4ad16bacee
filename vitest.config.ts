/* One run, three places: Node, workerd (through the Workers plugin), real sockets against raw workerd; and real Lightning nodes. */
import { cloudflareTest } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';

// One seed for the run, so that what failed can be played again.
const survivalSeed = Number((process.env['SURVIVAL_SEED'] ??= String(Math.floor(Math.random() * 2 ** 31))));
const isSurvivalLong = process.env['SURVIVAL_LONG'] === '1';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'node',
          include: ['test/**/*.test.ts'],
          exclude: ['test/workerd/**', 'test/e2e/**', 'test/lnd/**', 'test/survival/**'],
        },
      },
      {
        plugins: [cloudflareTest({ wrangler: { configPath: './wrangler.toml' } })],
        test: {
          name: 'workerd',
          // The protocol room and the client run in both places, with the same tests.
          include: ['test/workerd/**/*.test.ts', 'test/protocol/**/*.test.ts', 'test/client/**/*.test.ts'],
          exclude: ['test/**/*.node.test.ts'],
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/support/build-worker.ts'],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        // Real btcd and lnd, built with Go. Not part of `npm test`.
        test: {
          name: 'lnd',
          include: ['test/lnd/**/*.test.ts'],
          globalSetup: ['test/lnd/global-setup.ts'],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      // Minutes, not seconds: `npm run test:survival`, not a part of `npm test`.
      {
        test: {
          name: 'survival',
          include: ['test/survival/*.test.ts'],
          globalSetup: ['test/survival/build-worker.ts'],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
      {
        plugins: [cloudflareTest({ wrangler: { configPath: './wrangler.toml' } })],
        test: {
          name: 'survival-workerd',
          include: ['test/survival/workerd/*.test.ts'],
          provide: { survivalSeed, isSurvivalLong },
        },
      },
    ],
  },
});
