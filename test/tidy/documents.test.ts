/** Documents: one title, links that lead somewhere, short enough to be read. */
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exists, filesBelow, matches, textOf } from './source.ts';

const linesMost = 300;
/** Generated from the code, as long as the code wants. */
const generated = 'docs/{machines/**,conformance.md,events.md}';

/** Without fenced blocks: a `# comment` in a shell example is no title. */
function prose(text: string): string {
  return text.replace(/^(```|~~~)[\s\S]*?^\1.*$/gm, '');
}

function violations(
  file: string,
  text: string,
  leads: (path: string) => boolean,
): readonly string[] {
  const found: string[] = [];
  const titles = prose(text).match(/^# .+$/gm)?.length ?? 0;
  if (titles !== 1) found.push(`${file}: ${titles} titles ('# …'). Instead: exactly one`);
  const lines = text.split('\n').length - 1;
  if (lines > linesMost && !matches(generated, file)) {
    found.push(`${file}: ${lines} lines, at most ${linesMost}. Instead: split it by reader`);
  }
  for (const [, link = ''] of prose(text).matchAll(/\]\(<?([^)\s>]+)>?[^)]*\)/g)) {
    const [path = ''] = link.split('#');
    if (path === '' || /^[a-z]+:/.test(path)) continue;
    if (leads(join(dirname(file), path))) continue;
    found.push(`${file}: the link '${link}' leads nowhere. Instead: name a file, relative to it`);
  }
  return found;
}

/** The changelog speaks of what is not released yet, or of the version that package.json has. */
function hasVersion(changelog: string, version: string): boolean {
  const titles = changelog.match(/^## .*$/gm) ?? [];
  return titles.some((title) => title.includes('[Unreleased]') || title.includes(`[${version}]`));
}

const documents = filesBelow().filter((file) => file.endsWith('.md'));

describe('documents', () => {
  it('have one title, links that lead somewhere, and an end', () => {
    expect(documents.flatMap((file) => violations(file, textOf(file), exists))).toEqual([]);
  });

  it('tell users what changed', () => {
    const { version } = JSON.parse(textOf('package.json'));
    expect(hasVersion(textOf('CHANGELOG.md'), version)).toBe(true);
  });

  it('of decisions are numbered without a gap', () => {
    const numbers = filesBelow('docs/decisions').map((file) => file.split('/')[2]?.slice(0, 4));
    const expected = numbers.map((_, index) => String(index).padStart(4, '0'));
    expect(numbers).toEqual(expected);
  });
});

describe('the document rules can fail', () => {
  const leads = (path: string) => path === 'docs/style.md';
  it.each([
    ['no title', 'words\n'],
    ['two titles', '# One\n\n# Two\n'],
    ['a link that leads nowhere', '# One\n\n[there](there.md)\n'],
    ['too long', `# One\n${'\n'.repeat(300)}`],
  ])('%s', (_, text) => {
    expect(violations('docs/sample.md', text, leads)).toHaveLength(1);
  });

  it('a good document passes', () => {
    const text =
      '# One\n\n```sh\n# comment\n```\n\n[rules](style.md#names) [us](https://a.example)\n';
    expect(violations('docs/sample.md', text, leads)).toEqual([]);
  });

  it('a changelog without the version', () => {
    expect(hasVersion('# Changelog\n\n## [0.0.1] - 2026-01-01\n', '0.1.0')).toBe(false);
    expect(hasVersion('# Changelog\n\n## [Unreleased]\n', '0.1.0')).toBe(true);
  });
});
