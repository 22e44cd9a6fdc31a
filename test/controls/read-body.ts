import { type BodySource, bodySource } from '../../src/wire/msrp/body-source.ts';
import { joinOctets } from '../../src/wire/msrp/render.ts';

const CHUNK_BYTES = 4_096;

/** All octets of an outgoing body, as a session reads them; a text says why there are none. */
export async function readBody(body: Uint8Array | BodySource): Promise<Uint8Array | string> {
  const source = bodySource(body);
  const parts: Uint8Array[] = [];
  let at = 0;
  while (at < source.bytes) {
    let wake = (): void => {};
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const read = source.read(at, CHUNK_BYTES, wake);
    if (read === 'later') await woken;
    else if (read instanceof Uint8Array) {
      parts.push(read);
      at += read.length;
    } else {
      source.close();
      return read.failed;
    }
  }
  source.close();
  return joinOctets(parts);
}
