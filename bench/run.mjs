/**
 * Runs benchmarks: `node bench/run.mjs [--json] [name …]`, where a name is that of a file
 * `bench/<name>.ts`. Each exports `benches`:
 *
 *     readonly { name: string; run(): Promise<readonly Result[]> }[]
 *     Result = { what: string; figure: number; unit: string; ratio?: number; floor?: string }
 *
 * `ratio` is the figure over that of a floor measured in the same run, and `floor` names the floor:
 * machines differ, ratios travel.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { rolldown } from 'rolldown';

const folder = fileURLToPath(new URL('.', import.meta.url));
// Inside node_modules, so that a bundle finds the packages it leaves out.
const bundles = fileURLToPath(new URL('../node_modules/.bench/', import.meta.url));

/** Bundles one benchmark with the sources it measures; packages stay imports. */
async function load(name) {
  const bundle = await rolldown({
    input: `${folder}${name}.ts`,
    external: /^(?!\.{0,2}\/)/,
    platform: 'node',
  });
  await mkdir(bundles, { recursive: true });
  const file = `${bundles}${name}-${process.pid}.mjs`;
  await bundle.write({ file, sourcemap: false, codeSplitting: false });
  await bundle.close();
  const { benches } = await import(pathToFileURL(file).href);
  await rm(file);
  if (!Array.isArray(benches)) {
    throw new Error(
      `bench/${name}.ts exports no 'benches'; bench/run.mjs says what it must look like`,
    );
  }
  return benches;
}

function readable(figure) {
  return Math.abs(figure) >= 100
    ? Math.round(figure).toLocaleString('en')
    : Number(figure.toPrecision(3)).toString();
}

function table(results) {
  const rows = results.map(({ what, figure, unit, ratio, floor }) => [
    what,
    readable(figure),
    unit,
    ratio === undefined ? '' : `${readable(ratio)}×${floor === undefined ? '' : ` ${floor}`}`,
  ]);
  const all = [['what', 'figure', 'unit', 'ratio to floor'], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column].length)));
  return all
    .map((row) =>
      row
        .map((cell, column) =>
          column === 1 ? cell.padStart(widths[column]) : cell.padEnd(widths[column]),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const json = process.argv.includes('--json');
const names = process.argv.slice(2).filter((argument) => argument !== '--json');
const known = (await readdir(folder))
  .filter((file) => file.endsWith('.ts'))
  .map((file) => basename(file, '.ts'))
  .sort();
const unknown = names.filter((name) => !known.includes(name));

if (names.length === 0) {
  console.log(known.length === 0 ? 'There are no benchmarks yet.' : known.join('\n'));
} else if (unknown.length > 0) {
  console.error(`bench: no benchmark ${unknown.join(', ')}; there are: ${known.join(', ')}`);
  process.exitCode = 2;
} else {
  const report = [];
  for (const file of names) {
    for (const { name, run } of await load(file)) {
      const results = await run();
      report.push({ file, name, results });
      if (!json) console.log(`\n${name}\n${table(results)}`);
    }
  }
  if (json) {
    console.log(JSON.stringify({ node: process.version, at: new Date().toISOString(), report }));
  }
}
