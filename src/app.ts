/*
 * The Worker as a Hono app, in reading order: the gateway's own pages, then the gate as middleware for everything else. An
 * unconfigured gateway answers every request with the same 500 and does not say why. Effects: the log, those of the gate.
 */
import { type MiddlewareHandler } from 'hono';
import { Hono } from 'hono/tiny';
import { gate } from '#gateway/gate.ts';
import { type GateDeps } from '#gateway/gate-deps.ts';
import { answerOrder } from '#gateway/operator.ts';
import { describeProblemTypes } from '#gateway/answers/refusals.ts';
import { OWN_ANSWER_HEADERS, problem } from '#gateway/answers/refuse.ts';
import { answerPush } from '#gateway/payment/settlement-push.ts';
import { type Result } from '#protocol/result.ts';
import { type Log } from './ports.ts';

/** Paths below this are the gateway's own and are never forwarded. */
export const OWN_PREFIX = '/_l402';

/** Creates the application; `log` is needed even if the dependencies could not be built. */
export function createApp(deps: Result<GateDeps, readonly string[]>, log: Log): Hono {
  const app = new Hono();
  app.onError((error, { req }) => {
    log('fault', { at: 'app', message: error.message, stack: error.stack });
    const detail = 'the gateway failed at this request';
    return problem({ code: 'internal_fault', detail }, { docsUrl: docsUrlOf(deps), method: req.method });
  });
  if (deps.ok) {
    addOwnPages(app, deps.value);
    app.use('*', l402(deps.value));
    return app;
  }
  for (const message of deps.refusal) log('config_invalid', { message });
  app.all('*', ({ req }) =>
    problem({ code: 'config_invalid', detail: 'the gateway is not configured' }, { docsUrl: '', method: req.method }),
  );
  return app;
}

/** Returns the gate as middleware: it answers every request that reaches it, and passes none on. */
export function l402(deps: GateDeps): MiddlewareHandler {
  return ({ req, executionCtx }) => gate(req.raw, deps, (work) => executionCtx.waitUntil(work));
}

function addOwnPages(app: Hono, { operator, settlements, settings, bodies, clock, log }: GateDeps): void {
  const { docsUrl, network } = settings;
  app.get(`${OWN_PREFIX}/health`, ({ json }) => json({ status: 'ok', network }, 200, { ...OWN_ANSWER_HEADERS }));
  app.get(`${OWN_PREFIX}/codes`, ({ text }) => text(describeProblemTypes(), 200, { ...OWN_ANSWER_HEADERS }));
  if (operator !== undefined) {
    app.post(`${OWN_PREFIX}/control`, ({ req }) => answerOrder(req.raw, operator, { docsUrl, bodies, clock, log }));
  }
  if (settlements !== undefined) {
    app.post(`${OWN_PREFIX}/settlements`, ({ req }) => answerPush(req.raw, settlements, { docsUrl, bodies, log }));
  }
  // Other paths below the prefix are neither sold nor forwarded.
  app.all(`${OWN_PREFIX}/*`, ({ req }) =>
    problem({ code: 'route_unknown', detail: 'no such page of the gateway' }, { docsUrl, method: req.method }),
  );
}

function docsUrlOf(deps: Result<GateDeps, readonly string[]>): string {
  return deps.ok ? deps.value.settings.docsUrl : '';
}
