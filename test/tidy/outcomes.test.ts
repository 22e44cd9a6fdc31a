/** The table of outcomes in docs/sip.md and the tests that prove it name the same. */
import { describe, expect, it } from 'vitest';
import { filesBelow, textOf } from './source.ts';

const SECTION = '## What becomes of a push';

/** What the last column of the section's table names. */
function namedIn(document: string): readonly string[] {
  const start = document.indexOf(SECTION);
  const end = document.indexOf('\n## ', start + SECTION.length);
  const section = document.slice(start, end < 0 ? undefined : end);
  return [...section.matchAll(/\| `([^`]+)` *\|$/gm)].map(([, title = '']) => title);
}

/** Titles as they stand in the source: of rows, and of tests. */
function titlesIn(source: string): readonly string[] {
  const found = source.matchAll(/^\s*(?:title: |test\(\s*)'([^']+)'/gm);
  return [...found].map(([, title = '']) => title);
}

/** What one names and the other does not, with what to do. */
function differences(named: readonly string[], titles: readonly string[]): readonly string[] {
  const unknown = named.filter((title) => !titles.includes(title));
  const missing = titles.filter((title) => !named.includes(title));
  return [
    ...unknown.map((title) => `docs/sip.md: no test is called '${title}'. Instead: its title`),
    ...missing.map((title) => `docs/sip.md: no row names '${title}'. Instead: add the outcome`),
  ];
}

describe('the outcomes of a push', () => {
  it('are those that the tests prove', () => {
    const files = filesBelow('test/conformance').filter((file) => file.includes('/push-outcomes'));
    const titles = files.flatMap((file) => titlesIn(textOf(file)));
    expect(titles.length).toBeGreaterThan(50);
    expect(differences(namedIn(textOf('docs/sip.md')), titles)).toEqual([]);
  });
});

describe('the rule of outcomes can fail', () => {
  const source = "  test('one', async () => {});\n  {\n    title: 'two',\n  },\n";
  const table = (...rows: string[]) =>
    `${SECTION}\n\n${rows.map((title) => `| a | b | \`${title}\` |\n`).join('')}\n## Next\n\n| \`x\` |\n`;

  it.each([
    ['a row without a test', table('one', 'two', 'three')],
    ['a test without a row', table('one')],
  ])('%s', (_, document) => {
    expect(differences(namedIn(document), titlesIn(source))).toHaveLength(1);
  });

  it('the same on both sides passes', () => {
    expect(differences(namedIn(table('two', 'one')), titlesIn(source))).toEqual([]);
  });
});
