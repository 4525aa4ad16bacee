/*
 * The Worker around a seller's configuration: built at the first request, then kept. A gateway that could not be built
 * refuses requests until it is deployed again. Effects: those of the app.
 */
import { refillPools } from '#gateway/payment/pool-round.ts';
import { boundLog } from './adapters/bounded-log.ts';
import { jsonLog } from './adapters/json-log.ts';
import { platformClock } from './adapters/platform.ts';
import { createApp } from './app.ts';
import { type Gateway } from './config/config.ts';
import { createDeps, type Env } from './deps.ts';

/** Creates a Worker that sells according to the configuration. */
export function createWorker(gateway: Gateway): ExportedHandler<Env> {
  let built: { readonly deps: ReturnType<typeof createDeps>; readonly app: ReturnType<typeof createApp> } | undefined;
  const build = (env: Env) => {
    const deps = createDeps(env, gateway);
    return { deps, app: createApp(deps, boundLog(jsonLog, platformClock)) };
  };
  return {
    fetch(request, env, context) {
      built ??= build(env);
      return built.app.fetch(request, env, context);
    },
    async scheduled(_, env) {
      built ??= build(env);
      if (built.deps.ok) await refillPools(built.deps.value);
    },
  };
}
