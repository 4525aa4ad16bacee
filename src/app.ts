/*
 * The Worker's routes in reading order: its own health, then the gate for everything else. A gateway that is not
 * configured answers every request with the same 500 and says nothing of why. A request that cannot be for a page of the
 * gateway's own goes to the gate at once: a router in between costs a tenth of what a pass does.
 */
import { Hono } from 'hono/tiny';
import { gate } from '#gateway/gate.ts';
import { type GateDeps } from '#gateway/gate-deps.ts';
import { answerOrder } from '#gateway/operator.ts';
import { describeSituations } from '#gateway/answers/refusals.ts';
import { OWN_ANSWER_HEADERS, problem } from '#gateway/answers/refuse.ts';
import { answerPush } from '#gateway/payment/settlement-push.ts';
import { type Result } from '#protocol/result.ts';
import { type Log } from './ports.ts';

/** Paths below this are the gateway's own; none is ever forwarded. */
export const OWN_PREFIX = '/_l402';

export interface App {
  readonly fetch: (request: Request, env: unknown, context: ExecutionContext) => Response | Promise<Response>;
}

/** The gateway as an application; `log` is needed even when nothing else could be built. */
export function createApp(deps: Result<GateDeps, readonly string[]>, log: Log): App {
  const fault = (error: Error, method: string) => {
    log('fault', { at: 'app', message: error.message, stack: error.stack });
    return problem({ code: 'internal_fault', detail: 'the gateway failed at this request' }, { docsUrl: docsUrlOf(deps), method });
  };
  const pages = createPages(deps, log);
  pages.onError((error, { req }) => fault(error, req.method));
  return {
    fetch(request, env, context) {
      if (!deps.ok || mayBeOwn(request.url)) return pages.fetch(request, env, context);
      return gate(request, deps.value, (work) => context.waitUntil(work)).catch((error: Error) => fault(error, request.method));
    },
  };
}

/** Whether any reading of the address could come out below our prefix; the router decides about those. */
function mayBeOwn(url: string): boolean {
  return url.includes(OWN_PREFIX) || url.includes('%');
}

function createPages(deps: Result<GateDeps, readonly string[]>, log: Log): Hono {
  const app = new Hono();
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
  const { operator, settings, bodies, clock } = deps.value;
  if (operator !== undefined) {
    app.post(`${OWN_PREFIX}/control`, ({ req }) => answerOrder(req.raw, operator, { docsUrl: settings.docsUrl, bodies, clock, log }));
  }
  const { settlements } = deps.value;
  if (settlements !== undefined) {
    app.post(`${OWN_PREFIX}/settlements`, ({ req }) => answerPush(req.raw, settlements, { docsUrl: settings.docsUrl, bodies, log }));
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
