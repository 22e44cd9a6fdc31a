/** Words that this project does not use, and what it uses instead (docs/style.md). */
import { describe, expect, it } from 'vitest';
import { codeOf, filesBelow, matches, textOf } from './source.ts';

interface Rule {
  readonly word: RegExp;
  /** Where it is forbidden. */
  readonly files: string;
  /** The one place that needs it, and says there why. */
  readonly except?: string;
  /** `code`: comments and strings do not count. `text`: everything does. */
  readonly in: 'code' | 'text';
  readonly instead: string;
  /** A line that breaks the rule: the rule's own test. */
  readonly bad: string;
}

const code = '{src,test,bench,examples,console}/**';
const pure =
  'src/{{wire,machines,engine,deferral,projections,audit,verify}/**,adapters/{store,blob}/memory.ts}';
const decisions = 'src/{{machines,projections}/**,engine/{decide,replay}.ts}';
const chart = 'src/machines/*/machine.ts';
const clock = 'take it from the input, or from the Clock port';
const actors = 'a chart only moves: ask for an effect, its outcome comes back as an input';

// A letter in brackets keeps a word from being found here.
const rules: readonly Rule[] = [
  {
    word: /^\s*export \*/m,
    files: code,
    in: 'code',
    instead: 'list the names; import from the file that defines them',
    bad: "export * from './message.ts';",
  },
  {
    word: /\bexport default\b/,
    files: code,
    in: 'code',
    instead: 'a named export',
    bad: 'export default 1;',
  },
  {
    word: /^\s*(export\s+)?(declare\s+)?(const\s+)?enum\s+\w/m,
    files: code,
    in: 'code',
    instead: 'a union of string literals',
    bad: 'export enum Priority { Urgent }',
  },
  {
    word: /^\s*(export\s+)?(declare\s+)?namespace\s+\w/m,
    files: code,
    in: 'code',
    instead: 'a module of its own',
    bad: 'namespace Sip {}',
  },
  {
    word: /\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\.now\b/,
    files: pure,
    in: 'code',
    instead: clock,
    bad: 'const at = new Date();',
  },
  {
    word: /\bset(Timeout|Interval|Immediate)\b/,
    files: pure,
    in: 'code',
    instead: 'the Clock port, or the effect startTimer',
    bad: 'setTimeout(retry, 500);',
  },
  {
    word: /\bMath\.random\b|\brandomUUID\b|\bgetRandomValues\b/,
    files: pure,
    in: 'code',
    instead: 'the Identifiers port; an id that comes in with the input',
    bad: 'const tag = Math.random();',
  },
  {
    word: /\bprocess\.\w/,
    files: pure,
    in: 'code',
    instead: 'a parameter that main.ts passes in',
    bad: 'const home = process.env;',
  },
  {
    word: /\bawait\b|\basync\b/,
    files: decisions,
    in: 'code',
    instead: 'decisions and projections are plain functions; the runner waits',
    bad: 'const row = await views.get(key);',
  },
  {
    word: /\bcreateActor\b/,
    files: 'src/**',
    // An actor that is never started is the only way to the scope that transitions run in.
    except: 'src/engine/decide.ts',
    in: 'code',
    instead: 'decide() with plain state: no live actors',
    bad: 'const actor = createActor(chart);',
  },
  {
    word: /\b(after|invoke)\s*:/,
    files: chart,
    in: 'code',
    instead: `the effect startTimer with a recorded dueAt; ${actors}`,
    bad: 'inviting: { after: { 1000: retry } }',
  },
  {
    word: /\b(spawn|spawnChild|raise|sendTo|sendParent|enqueueActions|fromPromise|fromCallback)\s*\(/,
    files: chart,
    in: 'code',
    instead: actors,
    bad: "actions: raise({ type: 'RetryDue' })",
  },
  {
    word: /\b(it|test|describe)(\.\w+)*\.only\s*\(/,
    files: 'test/**',
    in: 'code',
    instead: "run one test with: script/test -t 'its title'",
    bad: "it.only('works', run);",
  },
  {
    word: /\b(it|test|describe)(\.\w+)*\.(skip|todo)\s*\(|\.skip\(\s*\)/,
    files: 'test/**',
    in: 'code',
    instead: "it.skipIf(condition), or context.skip('why'), which is printed",
    bad: "it.skip('works', run);",
  },
  {
    word: /\bTO[D]O\b|\bFIXM[E]\b|\bXX[X]\b/,
    files: '{src,test,bench,examples,console,script,bin,docs}/**',
    in: 'text',
    instead: 'do it, or open an issue; the code says what is',
    bad: '// TO'.concat('DO: later'),
  },
  {
    word: /\/(wor[k]|far[m])\//,
    files: '**',
    in: 'text',
    instead: 'a path relative to the repository',
    bad: "readFile('/wor".concat("k/main/a.bin')"),
  },
  {
    word: /"resolved": *"[a-z+]+:/,
    files: 'package-lock.json',
    in: 'text',
    instead: 'npm install with the .npmrc of this repository, which leaves hosts out',
    bad: '"resolved": "https://registry.example/a.tgz"',
  },
];

/** Names that say nothing about what is inside. */
const emptyName = /^(.+-)?(utils?|helpers?|common|misc|shared|managers?|services?)$/;
const kebabCase = /^[a-z0-9]+(-[a-z0-9]+)*$/;

/** Each violation as `file:line: …`. */
function wordViolations(file: string, text: string): readonly string[] {
  const blanked = /\.[cm]?tsx?$/.test(file) ? codeOf(file, text) : text;
  return rules
    .filter(({ files, except }) => matches(files, file) && except !== file)
    .flatMap((rule) => {
      const found = rule.word.exec(rule.in === 'code' ? blanked : text);
      if (!found) return [];
      const line = text.slice(0, found.index + found[0].search(/\S/)).split('\n').length;
      return [`${file}:${line}: '${found[0].trim()}' is not used here. Instead: ${rule.instead}`];
    });
}

function nameViolations(file: string): readonly string[] {
  const names = file.split('/').slice(1);
  const base = names.pop() ?? '';
  const stem = base.split('.')[0] ?? '';
  const say = (why: string, instead: string) => [`${file}: ${why}. Instead: ${instead}`];
  for (const name of [...names, stem]) {
    if (emptyName.test(name)) return say(`'${name}' names no concept`, 'name what is inside');
    if (!kebabCase.test(name)) return say(`'${name}' is not kebab-case`, 'kebab-case');
  }
  if (base === 'types.ts') return say('types.ts names no concept', 'put types beside their use');
  if (base === 'index.ts' && file !== 'src/index.ts') {
    return say('a barrel', 'import the file that defines the name');
  }
  return [];
}

const binary = /\.(bin|dat|mdb|png|ico|woff2?)$/;
const everything = filesBelow().filter((file) => !binary.test(file));

describe('words', () => {
  it('that are forbidden are not used', () => {
    const found = everything.flatMap((file) => wordViolations(file, textOf(file)));
    expect(found).toEqual([]);
  });

  it('in file names name a concept, in kebab-case', () => {
    const ours = everything.filter((file) => /^(src|test|bench|examples)\/.*\.ts$/.test(file));
    expect(ours.flatMap(nameViolations)).toEqual([]);
  });

  it('in the lock file agree with package.json', () => {
    const manifest = JSON.parse(textOf('package.json'));
    const root = JSON.parse(textOf('package-lock.json')).packages[''];
    for (const kind of ['dependencies', 'devDependencies', 'optionalDependencies', 'engines']) {
      expect(root[kind], `${kind}: run npm install and commit the lock file`).toEqual(
        manifest[kind],
      );
    }
  });
});

describe('the word rules can fail', () => {
  const sampleFile = (files: string) =>
    ['src/machines/mailbox/machine.ts', 'package-lock.json', 'test/sample.test.ts'].find((file) =>
      matches(files, file),
    ) ?? '';
  it.each(rules.map((rule) => [rule.bad, rule] as const))('%s', (bad, rule) => {
    const found = wordViolations(sampleFile(rule.files), `\n${bad}\n`);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(':2: ');
    expect(found[0]).toContain(rule.instead);
  });

  it('code rules do not look into comments, strings, templates and patterns', () => {
    const text = '// await\nconst a = "await", b = `await`, c = /await/;\n/* Date.now */';
    expect(wordViolations('src/machines/mailbox/machine.ts', text)).toEqual([]);
    const inside = ['const b = `', '{await a}`;'].join('$');
    expect(wordViolations('src/engine/decide.ts', inside)).toHaveLength(1);
  });

  it('a date made from given time is fine', () => {
    const text = 'const day = new Date(at).toISOString();';
    expect(wordViolations('src/wire/sip/headers.ts', text)).toEqual([]);
  });

  it.each([
    'src/utils/crlf.ts',
    'src/wire/sip-helpers.ts',
    'src/engine/session-manager.ts',
    'src/wire/types.ts',
    'src/wire/index.ts',
    'src/wire/SipMessage.ts',
  ])('%s', (file) => {
    expect(nameViolations(file)).toHaveLength(1);
  });

  it.each(['src/index.ts', 'src/wire/mime/content-types.ts', 'src/wire/sip/service-route.ts'])(
    '%s is a good name',
    (file) => {
      expect(nameViolations(file)).toEqual([]);
    },
  );
});
