import { describe, expect, it } from 'vitest';
import { bounded } from '../../../src/adapters/demo/bounded.ts';
import { parseReadyLine, startServer } from '../../../src/adapters/demo/server-process.ts';

const uninterrupted = new AbortController().signal;
const never = new Promise<never>(() => {});

describe('the ready line', () => {
  it('names every address', () => {
    const line =
      'ready sip=udp://127.0.0.1:5060,tcp://[::1]:5060 msrp=[::1]:2855 http=127.0.0.1:80';
    expect(parseReadyLine(line)).toEqual({
      sip: ['udp://127.0.0.1:5060', 'tcp://[::1]:5060'],
      msrp: '[::1]:2855',
      http: '127.0.0.1:80',
    });
  });

  it.each(['', 'ready', 'ready sip=x', '{"msg":"ready sip=a msrp=b http=c"}'])(
    'is not %j',
    (line) => {
      expect(parseReadyLine(line)).toBeUndefined();
    },
  );
});

describe('a server', () => {
  it('that ends before it is ready is a failure with its last words', async () => {
    const server = startServer('/nowhere/restante', []);
    await expect(server.ready).rejects.toThrow('the server ended (exit code 1), never ready');
    expect(server.lastLines().join('\n')).toContain('/nowhere/restante');
    expect(await server.exited).toBe('exit code 1');
  });
});

describe('a bounded wait', () => {
  it('says what was waited for', async () => {
    const wait = bounded('the BYE', never, { interrupted: uninterrupted, withinMs: 1 });
    await expect(wait).rejects.toThrow('waited 0.001 s in vain for the BYE');
  });

  it('ends when the user wants it', async () => {
    const stop = new AbortController();
    const wait = bounded('the BYE', never, { interrupted: stop.signal });
    stop.abort();
    await expect(wait).rejects.toThrow('interrupted while waiting for the BYE');
    await expect(bounded('x', never, { interrupted: stop.signal })).rejects.toThrow('interrupted');
  });

  it('gives what came in time', async () => {
    const came = bounded('it', Promise.resolve(7), { interrupted: uninterrupted });
    expect(await came).toBe(7);
  });
});
