import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import type { Metrics } from './metrics.ts';

export interface HttpOptions {
  /** Port 0: any free one. */
  readonly listen: { readonly host: string; readonly port: number };
  /** `starting`: recovery is not done yet; `draining`: deliveries are being ended. */
  readiness(): 'starting' | 'ready' | 'draining';
  readonly metrics: Pick<Metrics, 'contentType' | 'text'>;
  /** Told of an answer that could not be made. */
  onFault(path: string, fault: unknown): void;
}

export interface HttpServer {
  readonly host: string;
  readonly port: number;
  /** Takes no more requests; resolves when those in hand are answered, or cut after a while. */
  close(): Promise<void>;
}

export type OpenHttp =
  | { readonly kind: 'open'; readonly http: HttpServer }
  | { readonly kind: 'failure'; readonly what: string; readonly todo: string };

/** A reader of metrics that takes longer is cut off at close. */
const CLOSE_WITHIN_MS = 2_000;

const REASONS = {
  starting: 'the log is being read and what was open is being taken up again',
  draining: 'the server is shutting down',
} as const;

/** RFC 9457 problem details. */
function problem(context: Context, status: 404 | 500, title: string): Response {
  context.header('content-type', 'application/problem+json');
  return context.body(
    JSON.stringify({ type: 'about:blank', title, status, instance: context.req.path }),
    status,
  );
}

function routes(options: HttpOptions): Hono {
  const { metrics } = options;
  const app = new Hono();
  app.use(async (context, next) => {
    await next();
    context.header('cache-control', 'no-store');
    context.header('x-content-type-options', 'nosniff');
  });
  app.get('/healthz', (context) => context.json({ status: 'alive' }));
  app.get('/readyz', (context) => {
    const status = options.readiness();
    if (status === 'ready') return context.json({ status });
    return context.json({ status, reason: REASONS[status] }, 503);
  });
  app.get('/metrics', async (context) => {
    const text = await metrics.text();
    return context.body(text, 200, { 'content-type': metrics.contentType });
  });
  app.notFound((context) => problem(context, 404, 'there is nothing here'));
  app.onError((fault, context) => {
    options.onFault(context.req.path, fault);
    return problem(context, 500, 'the answer could not be made');
  });
  return app;
}

function failure(listen: HttpOptions['listen'], error: NodeJS.ErrnoException): OpenHttp {
  const { host, port } = listen;
  const what = `HTTP cannot listen on ${host} port ${port}: ${error.message}`;
  const todo =
    error.code === 'EADDRINUSE'
      ? 'stop the process that has the port, or choose another with --http-listen'
      : 'give an address of this machine with --http-listen';
  return { kind: 'failure', what, todo };
}

/** Answers `/healthz`, `/readyz` and `/metrics`. Resolves when the port is open, or is not to be had. */
export function openHttp(options: HttpOptions): Promise<OpenHttp> {
  const server = createAdaptorServer({ fetch: routes(options).fetch });
  return new Promise((resolve) => {
    server.once('error', (error) => resolve(failure(options.listen, error)));
    server.listen(options.listen.port, options.listen.host, () => {
      const { address, port } = server.address() as AddressInfo;
      const close = () =>
        new Promise<void>((closed) => {
          const cut = setTimeout(() => {
            if ('closeAllConnections' in server) server.closeAllConnections();
          }, CLOSE_WITHIN_MS);
          server.close(() => {
            clearTimeout(cut);
            closed();
          });
          if ('closeIdleConnections' in server) server.closeIdleConnections();
        });
      resolve({ kind: 'open', http: { host: address, port, close } });
    });
  });
}
