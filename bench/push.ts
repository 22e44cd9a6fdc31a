import type { DepositReport } from '../test/controls/load-deposits.ts';
import { cpuMicros, loadPeer, loadReport } from '../test/controls/load-process.ts';
import type { PushReport } from '../test/controls/load-pushes.ts';
import { startServer } from '../test/controls/server.ts';
import type { Bench, Measured } from './store.ts';

const DEPOSITS = 'test/controls/load-deposits.ts';
const CLIENT = 'test/controls/load-pushes.ts';
const ECHO = 'test/controls/load-echo.ts';
const ROUNDS = 3;
const MESSAGES = 5_000;
const BODY_BYTES = 1_024;
/** `push.window`: so many frames of the floor are in the air, too. */
const WINDOW = 32;
const ECHO_COUNT = 20_000;

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}

/** Rounds of push and floor in turn, each push to a subscriber of its own. */
async function push(): Promise<readonly Measured[]> {
  const server = await startServer({ args: ['--log-level', 'error'] });
  const echo = await loadPeer(ECHO, {});
  const pid = server.process.pid ?? 0;
  try {
    const pushes = [];
    // The first runs before the code is compiled and does not count.
    for (let round = 0; round <= ROUNDS; round += 1) {
      const user = `pushed${round}`;
      const load = { user, run: `p${pid}r${round}`, inFlight: 64, count: MESSAGES };
      const same = { ...load, transport: 'tcp', bodyBytes: BODY_BYTES };
      await loadReport<DepositReport>(DEPOSITS, { ...same, port: server.sipPort });
      const before = await cpuMicros(pid);
      const report = await loadReport<PushReport>(CLIENT, { sipPort: server.sipPort, user });
      const micros = ((await cpuMicros(pid)) - before) / MESSAGES;
      if (report.distinct !== MESSAGES) {
        throw new Error(`${report.distinct} of ${MESSAGES} messages were pushed`);
      }
      const frames = { ...same, inFlight: WINDOW, count: ECHO_COUNT, port: Number(echo.line) };
      const floor = (await loadReport<DepositReport>(DEPOSITS, frames)).perSecond;
      if (round > 0) pushes.push({ ...report, micros, floor });
    }
    const what = `push of ${BODY_BYTES} B messages, each acknowledged`;
    return [
      {
        what,
        figure: median(pushes.map(({ perSecond }) => perSecond)),
        unit: '1/s',
        ratio: median(pushes.map(({ perSecond, floor }) => perSecond / floor)),
        floor: 'TCP echo',
      },
      { what: `${what}, CPU`, figure: median(pushes.map(({ micros }) => micros)), unit: 'µs' },
    ];
  } finally {
    echo.process.kill();
    await server.remove();
  }
}

export const benches: readonly Bench[] = [{ name: 'push: one session', run: push }];
