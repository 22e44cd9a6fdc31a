/** Several nodes and requests at once: a registration that became stale is decided anew. */
import { beforeEach, expect, test } from 'vitest';
import {
  accountHolder,
  type HoldAccounts,
  type Settled,
} from '../../../src/adapters/sip/registration/submit-registration.ts';
import { registrationOf } from '../../../src/deferral/registration.ts';
import type { Submit } from '../../../src/engine/input.ts';
import { registrationView } from '../../../src/projections/registrations.ts';
import { type DeferralStage, deferralStage, ROMEO } from '../../controls/deferral-stage.ts';

const TABLET = 'sip:romeo@192.0.2.18';

let stage: DeferralStage;
beforeEach(async () => {
  stage = await deferralStage();
});

/** Registers a tablet, by a CSeq of its own. */
async function tablet(hold: HoldAccounts, cseq: number): Promise<Settled> {
  let told: Settled = { kind: 'unknown' };
  await hold([ROMEO], (submit) =>
    submit({
      account: ROMEO,
      cause: `register tablet ${cseq}`,
      witness: { testimony: () => ({}), settled: () => {}, done: () => {} },
      decide: (row, at) =>
        registrationOf(row, {
          ...{ via: 'direct', callId: 'tablet', cseq, at },
          contacts: [{ contact: TABLET, expiresMs: 600_000, im: 'contact' }],
        }),
      settled(settled) {
        told = settled;
      },
    }),
  );
  return told;
}

test('another node registers a phone in between → both are registered', async () => {
  let conflicts = 3;
  const submit: Submit = async (...input) => {
    if (conflicts > 0) await stage.register(3_600, 'contact');
    conflicts -= 1;
    return stage.engine().submit(...input);
  };
  const told = await tablet(accountHolder({ ...stage, submit, views: stage.store }), 1);
  const { bindings } = (await stage.store.get(registrationView, ROMEO)) ?? {};
  expect(bindings).toHaveLength(2);
  expect(told).toMatchObject({ kind: 'bindings', bindings });
});

test('another node never stops → unknown, which a client may repeat', async () => {
  const submit: Submit = async (...input) => {
    await stage.register(3_600, 'contact');
    return stage.engine().submit(...input);
  };
  const told = await tablet(accountHolder({ ...stage, submit, views: stage.store }), 1);
  expect(told).toEqual({ kind: 'unknown' });
});

test('many of this node at once → each is decided once', async () => {
  let submitted = 0;
  const submit: Submit = (...input) => {
    submitted += 1;
    return stage.engine().submit(...input);
  };
  const one = accountHolder({ ...stage, submit, views: stage.store });
  const all = await Promise.all(Array.from({ length: 20 }, (_, cseq) => tablet(one, cseq + 1)));
  expect(all.every(({ kind }) => kind === 'bindings')).toBe(true);
  expect(submitted).toBe(20);
});

test('a look-up that fails is the caller’s to know, and stops nobody behind it', async () => {
  let looks = 0;
  const views = {
    ...stage.store,
    get: (async (...asked) => {
      looks += 1;
      if (looks === 1) throw new Error('the view cannot be read');
      return stage.store.get(...asked);
    }) as typeof stage.store.get,
  };
  const submit = accountHolder({ ...stage, submit: stage.engine().submit, views });
  const first = tablet(submit, 1);
  const second = tablet(submit, 2);
  await expect(first).rejects.toThrow('cannot be read');
  expect((await second).kind).toBe('bindings');
});
