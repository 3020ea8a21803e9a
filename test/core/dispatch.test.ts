import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { dispatch } from '../../functions/core/dispatch.ts';
import { at, type Estate, estate } from '../support/estate.ts';

const hash = (text: string) => createHash('sha256').update(text).digest('hex');
const tick = (here: Estate, force = false) => dispatch({ scheduledTime: at(0), force }, here.context);

describe('a tick', () => {
  it('sends a connection that is due, in a group of its own, once for a slot', async () => {
    const here = estate();
    here.add('one', {
      tags: { 'connector-profile-name': 'profile-one', 'refresh-interval-seconds': '1800' },
      profile: { updatedAt: at(-1_900) },
    });
    await expect(tick(here)).resolves.toEqual({
      summary: { connections: 1, due: 1, enqueued: 1, missingProfiles: [], sharedProfiles: [] },
      overdue: [],
      faulty: [],
    });
    expect(here.sent).toEqual([
      {
        group: hash('one'),
        deduplication: hash('one\n2026-11-24T08:58:20.000Z'),
        message: {
          connection: 'one',
          connectorProfileName: 'profile-one',
          intervalSeconds: 1_800,
          scheduledTime: '2026-11-24T09:00:00.000Z',
        },
      },
    ]);
    expect(here.calls).toEqual(['list appflow-token-refresher/', 'salesforceProfiles', 'send 1']);
  });

  it('sends nothing and does not ask the queue where nobody is due', async () => {
    const here = estate();
    here.add('one', { profile: { updatedAt: at(-3_599) } });
    await expect(tick(here)).resolves.toMatchObject({ summary: { connections: 1, due: 0, enqueued: 0 } });
    expect(here.calls).not.toContain('send 0');
  });

  it('sends all connections where it is forced, and again when it is forced again', async () => {
    const here = estate();
    here.add('one', { profile: { updatedAt: at(-1) } });
    here.add('two', { profile: { updatedAt: at(-3_600) } });
    await expect(tick(here, true)).resolves.toMatchObject({ summary: { due: 2, enqueued: 2 } });
    expect(here.sent.map(({ deduplication }) => deduplication)).toEqual([
      hash('one\nforced by run-1'),
      hash('two\nforced by run-1'),
    ]);
  });

  it('says how many the queue has taken', async () => {
    const here = estate();
    here.add('one');
    here.add('two');
    const queue = { send: async () => 1 };
    const context = { ...here.context, ports: { ...here.context.ports, queue } };
    await expect(dispatch({ scheduledTime: at(0), force: false }, context)).resolves.toMatchObject({
      summary: { due: 2, enqueued: 1 },
    });
  });

  it('names connections that are behind by more than three ticks and a quarter of their interval', async () => {
    const here = estate();
    here.add('late', { profile: { updatedAt: at(-3_600 - 901) } });
    here.add('in-time', { profile: { updatedAt: at(-3_600 - 900) } });
    here.add('slow', { tags: { 'refresh-interval-seconds': '7200' }, profile: { updatedAt: at(-7_200 - 1_801) } });
    here.add('patient', { tags: { 'refresh-interval-seconds': '7200' }, profile: { updatedAt: at(-7_200 - 1_800) } });
    const names = ['late', 'slow'];
    const { overdue } = await tick(here);
    expect(overdue.map(({ connection }) => connection)).toEqual(expect.arrayContaining(names));
    expect(overdue.find(({ connection }) => connection === 'late')).toEqual({ connection: 'late', seconds: 901 });
    expect(overdue.filter(({ connection }) => connection !== 'late' && connection !== 'slow')).toEqual([]);
  });

  it('counts whole seconds', async () => {
    const here = estate();
    here.add('late', { profile: { updatedAt: new Date(at(-3_600 - 901).getTime() - 999) } });
    const { overdue } = await tick(here);
    expect(overdue).toEqual([{ connection: 'late', seconds: 901 }]);
  });

  it('names the profiles that are missing, in order, and goes on with the others', async () => {
    const here = estate();
    here.add('zz', { profile: null });
    here.add('aa', { profile: null });
    here.add('one');
    const { summary, faulty } = await tick(here);
    expect(summary).toEqual({
      connections: 3,
      due: 1,
      enqueued: 1,
      missingProfiles: ['aa', 'zz'],
      sharedProfiles: [],
    });
    expect(faulty).toMatchObject([
      { connection: 'zz', error: { code: 'PROFILE_NOT_FOUND' } },
      { connection: 'aa', error: { code: 'PROFILE_NOT_FOUND' } },
    ]);
  });

  it('names the connections whose tags are wrong, and goes on with the others', async () => {
    const here = estate();
    here.add('wrong', { tags: { 'refresh-interval-seconds': 'soon' } });
    here.add('one');
    const { summary, faulty } = await tick(here);
    expect(summary).toMatchObject({ connections: 2, due: 1, missingProfiles: [] });
    expect(faulty).toMatchObject([{ connection: 'wrong', error: { code: 'SECRET_MALFORMED' } }]);
  });

  it('names the profiles that several secrets name, in order', async () => {
    const here = estate();
    for (const profile of ['pp', 'oo'])
      for (const name of ['a', 'b']) here.add(`${profile}-${name}`, { tags: { 'connector-profile-name': profile } });
    const { summary, faulty } = await tick(here);
    expect(summary).toMatchObject({ connections: 4, missingProfiles: [], sharedProfiles: ['oo', 'pp'] });
    expect(new Set(faulty.map(({ error }) => error.code))).toEqual(new Set(['PROFILE_SHARED']));
  });

  it('says in one error of a profile which connections are not served', async () => {
    const here = estate();
    for (const [name, created] of [
      ['a', -99_000],
      ['b', -98_000],
      ['c', -97_000],
    ] as const)
      here.add(name, { tags: { 'connector-profile-name': 'pp' }, createdAt: at(created) });
    const { faulty } = await tick(here);
    expect(faulty).toHaveLength(1);
    expect(faulty[0]).toMatchObject({ connection: 'b' });
    expect(faulty[0]?.error.message).toMatch(/belongs to a, .*not served for it: b, c\.$/);
  });
});
