import { describe, expect, it } from 'vitest';
import { type LogOptions, openLog } from '../../../src/adapters/log/pino-log.ts';

function opened(level: LogOptions['level']) {
  const lines: string[] = [];
  const log = openLog({ level, destination: { write: (line) => lines.push(line) } });
  return { log, lines, records: () => lines.map((line) => JSON.parse(line)) };
}

describe('log', () => {
  it('writes one line an event, with level, time and fields', () => {
    const { log, lines, records } = opened('info');
    log.info('listening', { transport: 'udp', port: 5060 });
    log.error('appendFailed');
    log.debug('unseen');
    expect(lines.every((line) => line.indexOf('\n') === line.length - 1)).toBe(true);
    expect(records()).toEqual([
      {
        level: 'info',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
        event: 'listening',
        transport: 'udp',
        port: 5060,
      },
      { level: 'error', time: expect.any(String), event: 'appendFailed' },
    ]);
  });

  it('shows text off the wire, however deep, and never octets', () => {
    const { log, records } = opened('info');
    const wire = 'x\u001b[2J\u202egpj\r\n';
    log.warn('refused', {
      startLine: wire,
      parts: [{ name: wire }],
      octets: new TextEncoder().encode('a secret'),
      fault: new Error(wire),
    });
    const shown = 'x\\x1b[2J\\u{202e}gpj\\x0d\\x0a';
    expect(records()[0]).toMatchObject({
      startLine: shown,
      parts: [{ name: shown }],
      octets: '8 octets',
      fault: { name: 'Error', message: shown },
    });
  });

  it('a silent log is silent', () => {
    const { log, lines } = opened('silent');
    log.error('appendFailed');
    expect(lines).toEqual([]);
  });
});
