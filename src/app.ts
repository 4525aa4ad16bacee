/*
 * The Worker's routes in reading order: its own health, then the gate for everything else. A gateway that is not
 * configured answers every request with the same 500 and says nothing of why.
 */
import { Hono } from 'hono/tiny';
import { gate } from '#gateway/gate.ts';
import { type GateDeps } from '#gateway/gate-deps.ts';
import { answerOrder } from '#gateway/operator.ts';
import { describeSituations } from '#gateway/refusals.ts';
import { OWN_ANSWER_HEADERS, problem } from '#gateway/refuse.ts';
import { answerPush } from '#gateway/settlement-push.ts';
import { type Result } from '#protocol/result.ts';
import { type Log } from './ports.ts';

/** Paths below this are the gateway's own; none is ever forwarded. */
export const OWN_PREFIX = '/_l402';

/** The gateway as an application; `log` is needed even when nothing else could be built. */
export function createApp(deps: Result<GateDeps, readonly string[]>, log: Log): Hono {
  const app = new Hono();
  app.onError((error, { req }) => {
    log('fault', { at: 'app', message: error.message, stack: error.stack });
    return problem(
      { code: 'internal_fault', detail: 'the gateway failed at this request' },
      { docsUrl: docsUrlOf(deps), method: req.method },
    );
  });
  if (!deps.ok) {
    for (const message of deps.refusal) log('config_invalid', { message });
    app.all('*', ({ req }) =>
      problem({ code: 'config_invalid', detail: 'the gateway is not configured' }, { docsUrl: '', method: req.method }),
    );
    return app;
  }
  app.get(`${OWN_PREFIX}/health`, ({ json }) =>
    json({ status: 'ok', network: deps.value.settings.network }, 200, { ...OWN_ANSWER_HEADERS }),
  );
  app.get(`${OWN_PREFIX}/codes`, ({ text }) => text(describeSituations(), 200, { ...OWN_ANSWER_HEADERS }));
  const { operator, settings, clock } = deps.value;
  if (operator !== undefined) {
    app.post(`${OWN_PREFIX}/control`, ({ req }) => answerOrder(req.raw, operator, { docsUrl: settings.docsUrl, clock, log }));
  }
  const { settlements } = deps.value;
  if (settlements !== undefined) {
    app.post(`${OWN_PREFIX}/settlements`, ({ req }) => answerPush(req.raw, settlements, { docsUrl: settings.docsUrl, log }));
  }
  // Whatever else stands below our prefix is neither sold nor forwarded.
  app.all(`${OWN_PREFIX}/*`, ({ req }) =>
    problem({ code: 'route_unknown', detail: 'no such page of the gateway' }, { docsUrl: docsUrlOf(deps), method: req.method }),
  );
  app.all('*', ({ req, executionCtx }) => gate(req.raw, deps.value, (work) => executionCtx.waitUntil(work)));
  return app;
}

function docsUrlOf(deps: Result<GateDeps, readonly string[]>): string {
  return deps.ok ? deps.value.settings.docsUrl : '';
}
