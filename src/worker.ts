/*
 * The Worker round a seller's configuration: built at the first request, then kept. A gateway that could not be built
 * stays refused until it is deployed anew.
 */
import { jsonLog } from './adapters/json-log.ts';
import { createApp } from './app.ts';
import { type Gateway } from './config.ts';
import { createDeps, type Env } from './deps.ts';

/** A Worker that sells what the configuration says. */
export function createWorker(gateway: Gateway): ExportedHandler<Env> {
  let app: ReturnType<typeof createApp> | undefined;
  return {
    fetch(request, env, context) {
      app ??= createApp(createDeps(env, gateway), jsonLog);
      return app.fetch(request, env, context);
    },
  };
}
