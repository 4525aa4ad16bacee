/*
 * What vitest.config.ts hands to the suite inside workerd. Types only.
 */
import 'vitest';

declare module 'vitest' {
  export interface ProvidedContext {
    survivalSeed: number;
    isSurvivalLong: boolean;
  }
}
