import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { LABEL_VALUES_MAX, openMetrics } from '../../../src/adapters/http/metrics.ts';
import { type HttpOptions, type HttpServer, openHttp } from '../../../src/adapters/http/server.ts';

const open: HttpServer[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((http) => http.close()));
});

async function started(options: Partial<HttpOptions> = {}) {
  const metrics = openMetrics();
  const faults: unknown[] = [];
  const opened = await openHttp({
    listen: { host: '127.0.0.1', port: 0 },
    readiness: () => 'ready',
    metrics,
    onFault: (path, fault) => faults.push([path, fault]),
    ...options,
  });
  if (opened.kind === 'failure') throw new Error(opened.what);
  open.push(opened.http);
  const get = (path: string, init?: RequestInit) =>
    fetch(`http://127.0.0.1:${opened.http.port}${path}`, init);
  return { get, metrics, faults, http: opened.http };
}

describe('http', () => {
  it('/healthz answers while the process lives, ready or not', async () => {
    const { get } = await started({ readiness: () => 'starting' });
    const answer = await get('/healthz');
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ status: 'alive' });
  });

  it('/readyz says 503 with a reason until ready, and again while draining', async () => {
    let readiness: 'starting' | 'ready' | 'draining' = 'starting';
    const { get } = await started({ readiness: () => readiness });
    const answers = [];
    for (readiness of ['starting', 'ready', 'draining'] as const) {
      const answer = await get('/readyz');
      answers.push([answer.status, await answer.json()]);
    }
    expect(answers).toEqual([
      [503, { status: 'starting', reason: expect.stringContaining('log') }],
      [200, { status: 'ready' }],
      [503, { status: 'draining', reason: expect.stringContaining('shutting down') }],
    ]);
  });

  it('/metrics tells what was counted, timed and watched', async () => {
    const { get, metrics } = await started();
    metrics.inputCounted({ machine: 'mailbox', outcome: 'refused', reason: 'stale' });
    metrics.inputCounted({ machine: 'mailbox', outcome: 'accepted' });
    metrics.signalCounted({ protocol: 'sip', direction: 'in', kind: 'MESSAGE' });
    metrics.refusedTrafficCounted('unparsable');
    metrics.effectCounted({ name: 'sendBye', outcome: 'done' });
    metrics.depositTimed(0.003);
    metrics.appendTimed(0.002);
    metrics.watchOpenDeliveries(() => 3);
    metrics.watchSipConnections(() => ({ tcp: 2, tls: 0 }));
    metrics.watchCertificate(() => 1_800_000_000_000);
    metrics.watchSipTransactions(() => ({ clients: 1, servers: 4, waits: 5 }));
    const answer = await get('/metrics');
    const text = await answer.text();
    expect(answer.headers.get('content-type')).toContain('text/plain');
    expect(text.split('\n')).toEqual(
      expect.arrayContaining([
        'restante_inputs_total{machine="mailbox",outcome="refused",reason="stale"} 1',
        'restante_inputs_total{machine="mailbox",outcome="accepted",reason=""} 1',
        'restante_signals_total{protocol="sip",direction="in",kind="MESSAGE"} 1',
        'restante_refused_traffic_total{reason="unparsable"} 1',
        'restante_effects_total{name="sendBye",outcome="done"} 1',
        'restante_deposit_seconds_count 1',
        'restante_append_seconds_bucket{le="0.0025"} 1',
        'restante_open_deliveries 3',
        'restante_tls_certificate_expiry_timestamp_seconds 1800000000',
        'restante_sip_connections{transport="tcp"} 2',
        'restante_sip_connections{transport="tls"} 0',
        'restante_sip_transactions{side="client"} 1',
        'restante_sip_transactions{side="server"} 4',
        'restante_sip_timers 5',
      ]),
    );
    expect(text).toContain('restante_process_cpu_seconds_total');
  });

  it('strangers cannot make time series without end', async () => {
    const { metrics } = await started();
    for (let n = 0; n < 10 * LABEL_VALUES_MAX; n += 1) {
      metrics.signalCounted({ protocol: 'sip', direction: 'in', kind: `M${n}"\n` });
    }
    const lines = (await metrics.text()).split('\n');
    const series = lines.filter((line) => line.startsWith('restante_signals_total{'));
    expect(series).toHaveLength(LABEL_VALUES_MAX + 1);
    expect(series.at(-1)).toMatch(/kind="other"\} 576$/);
  });

  it.each([
    ['/', 'GET'],
    ['/metrics', 'POST'],
    ['/..%2f..', 'GET'],
  ])('%s %s is answered by a problem document', async (path, method) => {
    const { get } = await started();
    const answer = await get(path, { method });
    expect(answer.status).toBe(404);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(await answer.json()).toMatchObject({ status: 404, title: 'there is nothing here' });
  });

  it('an answer that cannot be made is a 500 without its insides, and is told of', async () => {
    const metrics = openMetrics();
    const { get, faults } = await started({ metrics });
    metrics.watchOpenDeliveries(() => Promise.reject(new Error('secret insides')));
    const answer = await get('/metrics');
    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toContain('secret insides');
    expect(faults).toEqual([['/metrics', new Error('secret insides')]]);
  });

  it('a port in use is a failure that says what to do', async () => {
    const { http } = await started();
    const second = await openHttp({
      listen: { host: '127.0.0.1', port: http.port },
      readiness: () => 'ready',
      metrics: openMetrics(),
      onFault: () => {},
    });
    expect(second).toMatchObject({
      kind: 'failure',
      what: expect.stringContaining(`127.0.0.1 port ${http.port}`),
      todo: expect.stringContaining('--http-listen'),
    });
  });

  it('listens on IPv6 and closes although a client holds its connection', async () => {
    const { http } = await started({ listen: { host: '::1', port: 0 } });
    expect(http.host).toBe('::1');
    const client = connect(http.port, '::1');
    client.on('error', () => {});
    await new Promise((resolve) => client.once('connect', resolve));
    await http.close();
    client.destroy();
  });
});
