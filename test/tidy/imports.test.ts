/** Who may import whom (docs/architecture.md), types included. The table is the law. */
import { describe, expect, it } from 'vitest';
import { exists, filesBelow, importsOf, matches, targetOf, textOf } from './source.ts';

interface Rule {
  /** The first rule that matches a file holds for it. */
  readonly files: string;
  /** Paths and packages; `type …`: only with `import type`; `own`: the file's own adapter. */
  readonly may: readonly string[];
  readonly instead: string;
}

const chartTypes = 'type src/machines/*/{events,effects}.ts';
const facts = ['src/engine/{ports,recorded,stream-name}.ts', 'type src/machines/*/events.ts'];
/** The engine put together: what a library user starts from, and what adapters submit through. */
const deferral = 'src/deferral/**';
const adapter = [
  'own',
  'src/engine/**',
  'src/wire/**',
  chartTypes,
  // Handlers look things up in views, so they need the views' names and the types of their rows.
  'src/projections/**',
  deferral,
  'any package',
];
const reader = [...adapter, 'src/engine/decide.ts', 'src/audit/**', 'src/verify/**'];
const memoryStore = 'src/adapters/store/memory.ts';
const core = 'src/{wire,machines,engine,deferral,projections,audit,verify}/**';

const rules: readonly Rule[] = [
  {
    files: 'src/wire/sdp/**',
    may: ['src/wire/**', 'sdp-transform'],
    instead: 'wire turns octets into meaning and knows nobody; take what you need as a parameter',
  },
  {
    files: 'src/wire/xml/**',
    may: ['src/wire/**', 'saxes'],
    instead: 'wire turns octets into meaning and knows nobody; take what you need as a parameter',
  },
  {
    files: 'src/wire/**',
    may: ['src/wire/**'],
    instead: 'wire turns octets into meaning and knows nobody; take what you need as a parameter',
  },
  {
    files: 'src/machines/*/machine.ts',
    may: ['own', chartTypes, 'type src/engine/{recorded,ports}.ts', 'xstate'],
    instead: 'a chart sees its own events, effects and limits; let the input carry the rest',
  },
  {
    files: 'src/machines/**',
    may: ['own', chartTypes, 'type src/engine/{recorded,ports}.ts'],
    instead: 'only machine.ts imports xstate; let the input carry what the machine must know',
  },
  {
    files: 'src/engine/decide.ts',
    may: ['src/engine/**', chartTypes, 'xstate'],
    instead: 'charts are passed in',
  },
  {
    files: 'src/engine/**',
    may: ['src/engine/**', chartTypes],
    instead: 'the engine knows ports; charts, adapters and projections are passed in by main.ts',
  },
  {
    files: 'src/projections/**',
    may: ['src/projections/**', 'src/wire/**', ...facts],
    instead: 'a projection reads recorded events alone',
  },
  {
    files: deferral,
    may: [deferral, 'src/{engine,machines,projections,wire}/**'],
    instead: 'the engine put together knows no adapter: transports and stores are ports to it',
  },
  {
    files: 'src/audit/**',
    may: ['src/audit/**', 'src/wire/**', ...facts],
    instead: 'a monitor judges what stands in the log, never what the code meant to do',
  },
  {
    files: 'src/verify/**',
    may: [core, memoryStore],
    instead: 'explorer and simulator also run in a web page: core and memory store alone',
  },
  {
    files: 'src/adapters/blob/memory.ts',
    may: ['own', 'src/engine/**'],
    instead: 'contents in memory also run in a web page: ports alone, no node:*, no package',
  },
  {
    files: memoryStore,
    may: ['own', 'src/engine/**', chartTypes, 'src/projections/**'],
    instead: 'the memory store also runs in a web page: ports alone, no node:*, no package',
  },
  {
    files: 'src/adapters/{cli,http}/**',
    may: reader,
    instead: 'main.ts wires adapters together; take what you need as a parameter',
  },
  {
    files: 'src/adapters/ua/**',
    may: [...adapter, 'sip'],
    instead: 'main.ts wires adapters together; take what you need as a parameter',
  },
  {
    files: 'src/adapters/**',
    may: adapter,
    instead: 'an adapter knows ports, wire and view names; main.ts wires adapters together',
  },
  {
    files: 'src/{index,testing}.ts',
    may: ['src/**'],
    instead: 'the public entry lists our own names and adds no code',
  },
  {
    files: 'src/{main.ts,main/**}',
    may: ['src/**', 'any package'],
    instead: 'the composition root may import any of src',
  },
  { files: 'src/pure-globals.d.ts', may: [], instead: 'it only declares' },
  {
    files: 'console/**',
    may: ['console/**', core, memoryStore, 'any package'],
    instead: 'the page runs in a browser: the pure rooms and the memory store',
  },
];

const tableAt = 'test/tidy/imports.test.ts';

/** What `any package` does not include: each of these has one home. */
const homes: Readonly<Record<string, string>> = {
  xstate: 'src/engine/decide.ts and src/machines/*/machine.ts',
  'sdp-transform': 'src/wire/sdp',
  sip: 'src/adapters/ua, the independent peer: the server never relies on it',
};

function own(file: string): string {
  const [src, room, name] = file.split('/');
  return [src, room, name?.replace(/\.ts$/, '')].join('/');
}

function allowed(entry: string, file: string, target: string, typeOnly: boolean): boolean {
  if (entry.startsWith('type ')) return typeOnly && matches(entry.slice(5), target);
  if (entry === 'own') return target.startsWith(`${own(file)}/`);
  if (entry === 'any package') return !/^(src|test|console|bench)\//.test(target) && !homes[target];
  return matches(entry, target);
}

function violations(file: string, text: string): readonly string[] {
  const rule = rules.find(({ files }) => matches(files, file));
  if (!rule) return [`${file}: no rule covers it. Instead: give its room a row in ${tableAt}`];
  return importsOf(file, text).flatMap(({ specifier, typeOnly }) => {
    const target = targetOf(file, specifier);
    const says = (why: string, instead: string) => [
      `${file} imports ${typeOnly ? 'type ' : ''}'${specifier}': ${why}. Instead: ${instead}`,
    ];
    if (target === 'src/main.ts') {
      return says('nothing imports main.ts', 'move what you need out of main.ts');
    }
    if (!target.startsWith('src/') && specifier.startsWith('.') && !target.startsWith('console/')) {
      return says('src does not reach outside src', 'move what you need into src');
    }
    if (matches('src/adapters/**', file) && target === 'src/engine/decide.ts') {
      if (rule.may !== reader) return says('only cli and http replay', 'submit an input');
    }
    if (rule.may.some((entry) => allowed(entry, file, target, typeOnly))) return [];
    const home = homes[target];
    if (home) return says(`'${target}' belongs to ${home}`, 'go through that');
    return says(`${rule.files} may import ${rule.may.join(', ') || 'nothing'}`, rule.instead);
  });
}

type Graph = ReadonlyMap<string, readonly string[]>;

/** The first cycle found, as the path that walks it, or nothing. */
function cycle(graph: Graph): readonly string[] | undefined {
  const done = new Set<string>();
  const trail: string[] = [];
  const search = (file: string): readonly string[] | undefined => {
    if (trail.includes(file)) return [...trail.slice(trail.indexOf(file)), file];
    if (done.has(file)) return undefined;
    trail.push(file);
    for (const next of graph.get(file) ?? []) {
      const found = search(next);
      if (found) return found;
    }
    trail.pop();
    done.add(file);
    return undefined;
  };
  for (const file of graph.keys()) {
    const found = search(file);
    if (found) return found;
  }
  return undefined;
}

const files = [...filesBelow('src'), ...filesBelow('console')].filter((file) =>
  /\.tsx?$/.test(file),
);
const manifest: Record<string, Record<string, string> | undefined> = JSON.parse(
  textOf('package.json'),
);

describe('imports', () => {
  it('keep to the table', () => {
    expect(files.flatMap((file) => violations(file, textOf(file)))).toEqual([]);
  });

  it('of our own files name a file that exists, with its ending', () => {
    const missing = [...files, ...filesBelow('test'), ...filesBelow('bench')]
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) =>
        importsOf(file, textOf(file))
          .filter(({ specifier }) => specifier.startsWith('.'))
          .filter(({ specifier }) => !exists(targetOf(file, specifier)))
          .map(({ specifier }) => `${file} imports '${specifier}', which is not a file`),
      );
    expect(missing).toEqual([]);
  });

  it('of packages in src are dependencies of package.json, not development ones', () => {
    const { dependencies, peerDependencies, optionalDependencies } = manifest;
    const known = { ...dependencies, ...peerDependencies, ...optionalDependencies };
    const unknown = filesBelow('src').flatMap((file) =>
      importsOf(file, textOf(file))
        .filter(({ specifier }) => !/^(\.|node:)/.test(specifier))
        .filter(({ specifier }) => !(targetOf(file, specifier) in known))
        .map(({ specifier }) => `${file} imports '${specifier}': list it under dependencies`),
    );
    expect(unknown).toEqual([]);
  });

  it('make no cycle', () => {
    const graph = new Map(
      files.map((file) => [
        file,
        importsOf(file, textOf(file)).map(({ specifier }) => targetOf(file, specifier)),
      ]),
    );
    expect(cycle(graph)?.join(' → ')).toBeUndefined();
  });
});

describe('the import rules can fail', () => {
  const bad: readonly (readonly [string, string])[] = [
    ['src/wire/sip/uri.ts', "import { connect } from 'node:net';"],
    ['src/wire/sip/uri.ts', "import { parse } from 'sdp-transform';"],
    ['src/wire/msrp/frame.ts', "import type { Clock } from '../../engine/ports.ts';"],
    ['src/machines/mailbox/machine.ts', "import { chart } from '../delivery/machine.ts';"],
    ['src/machines/mailbox/limits.ts', "import { setup } from 'xstate';"],
    ['src/engine/runner.ts', "import { transition } from 'xstate';"],
    ['src/engine/runner.ts', "import { mailbox } from '../machines/mailbox/machine.ts';"],
    ['src/engine/runner.ts', "const store = await import('../adapters/store/lmdb.ts');"],
    ['src/projections/deposits.ts', "type Chart = import('../machines/mailbox/machine.ts').Chart;"],
    ['src/audit/verdict.ts', "export { perform } from '../adapters/sip/perform.ts';"],
    ['src/adapters/sip/perform.ts', "import { send } from '../msrp/transport.ts';"],
    ['src/adapters/sip/perform.ts', "import { replay } from '../../engine/decide.ts';"],
    ['src/adapters/sip/perform.ts', "import { parse } from 'sip';"],
    ['src/adapters/store/memory.ts', "import { Buffer } from 'node:buffer';"],
    ['src/adapters/cli/why.ts', "import { main } from '../../main.ts';"],
    ['src/adapters/sip/observe.ts', "import { e } from '../../machines/mailbox/effects.ts';"],
    ['src/index.ts', "import { clock } from '../test/controls/clock.ts';"],
    ['src/plumbing/pipe.ts', ''],
  ];
  it.each(bad)('%s: %s', (file, text) => {
    const found = violations(file, text);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(file);
    expect(found[0]).toContain('Instead: ');
  });

  it('allows what the table allows', () => {
    const views = "import { waiting } from '../../projections/waiting-messages.ts';";
    const events = "import type { MailboxEvent } from '../../machines/mailbox/events.ts';";
    expect(violations('src/adapters/sip/perform.ts', views + events)).toEqual([]);
    const replay = "import { replay } from '../../engine/decide.ts';";
    expect(violations('src/adapters/cli/replay.ts', replay)).toEqual([]);
  });

  it('finds a cycle', () => {
    const graph = new Map([
      ['a', ['b']],
      ['b', ['c']],
      ['c', ['b']],
    ]);
    expect(cycle(graph)).toEqual(['b', 'c', 'b']);
  });
});
