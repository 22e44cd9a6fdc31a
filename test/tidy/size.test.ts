/** A file is one subject; a long one is usually two. Line length is the linter's. */
import { describe, expect, it } from 'vitest';
import { filesBelow, matches, textOf } from './source.ts';

/** The first limit that matches a file holds for it; `aim` only prints. */
const limits: readonly { readonly files: string; readonly most: number; readonly aim: number }[] = [
  // What moves a machine stays in one file, however many states it has.
  { files: 'src/machines/*/machine.ts', most: 450, aim: 300 },
  { files: 'src/**', most: 350, aim: 250 },
  { files: 'test/**.ts', most: 400, aim: 300 },
];

function lines(text: string): number {
  return text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
}

function judge(file: string, text: string): { tooLong: string[]; nearly: string[] } {
  const limit = limits.find(({ files }) => matches(files, file));
  const size = lines(text);
  if (!limit || size <= limit.aim) return { tooLong: [], nearly: [] };
  const says = `${file}: ${size} lines, at most ${limit.most}, better ${limit.aim}`;
  return size > limit.most
    ? { tooLong: [`${says}. Instead: split it by subject`], nearly: [] }
    : { tooLong: [], nearly: [says] };
}

describe('size', () => {
  it('of each file stays within its limit', () => {
    const verdicts = [...filesBelow('src'), ...filesBelow('test')].map((file) =>
      judge(file, textOf(file)),
    );
    const nearly = verdicts.flatMap((verdict) => verdict.nearly);
    if (nearly.length > 0) console.warn(`Long files:\n${nearly.join('\n')}`);
    expect(verdicts.flatMap((verdict) => verdict.tooLong)).toEqual([]);
  });

  it('rules can fail', () => {
    const long = (count: number) => 'x\n'.repeat(count);
    expect(judge('src/wire/sip/uri.ts', long(351)).tooLong).toHaveLength(1);
    expect(judge('src/wire/sip/uri.ts', long(350))).toMatchObject({ tooLong: [] });
    expect(judge('src/wire/sip/uri.ts', long(251)).nearly).toHaveLength(1);
    expect(judge('src/wire/sip/uri.ts', long(250)).nearly).toEqual([]);
    expect(judge('src/machines/mailbox/machine.ts', long(400)).tooLong).toEqual([]);
    expect(judge('src/machines/mailbox/machine.ts', long(451)).tooLong).toHaveLength(1);
    expect(judge('test/wire/sip/uri.test.ts', long(451)).tooLong).toHaveLength(1);
  });
});
