import { describe, expect, it } from 'vitest';
import { RefreshError } from '../../functions/core/errors.ts';
import { refresh } from '../../functions/core/refresh.ts';
import { at, CODE_SECRET, type Estate, estate, NOW } from '../support/estate.ts';
import { down, tokens } from '../support/token-services.ts';

const PREFIX = 'appflow-token-refresher/';
const TOKENS = 'appflow-token-refresher-tokens/';
const reports = ({ served }: Awaited<ReturnType<typeof refresh>>) => served.map(({ report }) => report);
const ask = (here: Estate, ...targets: Parameters<typeof refresh>[0]['targets']) =>
  refresh({ targets, dryRun: false }, here.context);

describe('a refresh', () => {
  it('asks nobody where there is nothing to refresh', async () => {
    const here = estate();
    await expect(ask(here)).resolves.toEqual({ served: [], bugs: [] });
    expect(here.calls).toEqual([]);
  });

  it('reads in common what its connections need, and reports each in the order asked for', async () => {
    const here = estate();
    const targets = [here.add('one'), here.add('two')];
    const { promise: later, resolve } = Promise.withResolvers<void>();
    here.before['sign'] = (name) => (name === 'one' ? later : resolve());
    await expect(ask(here, ...targets)).resolves.toEqual({
      served: targets.map((target) => ({
        report: {
          connection: target.connection,
          connectorProfileName: target.connection,
          grantType: 'JWT_BEARER',
          handOver: 'JWT',
          outcome: 'refreshed',
          validUntil: '2026-11-24T13:00:00.000Z',
        },
        asked: { target, profile: expect.objectContaining({ connectorProfileName: target.connection }) },
      })),
      bugs: [],
    });
    expect(here.calls).toEqual([
      `values ${PREFIX}one ${TOKENS}one ${PREFIX}two ${TOKENS}two`,
      'profiles one two',
      'sign one',
      'sign two',
    ]);
    expect(here.profiles.get('one')?.given).toMatchObject([{ oAuth2GrantType: 'JWT_BEARER' }]);
  });

  it('asks for a profile once, however many connections name it', async () => {
    const here = estate();
    const targets = [
      here.add('one', { tags: { 'connector-profile-name': 'p' } }),
      here.add('two', { tags: { 'connector-profile-name': 'p' } }),
    ];
    await ask(here, ...targets);
    expect(here.calls[1]).toBe('profiles p');
  });

  it('gives nothing in a dry run and says what it would do', async () => {
    const here = estate();
    const target = here.add('one');
    expect(reports(await refresh({ targets: [target], dryRun: true }, here.context))).toEqual([
      {
        connection: 'one',
        connectorProfileName: 'one',
        grantType: 'JWT_BEARER',
        handOver: 'JWT',
        outcome: 'would-refresh',
        validUntil: '2026-11-24T13:00:00.000Z',
      },
    ]);
    expect(here.profiles.get('one')?.given).toEqual([]);
  });

  it.each([
    ['after', at(-1), 'up-to-date'],
    ['at', at(0), 'refreshed'],
  ])(
    'leaves a connection alone whose profile was updated after the given moment, not %s',
    async (_, moment, outcome) => {
      const here = estate();
      const target = here.add('one', { profile: { updatedAt: at(0) } });
      expect(reports(await ask(here, { ...target, unlessUpdatedAfter: moment }))).toMatchObject([
        { grantType: 'JWT_BEARER', handOver: 'JWT', outcome },
      ]);
      expect(here.profiles.get('one')?.given).toHaveLength(outcome === 'refreshed' ? 1 : 0);
    },
  );

  it('finishes what an earlier run left undone, also where the profile is up to date', async () => {
    const here = estate();
    const target = here.add('sf-eu', { value: CODE_SECRET, profile: { updatedAt: at(0) } });
    await ask(here, { ...target, unlessUpdatedAfter: at(-1), isRetry: true });
    expect(here.tokens.calls).toContain('find');
  });

  it('reports what is handed over in the end, and null where nobody says when it ends', async () => {
    const here = estate();
    const target = here.add('sf-eu', { value: CODE_SECRET });
    here.tokens.issued.push(tokens('a', 'r'));
    expect(reports(await ask(here, target))).toEqual([
      {
        connection: 'sf-eu',
        connectorProfileName: 'sf-eu',
        grantType: 'AUTHORIZATION_CODE',
        handOver: 'ACCESS_TOKEN',
        outcome: 'refreshed',
        validUntil: null,
      },
    ]);
  });

  it('reports that another run holds a connection', async () => {
    const here = estate();
    const target = here.add('sf-eu', { value: CODE_SECRET });
    here.tokens.seed('c', { connection: 'sf-eu', rotates: false }, 'AWSCURRENT');
    here.tokens.seed('l', { owner: 'another', heldSeconds: 100 }, 'REFRESH_LEASE');
    expect(reports(await ask(here, target))).toEqual([
      {
        connection: 'sf-eu',
        connectorProfileName: 'sf-eu',
        grantType: 'AUTHORIZATION_CODE',
        handOver: 'ACCESS_AND_REFRESH_TOKEN',
        outcome: 'in-progress',
      },
    ]);
  });

  it('knows from the token secret what will be handed over', async () => {
    const here = estate();
    const target = here.add('sf-eu', { value: CODE_SECRET });
    here.secrets.set(`${TOKENS}sf-eu`, '{"connection":"sf-eu","rotates":true}');
    here.tokens.seed('c', { connection: 'sf-eu', rotates: true }, 'AWSCURRENT');
    here.tokens.seed('l', { owner: 'another', heldSeconds: 100 }, 'REFRESH_LEASE');
    expect(reports(await ask(here, target))).toMatchObject([{ handOver: 'ACCESS_TOKEN', outcome: 'in-progress' }]);
  });

  it('asks AppFlow once for the grants that it lists', async () => {
    const here = estate();
    const targets = [here.add('one'), here.add('two')];
    await refresh({ targets, dryRun: true }, here.context);
    expect(here.calls.filter((call) => call === 'supportedGrants')).toHaveLength(1);
  });
});

describe('a connection that fails', () => {
  it('is reported with its error, and delays no other', async () => {
    const here = estate();
    const lost = here.add('lost');
    here.remove('lost');
    const { served, bugs } = await ask(here, lost, here.add('one'));
    const error = {
      code: 'SECRET_NOT_FOUND',
      retryable: false,
      message: 'There is no secret appflow-token-refresher/lost, or it has no current value.',
      hint: 'Create the secret appflow-token-refresher/lost for lost in this Region, or correct the name of the connection.',
    };
    expect(served).toEqual([
      {
        report: { connection: 'lost', connectorProfileName: 'lost', outcome: 'failed', error },
        error: expect.objectContaining({ code: 'SECRET_NOT_FOUND' }),
        asked: { target: lost, profile: expect.objectContaining({ connectorProfileName: 'lost' }) },
      },
      expect.objectContaining({ report: expect.objectContaining({ connection: 'one', outcome: 'refreshed' }) }),
    ]);
    expect(bugs).toEqual([]);
  });

  it('is reported with what is wrong with its secret', async () => {
    const here = estate();
    const target = here.add('one');
    here.secrets.set(`${PREFIX}one`, down());
    expect(reports(await ask(here, target))).toMatchObject([
      { outcome: 'failed', error: { code: 'SECRETS_UNAVAILABLE' } },
    ]);
  });

  it('is given nothing where what asked names another profile than its value', async () => {
    const here = estate();
    const target = here.add('one');
    here.add('two');
    expect(reports(await ask(here, { ...target, connectorProfileName: 'two' }))).toMatchObject([
      { outcome: 'failed', error: { code: 'PROFILE_MISMATCH' } },
    ]);
    expect(here.calls.some((call) => call.startsWith('sign'))).toBe(false);
    expect(here.profiles.get('two')?.given).toEqual([]);
  });

  it('is reported with its grant as far as that is known', async () => {
    const here = estate();
    const target = here.add('one', { profile: null });
    expect(reports(await ask(here, target))).toMatchObject([
      { grantType: 'JWT_BEARER', handOver: 'JWT', outcome: 'failed', error: { code: 'PROFILE_NOT_FOUND' } },
    ]);
  });

  it('is reported with what its hand-over threw', async () => {
    const here = estate();
    const target = here.add('one', { profile: { handOver: () => Promise.reject(down()) } });
    expect(reports(await ask(here, target))).toMatchObject([
      { grantType: 'JWT_BEARER', outcome: 'failed', error: { code: 'SECRETS_UNAVAILABLE' } },
    ]);
  });

  it.each([
    ['the deadline has come', { deadline: NOW }],
    ['the run is aborted', { signal: AbortSignal.abort() }],
  ])('is not begun where %s', async (_, run) => {
    const here = estate({}, { run });
    const target = here.add('one');
    expect(reports(await ask(here, target))).toEqual([
      {
        connection: 'one',
        connectorProfileName: 'one',
        grantType: 'JWT_BEARER',
        handOver: 'JWT',
        outcome: 'failed',
        error: {
          code: 'OUT_OF_TIME',
          retryable: true,
          message: "The function's deadline came before one was served.",
          hint: 'Nothing to do unless it goes on: the next attempt comes by itself. If it does, ask for fewer connections at once.',
        },
      },
    ]);
    expect(here.calls).not.toContain('sign one');
  });

  it('fails with all others where what they share cannot be read', async () => {
    const here = estate();
    here.before['profiles'] = () => {
      throw new RefreshError('APPFLOW_UNAVAILABLE', 'AppFlow is down.', 'Wait.');
    };
    expect(reports(await ask(here, here.add('one'), here.add('two')))).toMatchObject([
      { connection: 'one', outcome: 'failed', error: { code: 'APPFLOW_UNAVAILABLE' } },
      { connection: 'two', outcome: 'failed', error: { code: 'APPFLOW_UNAVAILABLE' } },
    ]);
  });
});

describe('a bug', () => {
  const bug = new TypeError('x is not a function');

  it('in what is shared is thrown', async () => {
    const here = estate();
    here.before['values'] = () => {
      throw bug;
    };
    await expect(ask(here, here.add('one'))).rejects.toBe(bug);
  });

  it('of one connection is named beside the reports of the others', async () => {
    const here = estate();
    here.before['sign'] = (name) => {
      if (name === 'one') throw bug;
    };
    const refreshed = await ask(here, here.add('one'), here.add('two'));
    expect(refreshed.bugs).toEqual([{ connection: 'one', error: bug }]);
    expect(reports(refreshed)).toMatchObject([{ connection: 'two', outcome: 'refreshed' }]);
  });

  it('in the parsing of a secret is none of the secret', async () => {
    const here = estate();
    const target = here.add('one');
    const { ports } = here.context;
    const signer = {
      ...ports.signer,
      privateKeyProblem: () => {
        throw bug;
      },
    };
    const refreshed = await refresh(
      { targets: [target], dryRun: false },
      { ...here.context, ports: { ...ports, signer } },
    );
    expect(refreshed).toEqual({ served: [], bugs: [{ connection: 'one', error: bug }] });
  });
});

it('ten connections are served at once', async () => {
  const here = estate();
  const targets = Array.from({ length: 12 }, (_, n) => here.add(`c${n}`));
  let most = 0;
  let under = 0;
  here.before['sign'] = async () => {
    under++;
    most = Math.max(most, under);
    await new Promise((resolve) => setTimeout(resolve, 5));
    under--;
  };
  const { served } = await ask(here, ...targets);
  expect([served.length, most]).toEqual([12, 10]);
});
