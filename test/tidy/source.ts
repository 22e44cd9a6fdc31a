/** Reads the repository for the tidy tests: its files, and the syntax tree of one. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'oxc-parser';

const root = fileURLToPath(new URL('../../', import.meta.url));
const notOurs = new Set(['.git', 'node_modules', 'dist', 'data', 'coverage']);

/** Repository-relative paths of all files below a folder (default: everything of ours), sorted. */
export function filesBelow(folder = '.'): readonly string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true })
    .flatMap((entry) => {
      const path = normalize(join(folder, entry.name));
      if (!entry.isDirectory()) return [path];
      return notOurs.has(entry.name) ? [] : filesBelow(path);
    })
    .sort();
}

export function textOf(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

export function exists(path: string): boolean {
  return existsSync(join(root, path));
}

/** A node of the syntax tree, as far as the tidy tests look into it. */
export type Node = { readonly type: string } & Readonly<Record<string, unknown>>;

export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value;
}

/** Visits every node below a value, in no promised order. */
export function walk(value: unknown, visit: (node: Node) => void): void {
  if (Array.isArray(value)) {
    for (const item of value) walk(item, visit);
  } else if (isNode(value)) {
    visit(value);
    for (const child of Object.values(value)) walk(child, visit);
  }
}

/** The program; throws when the text is not TypeScript. */
export function parse(path: string, text: string): Node {
  const { program, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]?.message}`);
  return program as unknown as Node;
}

/** The text with comments and the inside of strings blanked; lines and columns stay. */
export function codeOf(path: string, text: string): string {
  const { program, comments } = parseSync(path, text);
  // Offsets count UTF-16 units, and so does split.
  const blanked = text.split('');
  const blank = (start: number, end: number) => {
    for (let i = start; i < end; i++) if (blanked[i] !== '\n') blanked[i] = ' ';
  };
  for (const { start, end } of comments) blank(start, end);
  walk(program, (node) => {
    const [start, end] = [Number(node.start), Number(node.end)];
    if (node.type === 'Literal' && (typeof node.value === 'string' || 'regex' in node)) {
      blank(start + 1, end - 1);
    }
    if (node.type === 'TemplateElement') blank(start, end);
  });
  return blanked.join('');
}

export interface Import {
  /** As written: `../wire/sip/message.ts`, `xstate`. */
  readonly specifier: string;
  readonly typeOnly: boolean;
}

/** Every import and re-export of a file, dynamic ones and `import('…').Type` included. */
export function importsOf(path: string, text: string): readonly Import[] {
  const found: Import[] = [];
  walk(parse(path, text), (node) => {
    const { source } = node;
    if (!isNode(source) || typeof source.value !== 'string') return;
    const kind = node.importKind ?? node.exportKind;
    const typeOnly = kind === 'type' || node.type === 'TSImportType';
    found.push({ specifier: source.value, typeOnly });
  });
  return found;
}

/** Where an import leads: a repository-relative path, or the name of a package. */
export function targetOf(from: string, specifier: string): string {
  if (specifier.startsWith('.')) return normalize(join(dirname(from), specifier));
  if (specifier.startsWith('node:')) return specifier;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** `*` within one name, `**` across folders, `{a,b}` alternatives, also nested. */
export function matches(pattern: string, path: string): boolean {
  const source = pattern
    .replace(/[.+^$()|[\]\\]/g, '\\$&')
    .replace(/[{},]/g, (mark) => ({ '{': '(', '}': ')', ',': '|' })[mark] ?? mark)
    .replace(/\*\*|\*/g, (stars) => (stars === '**' ? '.*' : '[^/]*'));
  return new RegExp(`^${source}$`).test(path);
}
