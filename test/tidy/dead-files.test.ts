/** Every file in src is reachable from an entry: what nobody imports is dead. */
import { describe, expect, it } from 'vitest';
import { exists, filesBelow, importsOf, targetOf, textOf } from './source.ts';

const entries = [
  'src/index.ts',
  'src/testing.ts',
  'src/main.ts',
  // Declares globals for tsconfig.pure.json.
  'src/pure-globals.d.ts',
];

function unreachable(
  files: readonly string[],
  from: readonly string[],
  targets: (file: string) => readonly string[],
): readonly string[] {
  const reached = new Set<string>();
  const waiting = from.filter((file) => files.includes(file));
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (reached.has(file)) continue;
    reached.add(file);
    waiting.push(...targets(file));
  }
  return files.filter((file) => !reached.has(file));
}

describe('dead files', () => {
  it.each(entries)('the entry %s exists', (entry) => {
    expect(exists(entry), `${entry} is missing; package.json or a tsconfig names it`).toBe(true);
  });

  it('there are none in src', () => {
    const targets = (file: string) =>
      importsOf(file, textOf(file))
        .map(({ specifier }) => targetOf(file, specifier))
        .filter((target) => exists(target) && target.startsWith('src/'));
    const dead = unreachable(filesBelow('src'), entries, targets);
    expect(dead, 'reachable from no entry: use them or remove them').toEqual([]);
  });

  it('would be found', () => {
    const imports: Record<string, string[]> = { main: ['used'], used: ['main'], dead: ['used'] };
    const found = unreachable(Object.keys(imports), ['main'], (file) => imports[file] ?? []);
    expect(found).toEqual(['dead']);
  });
});
