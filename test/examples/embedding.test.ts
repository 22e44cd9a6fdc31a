import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { embed } from '../../examples/embedding.ts';
import { textOf } from '../tidy/source.ts';

it('the embedding example defers a message and pushes it', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'restante-example-'));
  try {
    const lines: string[] = [];
    await embed(dir, (line) => lines.push(line));
    expect(lines).toEqual(['deferred: accepted', 'invited', 'received Lunch, noon?', 'bye']);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

it('README shows the example as it is, in at most 30 lines', () => {
  const example = textOf('examples/embedding.ts');
  const shown = example.slice(example.indexOf('export async function embed'));
  expect(textOf('README.md')).toContain(shown.trim());
  expect(shown.trim().split('\n').length).toBeLessThanOrEqual(30);
});
