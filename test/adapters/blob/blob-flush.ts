/** Which contents were told sealed before all of it was flushed, from a process's system calls. */
import type { SystemCall } from '../../controls/strace-trace.ts';

/** What strace has to record for it. */
export const TRACED =
  'openat,close,write,writev,pwrite64,pwritev,ftruncate,fdatasync,fsync,mkdir,rename';

const CHANGING = new Set(['write', 'writev', 'pwrite64', 'pwritev', 'ftruncate']);

/** A descriptor from its open to its end: numbers are used again. */
interface Descriptor {
  readonly path: string;
  readonly calls: SystemCall[];
}

interface Traced {
  readonly descriptors: readonly Descriptor[];
  /** The first line that told of each content, by name. */
  readonly told: ReadonlyMap<string, number>;
}

function traced(calls: readonly SystemCall[]): Traced {
  const open = new Map<string, Descriptor>();
  const descriptors: Descriptor[] = [];
  const told = new Map<string, number>();
  for (const call of calls) {
    const { name, text, entered } = call;
    if (name === 'openat') {
      const [, path = '', number = ''] = /"([^"]*)".* = (\d+)$/.exec(text) ?? [];
      const descriptor = { path, calls: [] };
      open.set(number, descriptor);
      descriptors.push(descriptor);
      continue;
    }
    const number = /^\d+/.exec(text)?.[0] ?? '';
    if (number === '1' && CHANGING.has(name)) {
      for (const [, sha256 = ''] of text.matchAll(/sealed ([0-9a-f]{64})/g)) {
        if (!told.has(sha256)) told.set(sha256, entered);
      }
    }
    if (call.succeeded) open.get(number)?.calls.push(call);
    if (name === 'close') open.delete(number);
  }
  return { descriptors, told };
}

export interface FlushVerdict {
  readonly told: number;
  /** What is wrong with each content that was told sealed too early. */
  readonly early: readonly string[];
}

/**
 * `toldElsewhere`: by another way than a line of output, by name.
 *
 * Before a content is told sealed: its file is flushed behind the last change of it, then renamed
 * to its name, then the folder of the name is flushed, and the folder above if that one is new.
 */
export function flushVerdict(
  calls: readonly SystemCall[],
  toldElsewhere?: ReadonlyMap<string, number>,
): FlushVerdict {
  const { descriptors, told: toldByLine } = traced(calls);
  const told = toldElsewhere ?? toldByLine;
  const renames = calls.filter(({ name, succeeded }) => name === 'rename' && succeeded);
  const made = calls.filter(({ name, succeeded }) => name === 'mkdir' && succeeded);

  function flushed(how: string, path: string, after: number, before: number): boolean {
    return descriptors
      .filter((descriptor) => descriptor.path === path)
      .flatMap((descriptor) => descriptor.calls)
      .some(({ name, entered, returned }) => name === how && entered > after && returned < before);
  }

  function wrong(sha256: string, toldAt: number): string | undefined {
    const rename = renames.find(({ text }) => text.includes(`/${sha256}"`));
    const [, from = '', to = ''] = /"([^"]*)", "([^"]*)"/.exec(rename?.text ?? '') ?? [];
    if (!rename || rename.returned > toldAt) return 'not renamed';
    const changes = descriptors
      .filter(({ path }) => path === from)
      .flatMap((descriptor) => descriptor.calls)
      .filter(({ name, entered }) => CHANGING.has(name) && entered < toldAt);
    const changed = Math.max(...changes.map(({ returned }) => returned));
    if (changes.length === 0) return 'never written';
    if (!flushed('fdatasync', from, changed, rename.entered)) return 'renamed before its flush';
    const folder = to.slice(0, to.lastIndexOf('/'));
    if (!flushed('fsync', folder, rename.returned, toldAt)) return 'its name is not flushed';
    const mkdir = made.find(({ text }) => text.startsWith(`"${folder}"`));
    const above = folder.slice(0, folder.lastIndexOf('/'));
    if (mkdir && !flushed('fsync', above, mkdir.returned, toldAt))
      return 'its folder is not flushed';
    return undefined;
  }

  const early = [...told].flatMap(([sha256, toldAt]) => {
    const why = wrong(sha256, toldAt);
    return why === undefined ? [] : [why];
  });
  return { told: told.size, early };
}
