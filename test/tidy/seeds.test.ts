/** A property test without a fixed seed is red on one machine and green on the next. */
import { describe, expect, it } from 'vitest';
import { filesBelow, isNode, type Node, parse, textOf, walk } from './source.ts';

/** `{ seed, … }`, or anything that is not written out on the spot. */
function hasSeed(parameters: Node | undefined): boolean {
  if (parameters?.type !== 'ObjectExpression') return parameters !== undefined;
  return (parameters.properties as readonly Node[]).some(
    ({ type, key }) => type === 'SpreadElement' || (isNode(key) && key.name === 'seed'),
  );
}

function violations(file: string, text: string): readonly string[] {
  const found: string[] = [];
  walk(parse(file, text), ({ type, callee, arguments: given, start }) => {
    if (type !== 'CallExpression' || !isNode(callee) || callee.type !== 'MemberExpression') return;
    const { object, property } = callee;
    if (!isNode(object) || object.name !== 'fc' || !isNode(property)) return;
    if (property.name !== 'assert' && property.name !== 'check') return;
    if (hasSeed((given as readonly Node[])[1])) return;
    const line = text.slice(0, Number(start)).split('\n').length;
    found.push(
      `${file}:${line}: fc.${property.name} without a seed. Instead: ` +
        '{ seed: Number(process.env.RESTANTE_SEED ?? 20261122) }',
    );
  });
  return found;
}

describe('seeds', () => {
  it('are given to every property', () => {
    const tests = filesBelow('test').filter((file) => file.endsWith('.ts'));
    expect(tests.flatMap((file) => violations(file, textOf(file)))).toEqual([]);
  });

  it('rules can fail', () => {
    const file = 'test/sample.test.ts';
    expect(violations(file, '\nfc.assert(property);')).toEqual([
      expect.stringContaining(`${file}:2: `),
    ]);
    expect(violations(file, 'fc.assert(property, { numRuns: 9 });')).toHaveLength(1);
    expect(violations(file, 'fc.assert(property, { seed, numRuns: 9 });')).toEqual([]);
    expect(violations(file, 'fc.assert(property, { ...fixed, numRuns: 9 });')).toEqual([]);
    expect(violations(file, 'fc.assert(property, fixed);')).toEqual([]);
  });
});
