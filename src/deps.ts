/*
 * From the platform's env to what the gate works with: the only file that touches bindings and secrets.
 */
import { type ReplaySet } from '#durable-objects/replay-set.ts';
import { type GateDeps } from '#gateway/gate-deps.ts';
import { accept, refuse, type Result } from '#protocol/result.ts';
import { createKeyRing } from '#schemes/key-ring.ts';
import { createBridgeLightning } from './adapters/bridge-lightning.ts';
import { createDurableClaims } from './adapters/do-claims.ts';
import { jsonLog } from './adapters/json-log.ts';
import { nodeHmac } from './adapters/node-hmac.ts';
import { platformClock, platformOrigin, platformRandom, platformWait } from './adapters/platform.ts';
import { readConfig, type Gateway } from './config.ts';

export interface Env {
  readonly REPLAY_SET?: DurableObjectNamespace<ReplaySet>;
}

/** Builds everything once, or lists what is missing and wrong. */
export function createDeps(env: Env, gateway: Gateway): Result<GateDeps, readonly string[]> {
  const config = readConfig(gateway, env as Readonly<Record<string, unknown>>);
  const missing = env.REPLAY_SET === undefined ? ['REPLAY_SET: the Durable Object namespace of ReplaySet is not bound'] : [];
  if (!config.ok) return refuse([...config.refusal, ...missing]);
  if (env.REPLAY_SET === undefined) return refuse(missing);
  const { settings, bridge, tokenKeys, warnings } = config.value;
  for (const warning of warnings) jsonLog('config_warning', { message: warning });
  const { skewSeconds } = settings;
  return accept({
    settings,
    lightning: createBridgeLightning({ ...bridge, clock: platformClock, random: platformRandom }),
    claims: createDurableClaims(env.REPLAY_SET),
    keys: createKeyRing({ ...tokenKeys, skewSeconds, hmac: nodeHmac, clock: platformClock }),
    hmac: nodeHmac,
    origin: platformOrigin,
    clock: platformClock,
    random: platformRandom,
    wait: platformWait,
    log: jsonLog,
  });
}
