/**
 * Renders vitest JSON reports as `docs/verification.md`, on standard output:
 * `node script/verification-table.mjs results.json …`.
 *
 * A test that measured something says so in its task's meta, and gets a row of its own:
 * `task.meta.measured = '52 kill rounds, 0 acknowledged messages lost'`.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';

const files = process.argv.slice(2);
if (files.length === 0) {
  console.error('usage: node script/verification-table.mjs results.json …');
  process.exit(2);
}
const reports = files.map((file) => JSON.parse(readFileSync(file, 'utf8')));
const results = reports.flatMap((report) => report.testResults);
const total = (name) => reports.reduce((sum, report) => sum + report[name], 0);
const startTime = Math.min(...reports.map((report) => report.startTime));
const success = reports.every((report) => report.success);

function git(...words) {
  return execFileSync('git', words, { encoding: 'utf8' }).trim();
}

function commit() {
  try {
    const changed = git('status', '--porcelain', '--untracked-files=no') !== '';
    return `\`${git('rev-parse', '--short=12', 'HEAD')}\`${changed ? ' with local changes' : ''}`;
  } catch {
    return 'unknown (not a git checkout)';
  }
}

function table(head, rows) {
  const line = (cells) =>
    `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** `test/verify/simulator/crash.test.ts` → `verify/simulator`: one row for each subject. */
function subject(result) {
  const path = relative(process.cwd(), result.name).replace(/^test\//, '');
  return path.split('/').slice(0, -1).slice(0, 2).join('/') || path;
}

function bySubject() {
  const rows = new Map();
  for (const result of results) {
    const name = subject(result);
    const row = rows.get(name) ?? { passed: 0, failed: 0, skipped: 0, seconds: 0 };
    for (const { status } of result.assertionResults) {
      row[status === 'passed' || status === 'failed' ? status : 'skipped'] += 1;
    }
    // A file that could not even be loaded has no test to its name.
    if (result.status === 'failed' && result.assertionResults.length === 0) row.failed += 1;
    row.seconds += (result.endTime - result.startTime) / 1000;
    rows.set(name, row);
  }
  return [...rows].sort(([a], [b]) => (a < b ? -1 : 1));
}

const tests = results.flatMap((result) => result.assertionResults);
const measured = tests.filter((test) => typeof test.meta?.measured === 'string');
const skipped = tests.filter((test) => test.status !== 'passed' && test.status !== 'failed');
const text = [
  '# Verification',
  `What \`script/verify\` found at full bounds on ${new Date(startTime).toISOString().slice(0, 10)},` +
    `\ncommit ${commit()}, Node ${process.version}, seed ${process.env.RESTANTE_SEED ?? 'not set'}.`,
  `**${success ? 'Everything held' : 'Something failed'}**: ` +
    `${total('numPassedTests')} passed, ${total('numFailedTests')} failed, ${skipped.length} skipped.`,
  table(
    ['subject', 'passed', 'failed', 'skipped', 'seconds'],
    bySubject().map(([name, row]) => [
      name,
      row.passed,
      row.failed,
      row.skipped,
      row.seconds.toFixed(1),
    ]),
  ),
];
if (measured.length > 0) {
  text.push(
    '## Measured',
    table(
      ['test', 'figures'],
      measured.map((test) => [test.fullName, test.meta.measured]),
    ),
  );
}
if (skipped.length > 0) {
  text.push('## Skipped', skipped.map((test) => `- ${test.fullName}`).join('\n'));
}
console.log(text.join('\n\n'));
