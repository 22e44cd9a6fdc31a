import { describe, expect, it } from 'vitest';
import {
  type Chapter,
  chapterJson,
  chapterText,
  failureChapter,
  messageLines,
} from '../../../src/adapters/demo/chapter.ts';

const chapter: Chapter = {
  name: 'crash',
  headline: 'The server is killed',
  lines: ['process 1 got SIGKILL', ''],
  facts: { waiting: 3 },
};

describe('chapter', () => {
  it('for a person is a numbered headline and indented lines', () => {
    expect(chapterText(chapter, 3)).toBe('3. The server is killed\n   process 1 got SIGKILL\n\n\n');
  });

  it('for a program is one line of JSON', () => {
    const line = chapterJson({ ...chapter, facts: { text: 'a\nb' } }, 3);
    expect(line.indexOf('\n')).toBe(line.length - 1);
    expect(JSON.parse(line)).toEqual({
      chapter: 3,
      name: 'crash',
      headline: 'The server is killed',
      text: 'a\nb',
    });
  });

  it('shows what a message says, as far as it says it, and no control characters', () => {
    expect(messageLines({ from: '<sip:j@x>', subject: 'a\u001b[31m', text: 'hi' })).toEqual([
      '“hi”',
      '    From: <sip:j@x>',
      '    Subject: a\\x1b[31m',
    ]);
  });

  it('of a failure says why, and what the server said last', () => {
    const { headline, lines } = failureChapter('waited 15 s in vain', ['port in use\u0007']);
    expect(headline).toContain('waited 15 s in vain');
    expect(lines).toEqual(['the server said last:', '  port in use\\x07']);
  });
});
