import { describe, expect, it } from 'vitest';
import { refreshByHand } from '../../functions/core/refresh-by-hand.ts';
import { at, estate } from '../support/estate.ts';
import { down } from '../support/token-services.ts';

const PREFIX = 'appflow-token-refresher/';

describe('a refresh by hand', () => {
  it('serves each named connection once, in the order given, due or not', async () => {
    const here = estate();
    here.add('one', { profile: { updatedAt: at(0) } });
    here.add('two', { profile: { updatedAt: at(0) } });
    const { served, bugs } = await refreshByHand(['two', 'one', 'two'], false, here.context);
    expect(served.map(({ report }) => [report.connection, report.outcome])).toEqual([
      ['two', 'refreshed'],
      ['one', 'refreshed'],
    ]);
    expect(bugs).toEqual([]);
    const tokens = 'appflow-token-refresher-tokens/';
    expect(here.calls).toEqual([
      `describe ${PREFIX}two`,
      `describe ${PREFIX}one`,
      `list ${PREFIX}`,
      `values ${PREFIX}two ${tokens}two ${PREFIX}one ${tokens}one`,
      'profiles two one',
      'sign two',
      'sign one',
    ]);
    expect(here.profiles.get('one')?.given).toHaveLength(1);
  });

  it('knows of a secret that was created before and names the same profile', async () => {
    const here = estate();
    const tags = { 'connector-profile-name': 'p' };
    here.add('first', { tags, createdAt: at(-99_000) });
    here.add('one', { tags });
    const { served } = await refreshByHand(['one'], false, here.context);
    expect(served.map(({ report }) => report.error?.code)).toEqual(['PROFILE_SHARED']);
    expect(here.profiles.get('p')?.given).toEqual([]);
  });

  it('goes by what it has read of a named secret, not by a listing that lags', async () => {
    const here = estate();
    here.add('one', { tags: { 'connector-profile-name': 'p' }, createdAt: at(-99_000) });
    here.add('two', { tags: { 'connector-profile-name': 'q' } });
    here.before['list'] = () =>
      void here.listed.set(`${PREFIX}one`, {
        name: `${PREFIX}one`,
        createdAt: at(-99_000),
        changedAt: at(-99_000),
        tags: new Map([['connector-profile-name', 'q']]),
      });
    const { served } = await refreshByHand(['one', 'two'], false, here.context);
    expect(served.map(({ report }) => report.outcome)).toEqual(['refreshed', 'refreshed']);
  });

  it('gives nothing in a dry run', async () => {
    const here = estate();
    here.add('one');
    const { served } = await refreshByHand(['one'], true, here.context);
    expect(served.map(({ report }) => report.outcome)).toEqual(['would-refresh']);
    expect(here.profiles.get('one')?.given).toEqual([]);
  });

  it('reports a name without a secret in its place', async () => {
    const here = estate();
    here.add('one');
    const { served } = await refreshByHand(['none', 'one'], false, here.context);
    expect(served.map(({ report }) => report)).toEqual([
      {
        connection: 'none',
        connectorProfileName: 'none',
        outcome: 'failed',
        error: {
          code: 'SECRET_NOT_FOUND',
          retryable: false,
          message: `There is no ${PREFIX}none.`,
          hint: 'Create it.',
        },
      },
      expect.objectContaining({ connection: 'one', outcome: 'refreshed' }),
    ]);
  });

  it('reports every name where the others cannot be listed', async () => {
    const here = estate();
    here.add('one', { tags: { 'connector-profile-name': 'profile-one' } });
    here.before['list'] = () => {
      throw down();
    };
    const { served, bugs } = await refreshByHand(['none', 'one'], false, here.context);
    expect(served.map(({ report }) => report)).toMatchObject([
      { connection: 'none', error: { code: 'SECRET_NOT_FOUND' } },
      {
        connection: 'one',
        connectorProfileName: 'profile-one',
        outcome: 'failed',
        error: { code: 'SECRETS_UNAVAILABLE' },
      },
    ]);
    expect(bugs).toEqual([]);
  });

  it('throws what is a bug of ours, and names one of a single connection', async () => {
    const bug = new TypeError('x');
    const here = estate();
    here.add('one');
    here.before['sign'] = () => {
      throw bug;
    };
    await expect(refreshByHand(['one'], false, here.context)).resolves.toEqual({
      served: [],
      bugs: [{ connection: 'one', error: bug }],
    });
    here.before['describe'] = () => {
      throw bug;
    };
    await expect(refreshByHand(['one'], false, here.context)).rejects.toBe(bug);
  });

  it('describes ten secrets at a time', async () => {
    const here = estate();
    const names = Array.from({ length: 23 }, (_, n) => `c${n}`);
    for (const name of names) here.add(name);
    let most = 0;
    let under = 0;
    here.before['describe'] = async () => {
      under++;
      most = Math.max(most, under);
      await new Promise((resolve) => setTimeout(resolve, 5));
      under--;
    };
    const { served } = await refreshByHand(names, true, here.context);
    expect([most, served.map(({ report }) => report.connection)]).toEqual([10, names]);
  });
});
