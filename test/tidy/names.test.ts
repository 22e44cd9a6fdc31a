/** Names of events and effects (docs/style.md): events are on disk for ever. */
import { describe, expect, it } from 'vitest';
import { filesBelow, isNode, matches, type Node, parse, textOf, walk } from './source.ts';

/** Participles that do not end in -ed; `Due`: the time for it came. */
const irregular = /(Set|Sent|Taken|Lost|Bound|Held|Begun|Kept|Left|Built|Due)$/;
const pastTense = /(ed|edOut|edIn)$/;

/** The literals of a discriminant over the exported union `…<suffix>`: its names. */
function namesIn(path: string, text: string, suffix: string, keys: readonly string[]): string[] {
  const names: string[] = [];
  const collect = (member: Node) => {
    if (member.type !== 'TSPropertySignature' || !isNode(member.key)) return;
    if (!keys.includes(String(member.key.name))) return;
    const annotation = isNode(member.typeAnnotation) ? member.typeAnnotation.typeAnnotation : null;
    if (!isNode(annotation) || !isNode(annotation.literal)) return;
    names.push(String(annotation.literal.value));
  };
  walk(parse(path, text), (node) => {
    if (node.type !== 'TSTypeAliasDeclaration' || !isNode(node.id)) return;
    if (!String(node.id.name).endsWith(suffix)) return;
    const union = isNode(node.typeAnnotation) ? node.typeAnnotation : undefined;
    const variants = union?.type === 'TSUnionType' ? union.types : [union];
    for (const variant of variants as readonly Node[]) {
      for (const member of (variant?.members ?? []) as readonly Node[]) collect(member);
    }
  });
  return names;
}

function eventViolations(path: string, text: string): readonly string[] {
  const names = namesIn(path, text, 'Event', ['type']);
  const found = names.flatMap((name) => {
    const say = (why: string) => [`${path}: event '${name}' ${why}`];
    if (!/^([A-Z][a-z0-9]+)+$/.test(name)) return say('is not PascalCase');
    if (name.endsWith('Event')) return say('ends in Event: leave that out');
    if (/(Updated|Changed)$/.test(name)) return say('hides what happened: say it');
    if (!pastTense.test(name) && !irregular.test(name)) {
      return say('is not subject + past tense: rename it, or add its participle to names.test.ts');
    }
    if (matches('src/machines/mailbox/**', path) && /Sip|Msrp|Invite|Bye|Tcp|Udp/.test(name)) {
      return say('speaks of the transport: a mailbox knows messages and subscribers');
    }
    return [];
  });
  if (names.length === 0) found.push(`${path}: no exported union '…Event' of { type: 'Name' }`);
  if (new Set(names).size < names.length) found.push(`${path}: an event is listed twice`);
  if (!/^\/\*\*?\s*\n? ?\*? ?NOTE: /.test(text)) {
    found.push(`${path}: does not begin with the NOTE that its names are on disk for ever`);
  }
  return found;
}

function effectViolations(path: string, text: string): readonly string[] {
  const names = namesIn(path, text, 'Effect', ['type', 'name']);
  const found = names
    .filter((name) => !/^[a-z]+([A-Z][a-z0-9]*)*$/.test(name))
    .map((name) => `${path}: effect '${name}' is not camelCase imperative, like sendInvite`);
  if (names.length === 0) found.push(`${path}: no exported union '…Effect' of { name: 'verb' }`);
  return found;
}

const machines = filesBelow('src/machines');

describe('names', () => {
  it('of events say what happened, in the past tense', () => {
    const files = machines.filter((file) => file.endsWith('/events.ts'));
    expect(files.length).toBeGreaterThan(0);
    expect(files.flatMap((file) => eventViolations(file, textOf(file)))).toEqual([]);
  });

  it('of effects say what to do', () => {
    const files = machines.filter((file) => file.endsWith('/effects.ts'));
    expect(files.length).toBeGreaterThan(0);
    expect(files.flatMap((file) => effectViolations(file, textOf(file)))).toEqual([]);
  });
});

describe('the name rules can fail', () => {
  const note = '/**\n * NOTE: these names are on disk for ever.\n */\n';
  const event = (name: string) => `${note}export type MailboxEvent = { type: '${name}'; data: 1 };`;
  const path = 'src/machines/mailbox/events.ts';

  it.each([
    'messageDeferred',
    'MessageDeferredEvent',
    'MailboxChanged',
    'SettingsUpdated',
    'DeferMessage',
    'InviteRefused',
    'SIPRegistered',
  ])('event %s', (name) => {
    expect(eventViolations(path, event(name))).toHaveLength(1);
  });

  it.each(['MessageDeferred', 'RetryDue', 'OfflineDeliverySet'])('event %s passes', (name) => {
    expect(eventViolations(path, event(name))).toEqual([]);
  });

  it('no NOTE, no events, the same event twice', () => {
    expect(eventViolations(path, event('MessageDeferred').slice(note.length))).toHaveLength(1);
    expect(eventViolations(path, `${note}export type Other = 1;`)).toHaveLength(1);
    const twice = "{ type: 'MessageDeferred' }";
    const text = `${note}export type MailboxEvent = | ${twice} | ${twice};`;
    expect(eventViolations(path, text)).toHaveLength(1);
  });

  it('effects', () => {
    const effects = 'src/machines/mailbox/effects.ts';
    const text = (name: string) => `export type MailboxEffect = { name: '${name}'; params: 1 };`;
    expect(effectViolations(effects, text('SendInvite'))).toHaveLength(1);
    expect(effectViolations(effects, text('send-invite'))).toHaveLength(1);
    expect(effectViolations(effects, 'export type Other = 1;')).toHaveLength(1);
    expect(effectViolations(effects, text('sendInvite'))).toEqual([]);
  });
});
