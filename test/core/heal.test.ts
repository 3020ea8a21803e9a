import { describe, expect, it } from 'vitest';
import { type FlowFailure, heal } from '../../functions/core/heal.ts';
import type { Flow } from '../../functions/core/ports.ts';
import { at, type Estate, estate, NOW } from '../support/estate.ts';
import { down } from '../support/token-services.ts';

const FAILURE: FlowFailure = {
  eventId: 'event-1',
  flowName: 'accounts',
  startedAt: at(-60),
  eventTime: at(-30),
  isDeactivated: false,
  endedWell: false,
  reason: 'invalid_grant',
};
const FLOW: Flow = {
  connectorProfileNames: ['one'],
  profilesAt: { source: ['one'], destination: [] },
  hasOtherLogIn: false,
  triggerType: 'OnDemand',
  isActive: true,
  lastRunAt: undefined,
  errorTexts: [],
};
const nothing = (message: string) => ({
  report: { flow: 'accounts', outcome: 'nothing-to-do', message, connections: [] },
  refreshed: { served: [], bugs: [] },
  isUnknown: false,
});

/** The flow `accounts`, which writes through the profile of the connection `one`. */
function world(flow: Partial<Flow> = {}, rerunFlows = true): Estate {
  const here = estate({ rerunFlows });
  here.add('one');
  here.flows.set('accounts', { ...FLOW, ...flow });
  return here;
}
const healed = (here: Estate, some: Partial<FlowFailure> = {}) => heal({ ...FAILURE, ...some }, here.context);

const REDSHIFT =
  'The request failed because the service Destination Redshift returned the following error: Details: password authentication failed for user "etl"';
const SOURCE =
  'The request failed because the service Source Salesforce returned the following error: Details: Session expired or invalid, ErrorCode: INVALID_SESSION_ID.';
const TARGET = SOURCE.replace('Source', 'Destination');

describe('a flow that failed for another reason than its credentials', () => {
  const said = 'accounts did not fail because of its credentials at Salesforce; nothing to do.';

  it.each([REDSHIFT, 'INVALID_FIELD: No such column on entity Account'])('is left alone: %s', async (reason) => {
    const here = world();
    for (const isDeactivated of [false, true])
      await expect(healed(here, { reason, isDeactivated })).resolves.toEqual(nothing(said));
    expect(here.calls).toEqual([]);
  });

  it('did not fail where the run ended well', async () => {
    const here = world();
    await expect(healed(here, { endedWell: true })).resolves.toEqual(nothing('This run did not fail; nothing to do.'));
    expect(here.calls).toEqual([]);
  });
});

describe('a flow that failed with a text that nobody knows', () => {
  const unknown = (what: string) => ({
    ...nothing(
      `AppFlow gives ${what} for why accounts failed, so nothing was done. Read the flow's run history in AppFlow. If it is a refused log-in at Salesforce, refresh its connection by hand, and report the text so that it can be learnt.`,
    ),
    isUnknown: true,
  });

  it('is left alone, and reported', async () => {
    const here = world();
    await expect(healed(here, { reason: 'The field Name is too long.' })).resolves.toEqual(
      unknown('a text that is not known here (27 characters)'),
    );
    expect(here.calls).toEqual([]);
  });

  it.each([
    ['no text', '', false],
    ['no reason for its deactivation', '', true],
    ['a reason that speaks of how often it failed', 'The flow failed 3 times in a row.', true],
  ])('is read in the description of the flow where its event has %s', async (_, reason, isDeactivated) => {
    const event = { reason, isDeactivated };
    await expect(healed(world({ errorTexts: ['odd', SOURCE] }), event)).resolves.toMatchObject({
      report: { outcome: 'healed' },
    });
    await expect(healed(world({ errorTexts: [REDSHIFT, SOURCE] }), event)).resolves.toMatchObject({
      report: { outcome: 'nothing-to-do' },
      isUnknown: false,
    });
    const here = world();
    const length =
      reason === '' ? 'no text, in the event or in the flow,' : 'a text that is not known here (33 characters)';
    await expect(healed(here, event)).resolves.toEqual(unknown(length));
    expect(here.calls).toEqual(['flow accounts']);
    const odd = reason === '' ? 'a text that is not known here (3 characters)' : length;
    await expect(healed(world({ errorTexts: ['', 'odd'] }), event)).resolves.toEqual(unknown(odd));
    here.flows.clear();
    await expect(healed(here, event)).resolves.toEqual(nothing('accounts does not exist any more.'));
  });
});

describe('a flow whose other end logs in too', () => {
  const unclear =
    "AppFlow gives a text that does not say which of its ends was refused for why accounts failed, so nothing was done. Read the flow's run history in AppFlow. If it is a refused log-in at Salesforce, refresh its connection by hand, and report the text so that it can be learnt.";

  it.each(['invalid_grant', 'Authentication failed', 'HTTP 401'])(
    'is left alone, and reported, where anybody may have said that: %s',
    async (reason) => {
      const here = world({ hasOtherLogIn: true });
      for (const isDeactivated of [false, true])
        await expect(healed(here, { reason, isDeactivated })).resolves.toEqual({
          ...nothing(unclear),
          isUnknown: true,
        });
      expect(here.calls).toEqual(['flow accounts', 'flow accounts']);
      await expect(healed(world(), { reason })).resolves.toMatchObject({ report: { outcome: 'healed' } });
    },
  );

  it('is healed where only Salesforce says that, or the description of the flow names it', async () => {
    const here = world({ hasOtherLogIn: true });
    await expect(healed(here, { reason: SOURCE })).resolves.toMatchObject({ report: { outcome: 'healed' } });
    const told = world({ hasOtherLogIn: true, errorTexts: ['Unauthorized', SOURCE] });
    await expect(healed(told)).resolves.toMatchObject({ report: { outcome: 'healed' } });
    await expect(healed(world({ errorTexts: [REDSHIFT] }))).resolves.toMatchObject({
      report: { outcome: 'nothing-to-do' },
      isUnknown: false,
    });
  });
});

describe('a flow between two orgs', () => {
  it.each([
    [SOURCE, ['one']],
    [TARGET, ['two']],
    ['invalid_grant', ['one', 'two']],
  ])('has only the connection refreshed whose end failed: %s', async (reason, connections) => {
    const here = world({
      connectorProfileNames: ['one', 'two'],
      profilesAt: { source: ['one'], destination: ['two'] },
    });
    here.add('two');
    const { report } = await healed(here, { reason });
    expect(report.connections.map(({ connection }) => connection)).toEqual(connections);
  });

  it('is left alone where the end that failed is not of Salesforce any more', async () => {
    await expect(healed(world(), { reason: TARGET })).resolves.toEqual(
      nothing('No connection names the profile of accounts (not a Salesforce flow).'),
    );
  });
});

describe('a flow that could not log in', () => {
  it('has its connection refreshed', async () => {
    const here = world();
    const { report, refreshed, isUnknown } = await healed(here);
    const connection = expect.objectContaining({ connection: 'one', outcome: 'refreshed' });
    expect(report).toEqual({
      flow: 'accounts',
      outcome: 'healed',
      message: 'The connection of accounts is fresh. The flow runs again.',
      connections: [connection],
    });
    expect(refreshed).toMatchObject({ served: [{ report: connection }], bugs: [] });
    expect(isUnknown).toBe(false);
    expect(here.profiles.get('one')?.given).toHaveLength(1);
    expect(here.calls.slice(0, 3)).toEqual(['flow accounts', 'list appflow-token-refresher/', 'profiles one']);
  });

  it('is left alone where it is gone', async () => {
    const here = world();
    here.flows.clear();
    await expect(healed(here)).resolves.toEqual(nothing('accounts does not exist any more.'));
  });

  it.each([
    [['two', 'three'], 'No connection names the profile of accounts (two, three).'],
    [[], 'No connection names the profile of accounts (not a Salesforce flow).'],
  ])('is left alone where no connection is behind it: %j', async (connectorProfileNames, said) => {
    await expect(healed(world({ connectorProfileNames }))).resolves.toEqual(nothing(said));
  });

  it('leaves other connections alone', async () => {
    const here = world();
    here.add('two');
    await healed(here);
    expect(here.profiles.get('two')?.given).toEqual([]);
  });

  it('asks for a profile at both of its ends once', async () => {
    const here = world({ connectorProfileNames: ['one', 'two'] });
    here.add('two');
    const { report } = await healed(here);
    expect(report.connections.map(({ connection }) => connection)).toEqual(['one', 'two']);
    expect(here.calls[2]).toBe('profiles one two');
  });
});

describe('a credential that was young when the run started', () => {
  const young =
    "The credentials of one were less than 15 minutes old when accounts started, so newer ones would not help. Look at the run's error in AppFlow: it is the user's permissions, the app's policies or the flow itself.";
  const updated = (seconds: number) => {
    const here = world();
    here.add('one', { profile: { updatedAt: at(seconds) } });
    return here;
  };

  it.each([-60, -60 - 899])('is not renewed, since a newer one would not help: %i', async (seconds) => {
    const here = updated(seconds);
    await expect(healed(here)).resolves.toEqual(nothing(young));
    expect(here.started).toEqual([]);
  });

  it('is one of less than a quarter of an hour', async () => {
    await expect(healed(updated(-60 - 900))).resolves.toMatchObject({ report: { outcome: 'healed' } });
  });

  it('is not one that came after the start: then the flow is only started again', async () => {
    const here = updated(-59);
    await expect(healed(here)).resolves.toMatchObject({
      report: { outcome: 'healed', connections: [{ outcome: 'up-to-date' }] },
    });
    expect([here.profiles.get('one')?.given, here.started]).toEqual([[], [['accounts', 'event-1']]]);
  });

  it('is measured from the last run where the event names none, and from the event where there was none', async () => {
    const deactivated = { startedAt: undefined, isDeactivated: true };
    const here = updated(-1_200);
    here.flows.set('accounts', { ...FLOW, lastRunAt: at(-301) });
    await expect(healed(here, deactivated)).resolves.toEqual(nothing(young));
    here.flows.set('accounts', { ...FLOW, lastRunAt: at(-300) });
    await expect(healed(here, deactivated)).resolves.toMatchObject({ report: { outcome: 'healed' } });
    const never = updated(-1_200);
    await expect(healed(never, { ...deactivated, eventTime: at(-301) })).resolves.toEqual(nothing(young));
    await expect(healed(updated(-1_200), { ...deactivated, eventTime: at(-300) })).resolves.toMatchObject({
      report: { outcome: 'healed' },
    });
  });

  it('does not keep the other end of the flow from being refreshed', async () => {
    const here = world({ connectorProfileNames: ['one', 'two'] });
    here.add('one', { profile: { updatedAt: at(-61) } });
    here.add('two');
    const { report } = await healed(here);
    expect(report).toMatchObject({ outcome: 'healed', connections: [{ connection: 'two', outcome: 'refreshed' }] });
    expect(here.profiles.get('one')?.given).toEqual([]);
  });

  it('names all profiles where all are young', async () => {
    const here = world({ connectorProfileNames: ['one', 'two'] });
    here.add('one', { profile: { updatedAt: at(-61) } });
    here.add('two', { profile: { updatedAt: at(-61) } });
    const { report } = await healed(here);
    expect(report.message).toMatch(/^The credentials of one, two were less/);
  });
});

describe('a connection that fails', () => {
  const due = (seconds: number) => {
    const here = world();
    here.add('one', { profile: { updatedAt: at(-3_600 - seconds) } });
    return here;
  };

  it('is left to the schedule where it has been due for longer than a tick', async () => {
    await expect(healed(due(301))).resolves.toEqual(
      nothing(
        'one has been due for longer than a tick, so its refreshes fail: the schedule goes on with them, ever more rarely. Look for its last failure in the saved query one-connection.',
      ),
    );
    await expect(healed(due(300))).resolves.toMatchObject({ report: { outcome: 'healed' } });
  });

  it('is named alone, and holds up the other end of its flow', async () => {
    const here = world({ connectorProfileNames: ['zero', 'one', 'two'] });
    for (const name of ['one', 'two']) here.add(name, { profile: { updatedAt: at(-9_000) } });
    here.add('zero');
    const { report } = await healed(here);
    expect(report.message).toMatch(/^one, two has been due/);
    expect(here.profiles.get('zero')?.given).toEqual([]);
  });

  const stays = 'accounts stays as it is: its connection could not be refreshed.';

  it('leaves its flow as it is', async () => {
    const here = world();
    here.add('one', { profile: { handOver: () => Promise.reject(down()) } });
    await expect(healed(here)).resolves.toMatchObject({
      report: { flow: 'accounts', outcome: 'failed', message: stays, connections: [{ outcome: 'failed' }] },
    });
    expect(here.started).toEqual([]);
  });

  it('leaves its flow as it is although the other end was refreshed', async () => {
    const here = world({ connectorProfileNames: ['one', 'two'] });
    here.add('two', { profile: { handOver: () => Promise.reject(down()) } });
    await expect(healed(here)).resolves.toMatchObject({
      report: { outcome: 'failed', message: stays, connections: [{ outcome: 'refreshed' }, { outcome: 'failed' }] },
    });
    expect(here.started).toEqual([]);
  });

  it('because its profile is gone leaves its flow as it is', async () => {
    const here = world();
    here.profiles.clear();
    await expect(healed(here)).resolves.toMatchObject({
      report: { outcome: 'failed', connections: [{ error: { code: 'PROFILE_NOT_FOUND' } }] },
    });
  });

  it('by a bug of ours leaves its flow as it is', async () => {
    const bug = new TypeError('x');
    const here = world();
    here.before['sign'] = () => {
      throw bug;
    };
    await expect(healed(here)).resolves.toMatchObject({
      report: { outcome: 'failed', message: stays, connections: [] },
      refreshed: { bugs: [{ connection: 'one', error: bug }] },
    });
    expect(here.started).toEqual([]);
  });

  it('is thrown for another try where another run holds it', async () => {
    const here = estate({ rerunFlows: true });
    const code = { grantType: 'AUTHORIZATION_CODE', refreshToken: 'seed', username: undefined, privateKey: undefined };
    here.add('sf-eu', { value: code });
    here.add('one');
    here.flows.set('accounts', { ...FLOW, connectorProfileNames: ['one', 'sf-eu'] });
    here.tokens.seed('c', { connection: 'sf-eu', rotates: false }, 'AWSCURRENT');
    here.tokens.seed('l', { owner: 'another', heldSeconds: 100 }, 'REFRESH_LEASE');
    await expect(healed(here)).rejects.toMatchObject({
      code: 'OUT_OF_TIME',
      message: 'Another run holds the connection of accounts.',
      hint: 'Nothing to do: Lambda runs this again in a minute.',
    });
    expect(here.started).toEqual([]);
  });

  it('exchanges a token although one is stored, since that may be the one that failed', async () => {
    const here = estate();
    const code = { grantType: 'AUTHORIZATION_CODE', refreshToken: 'seed', username: undefined, privateKey: undefined };
    here.add('sf-eu', { value: code });
    here.flows.set('accounts', { ...FLOW, connectorProfileNames: ['sf-eu'] });
    await expect(healed(here)).resolves.toMatchObject({ report: { outcome: 'healed' } });
    await expect(healed(here)).resolves.toMatchObject({ report: { outcome: 'healed' } });
    expect(here.tokens.sent).toEqual(['seed', 'seed']);
  });
});

describe('a flow whose connection is fresh', () => {
  const fresh = 'The connection of accounts is fresh.';

  it('is not started where RERUN_FLOWS is off', async () => {
    const here = world({}, false);
    await expect(healed(here)).resolves.toMatchObject({
      report: { message: `${fresh} RERUN_FLOWS is off, so the flow was not started.` },
    });
    expect(here.started).toEqual([]);
  });

  it.each([
    ['OnDemand', true, false, 'The flow runs again.', true],
    ['OnDemand', false, true, 'The flow runs again.', true],
    ['Scheduled', true, false, 'The flow is active and runs again at its time.', false],
    ['Scheduled', true, true, 'The flow is activated again.', true],
    ['Scheduled', false, false, 'The flow is activated again.', true],
    ['Event', false, true, 'The flow is activated again.', true],
  ] as const)(
    'is started as its trigger wants, once for an event: %s, active: %s, deactivated: %s',
    async (triggerType, isActive, isDeactivated, said, starts) => {
      const here = world({ triggerType, isActive });
      await expect(healed(here, { isDeactivated })).resolves.toMatchObject({ report: { message: `${fresh} ${said}` } });
      expect(here.started).toEqual(starts ? [['accounts', 'event-1']] : []);
    },
  );
});

it('the clock of these tests stands', () => {
  expect(estate().run.now()).toBe(NOW);
});
