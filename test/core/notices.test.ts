import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Target } from '../../functions/core/connection/target.ts';
import { RefreshError } from '../../functions/core/errors.ts';
import { noticesOf, type Told, tell } from '../../functions/core/notices.ts';
import type { Notice } from '../../functions/core/ports.ts';
import type { Served } from '../../functions/core/report.ts';
import type { Run } from '../../functions/core/run.ts';
import { attemptOf, type Dates, dueSince, isOverdue, slotOf } from '../../functions/core/schedule.ts';
import { at, type Estate, estate, NOW } from '../support/estate.ts';
import { fakeContext, fakeRun } from '../support/rules.ts';

const TICK = 300;
const INTERVAL = 3_600;
const refused = () => new RefreshError('SALESFORCE_REFUSED', 'The user is gone.', 'Tell the administrator.');
const down = () => new RefreshError('APPFLOW_UNAVAILABLE', 'AppFlow is down.', { kind: 'wait' });

/** What a tick's attempt came to; the profile was updated an interval before `dueAt`, in seconds from now. */
function attempt(here: Estate, error: RefreshError | undefined, dueAt: number, more: Partial<Target> = {}): Served {
  const target = here.add('one', { profile: { updatedAt: at(dueAt - INTERVAL) } });
  const profile = here.profiles.get('one');
  if (profile === undefined) throw new Error('It was just added.');
  const known = { connection: 'one', connectorProfileName: 'one', grantType: 'JWT_BEARER' } as const;
  const { isRetry = false } = more;
  const ticks = [{ scheduledTime: at(0), isRetry }];
  const asked = { target: { ...target, unlessUpdatedAfter: at(0), ticks, ...more }, profile };
  if (error === undefined) return { report: { ...known, outcome: 'refreshed', validUntil: null }, asked };
  const { code, retryable, message, hint } = error;
  return { report: { ...known, outcome: 'failed', error: { code, retryable, message, hint } }, error, asked };
}

const kinds = async (here: Estate, served: Served) => (await noticesOf([served], here.context)).map(({ kind }) => kind);

describe('a connection that fails', () => {
  it('is told at the first attempt where it failed for good', async () => {
    const here = estate();
    expect(await noticesOf([attempt(here, refused(), 0)], here.context)).toEqual([
      {
        kind: 'Connection Failed',
        connection: 'one',
        connectorProfileName: 'one',
        grantType: 'JWT_BEARER',
        since: at(0).toISOString(),
        code: 'SALESFORCE_REFUSED',
        message: 'The user is gone.',
        hint: 'Tell the administrator.',
      },
    ]);
  });

  it('is told when the patience of the alarm ends, whatever the reason, and at no attempt between', async () => {
    for (const error of [refused(), down()]) {
      // Slots lie 0, 1, 3, 7 ticks after it became due, and the patience is three ticks.
      for (const [ticks, told] of [
        [1, []],
        [3, ['Connection Failed']],
        [7, []],
      ] as const)
        expect(await kinds(estate(), attempt(estate(), error, -ticks * TICK))).toEqual(told);
    }
  });

  it('is not told at the first attempt where it may pass', async () => {
    expect(await kinds(estate(), attempt(estate(), down(), 0))).toEqual([]);
  });

  it('is not told again where the queue asks again in the same attempt', async () => {
    const here = estate();
    expect(await kinds(here, attempt(here, down(), -3 * TICK, { isRetry: true }))).toEqual([]);
  });

  it('is told at each of the ticks that came together, and a retry of one hides no other', async () => {
    const here = estate();
    const ticks = (...some: [ticksAgo: number, isRetry: boolean][]) => ({
      isRetry: some.some(([, isRetry]) => isRetry),
      ticks: some.map(([ticksAgo, isRetry]) => ({ scheduledTime: at(-ticksAgo * TICK), isRetry })),
    });
    // It became due seven ticks ago, and the patience ended four ticks ago.
    const failing = (...some: Parameters<typeof ticks>) =>
      kinds(here, attempt(here, down(), -7 * TICK, ticks(...some)));
    expect(await failing([6, true], [4, false])).toEqual(['Connection Failed']);
    expect(await failing([4, false], [0, false])).toEqual(['Connection Failed']);
    expect(await failing([6, true], [0, false])).toEqual([]);
    expect(await failing([4, true], [0, false])).toEqual([]);
  });

  it('is not told where a person or a failed flow asked', async () => {
    const here = estate();
    const { asked, ...served } = attempt(here, refused(), 0);
    if (asked === undefined) throw new Error('It was asked.');
    const { unlessUpdatedAfter: _tick, ticks: _none, ...byHand } = asked.target;
    expect(await kinds(here, { ...served, asked: { ...asked, target: byHand } })).toEqual([]);
    const healing = { ...byHand, unlessUpdatedAfter: at(0), isHealing: true };
    expect(await kinds(here, { ...served, asked: { ...asked, target: healing } })).toEqual([]);
    expect(here.calls).toEqual([]);
  });

  it('is told by the date of a secret that a person has changed, and by that of the profile where it cannot be looked at', async () => {
    const here = estate();
    const served = attempt(here, refused(), -3_600);
    here.listed.set('appflow-token-refresher/one', {
      name: 'appflow-token-refresher/one',
      createdAt: at(-90_000),
      changedAt: at(-10),
      tags: new Map(),
    });
    expect(await noticesOf([served], here.context)).toMatchObject([{ since: at(-10).toISOString() }]);
    here.before['describe'] = () => {
      throw down();
    };
    // Twelve ticks after it became due there is no slot.
    expect(await kinds(here, served)).toEqual([]);
  });

  it('is not told where it is not due: somebody had all of them sent', async () => {
    const here = estate();
    expect(await kinds(here, attempt(here, refused(), 60))).toEqual([]);
    expect(await kinds(here, attempt(here, refused(), -2 * TICK))).toEqual([]);
  });

  it('is told from the dates of its profile where the store of its secret hangs, after five seconds at most', async () => {
    const here = estate();
    const served = attempt(here, refused(), 0);
    const { secrets } = here.context.ports;
    const hanging = {
      ...secrets,
      describe: (_name: string, { signal }: Run) =>
        new Promise<never>((_resolve, reject) => signal.addEventListener('abort', () => reject(down()))),
    };
    const waited: number[] = [];
    let cancelled = 0;
    const timer = (milliseconds: number) => {
      waited.push(milliseconds);
      return {
        rung: Promise.resolve(),
        cancel() {
          cancelled += 1;
        },
      };
    };
    for (const secondsLeft of [45, 2]) {
      const run = { ...fakeRun({ now: NOW, deadline: NOW + secondsLeft * 1000 }), timer };
      const told = await noticesOf([served], fakeContext({ ...here.context.ports, secrets: hanging }, run));
      expect(told).toMatchObject([{ kind: 'Connection Failed', since: at(0).toISOString() }]);
    }
    expect(waited).toEqual([5_000, 1_000]);
    // No timer is left behind, which would keep a laptop's process waiting.
    expect(cancelled).toBe(2);
  });

  it('is not told where no profile is known', async () => {
    const here = estate();
    const { asked: _none, ...served } = attempt(here, refused(), 0);
    expect(await kinds(here, served)).toEqual([]);
  });

  it('is told twice at most while it stays broken, and once at least when the alarm has come', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(60, 300, 900),
        fc.integer({ min: 60, max: 200_000 }),
        fc.integer({ min: 0, max: 899_999 }),
        fc.boolean(),
        (tickSeconds, intervalSeconds, phase, isFinal) => {
          const dates: Dates = {
            secretChangedAt: new Date(0),
            profileCreatedAt: new Date(1),
            profileUpdatedAt: new Date(NOW),
            intervalSeconds,
          };
          const since = dueSince(dates).getTime();
          let told = 0;
          let alarmed = 0;
          const ticks = Math.ceil((4 * Math.max(intervalSeconds, 3 * tickSeconds)) / tickSeconds);
          for (let n = 0; n <= Math.min(ticks, 4_000); n++) {
            const moment = new Date(since + (phase % (tickSeconds * 1000)) + n * tickSeconds * 1000);
            if (slotOf(dates, moment, tickSeconds) === undefined) continue;
            const one = attemptOf(dates, moment, tickSeconds);
            if ((one?.isFirst === true && isFinal) || one?.endsPatience === true) told += 1;
            if (isOverdue((moment.getTime() - since) / 1000, intervalSeconds, tickSeconds)) alarmed += 1;
          }
          expect(told).toBeLessThanOrEqual(2);
          if (alarmed > 0) expect(told).toBeGreaterThanOrEqual(1);
        },
      ),
    );
  });
});

describe('a connection that is refreshed', () => {
  it('is told to have recovered where its first attempt had not succeeded, and not where only queue and refresh took long', async () => {
    const here = estate();
    const served = attempt(here, undefined, -TICK);
    expect(await noticesOf([served], here.context)).toMatchObject([
      { kind: 'Connection Recovered', connection: 'one', since: at(-TICK).toISOString() },
    ]);
    // The tick came almost a tick after the moment, as it may, and the refresh has taken a minute.
    const later = fakeContext({ ...here.context.ports }, fakeRun({ now: NOW + 60_000 }));
    expect((await noticesOf([attempt(here, undefined, -TICK + 1)], later)).map(({ kind }) => kind)).toEqual([]);
    expect(await kinds(here, attempt(here, undefined, 60))).toEqual([]);
  });

  it('is told to have recovered by the clock where a person asked', async () => {
    const here = estate();
    expect(await kinds(here, attempt(here, undefined, -TICK, { ticks: [] }))).toEqual(['Connection Recovered']);
    expect(await kinds(here, attempt(here, undefined, -TICK + 1, { ticks: [] }))).toEqual([]);
  });

  it('is not told to have recovered where it is new and its profile is old, unless it had to wait itself', async () => {
    const here = estate();
    const added = async (secondsAgo: number) => {
      const served = attempt(here, undefined, -90 * 86_400);
      const name = 'appflow-token-refresher/one';
      here.listed.set(name, { name, createdAt: at(-secondsAgo), changedAt: at(-secondsAgo), tags: new Map() });
      return (await noticesOf([served], here.context)).map(({ kind, since }) => [kind, since]);
    };
    // The listing lags by up to five minutes, so it may be sent two ticks after it was added.
    expect(await added(60)).toEqual([]);
    expect(await added(TICK + 299)).toEqual([]);
    expect(await added(TICK + 300)).toEqual([['Connection Recovered', at(-TICK - 300).toISOString()]]);
    here.before['describe'] = () => {
      throw down();
    };
    expect(await added(60)).toMatchObject([['Connection Recovered', expect.any(String)]]);
  });

  it('and many others look at ten secrets at once', async () => {
    const here = estate();
    let atOnce = 0;
    let most = 0;
    here.before['describe'] = async () => {
      most = Math.max(most, ++atOnce);
      await new Promise((resolve) => setImmediate(resolve));
      atOnce -= 1;
    };
    const served = Array.from({ length: 25 }, () => attempt(here, undefined, -TICK));
    expect(await noticesOf(served, here.context)).toHaveLength(25);
    expect(most).toBe(10);
  });

  it('is told to have recovered where its profile was deleted and made again, and not where both are new', async () => {
    const here = estate();
    const made = (secondsAfter: number) => {
      const served = attempt(here, undefined, 0);
      if (served.asked === undefined) throw new Error('It was asked.');
      const moment = at(-90_000 + secondsAfter);
      return {
        ...served,
        asked: { ...served.asked, profile: { ...served.asked.profile, createdAt: moment, updatedAt: moment } },
      };
    };
    const late = fakeContext({ ...here.context.ports }, fakeRun({ now: at(-90_000 + TICK + 60).getTime() }));
    const kindsOf = async (secondsAfter: number) => {
      const served = made(secondsAfter);
      const ticks = [{ scheduledTime: at(-90_000 + TICK + 60), isRetry: false }];
      const asked = { ...served.asked, target: { ...served.asked.target, ticks } };
      return (await noticesOf([{ ...served, asked }], late)).map(({ kind }) => kind);
    };
    expect(await kindsOf(TICK + 1)).toEqual(['Connection Recovered']);
    expect(await kindsOf(TICK)).toEqual([]);
  });

  it('is not told where nothing was done', async () => {
    const here = estate();
    const served = attempt(here, undefined, -7_200);
    const upToDate = { ...served, report: { ...served.report, outcome: 'up-to-date' } as const };
    expect(await kinds(here, upToDate)).toEqual([]);
  });
});

const TOLD: Told = {
  kind: 'Connection Failed',
  connection: 'sf',
  connectorProfileName: 'crm',
  since: '2026-11-24T03:00:00.000Z',
  code: 'SALESFORCE_REFUSED',
  message: 'Salesforce says invalid_grant.',
  hint: 'Run authorize.',
};

/** What is put on the bus, with neighbours that can be told to fail. */
function bus(ports: Parameters<typeof fakeContext>[0]) {
  const put: Notice[] = [];
  const context = fakeContext({
    notices: { put: async (notices) => void put.push(...notices) },
    ...ports,
  });
  return { put, context };
}

describe('a notice', () => {
  const uses = [
    { flowName: 'accounts', trigger: 'Scheduled rate(1hours)' },
    { flowName: 'orders', trigger: 'OnDemand' },
  ];

  it('says in one line what, since when, what to do and which flows stop', async () => {
    const { put, context } = bus({ flows: { flowsOf: async () => new Map([['crm', uses]]) } });
    const { notices, problems } = await tell([TOLD], context);
    expect(problems).toEqual([]);
    expect(notices).toEqual(put);
    const { kind, ...about } = TOLD;
    expect(put).toEqual([
      {
        kind,
        detail: {
          ...about,
          flows: uses,
          summary:
            'Connection Failed: sf (profile crm) has waited for a refresh since 2026-11-24T03:00:00Z: SALESFORCE_REFUSED: Salesforce says invalid_grant. → Run authorize. Flows: accounts (Scheduled rate(1hours)), orders (OnDemand).',
        },
      },
    ]);
  });

  it('says that no flow uses the profile, and nothing of flows where they could not be asked for', async () => {
    const none = bus({ flows: { flowsOf: async () => new Map() } });
    expect((await tell([TOLD], none.context)).notices[0]?.detail.summary).toMatch(/ No flow uses it\.$/);
    const broken = bus({ flows: { flowsOf: () => Promise.reject(down()) } });
    const { notices, problems } = await tell([TOLD], broken.context);
    expect(notices[0]?.detail).not.toHaveProperty('flows');
    expect(notices[0]?.detail.summary).toMatch(/Run authorize\.$/);
    expect(problems).toMatchObject([{ code: 'APPFLOW_UNAVAILABLE' }]);
    expect(broken.put).toHaveLength(1);
  });

  it('does not wait for flows that take too long', async () => {
    const { put, context } = bus({
      flows: {
        flowsOf: (_names, { signal }) =>
          new Promise((_resolve, reject) => {
            const stop = () => reject(new RefreshError('OUT_OF_TIME', 'Too late.', { kind: 'wait' }));
            if (signal.aborted) stop();
            else signal.addEventListener('abort', stop);
          }),
      },
    });
    const rung: number[] = [];
    const timer = (milliseconds: number) => {
      rung.push(milliseconds);
      return { rung: Promise.resolve(), cancel: () => undefined };
    };
    const hurried = (secondsLeft: number) => {
      const { run } = context;
      return { ...context, run: { ...run, timer, deadline: run.now() + secondsLeft * 1000 } };
    };
    for (const left of [45, 8, -1])
      expect((await tell([TOLD], hurried(left))).problems).toMatchObject([{ code: 'OUT_OF_TIME' }]);
    // The flows get half of what is left; the bus what is left of it, or a second beyond the deadline.
    expect(rung).toEqual([10_000, 10_000, 4_000, 8_000, 0, 1_000]);
    expect(put).toHaveLength(3);
  });

  it('is put also where the deadline has come, for as long as Lambda itself leaves', async () => {
    const ended = AbortSignal.abort();
    const seen: { isAborted: boolean; secondsLeft: number }[] = [];
    const see = ({ signal, deadline, now }: Run) =>
      void seen.push({ isAborted: signal.aborted, secondsLeft: (deadline - now()) / 1000 });
    const { context } = bus({
      flows: {
        async flowsOf(_, run) {
          see(run);
          throw down();
        },
      },
      notices: {
        async put(_, run) {
          see(run);
        },
      },
    });
    const run = { ...context.run, signal: ended, deadline: context.run.now() - 1 };
    await tell([TOLD], { ...context, run });
    // For the flows there is no time.
    expect(seen).toEqual([
      { isAborted: true, secondsLeft: 0 },
      { isAborted: false, secondsLeft: 1 },
    ]);
  });

  it('counts no flows that were not looked for', async () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, n) => ({ flowName: `f${n}`, trigger: 'OnDemand' }));
    const summaryWith = async (count: number) => {
      const { put, context } = bus({ flows: { flowsOf: async () => new Map([['crm', many(count)]]) } });
      await tell([TOLD], context);
      return put[0]?.detail.summary;
    };
    expect(await summaryWith(19)).toMatch(/f4 \(OnDemand\) and 14 more\.$/);
    expect(await summaryWith(20)).toMatch(/f4 \(OnDemand\) and at least 15 more\.$/);
  });

  it('that the bus does not take fails nothing', async () => {
    const { context } = bus({
      flows: { flowsOf: async () => new Map() },
      notices: { put: () => Promise.reject(down()) },
    });
    expect((await tell([TOLD], context)).problems).toMatchObject([{ code: 'APPFLOW_UNAVAILABLE' }]);
  });

  it('is one line of bounded length, whatever is in it', async () => {
    const long = 'x\n'.repeat(3_000);
    const flows = Array.from({ length: 20 }, () => ({ flowName: 'f'.repeat(256), trigger: 't'.repeat(120) }));
    const { put, context } = bus({ flows: { flowsOf: async () => new Map([['crm', flows]]) } });
    await tell([{ ...TOLD, message: long }], context);
    const summary = put[0]?.detail.summary ?? '';
    expect(summary.length).toBeLessThanOrEqual(2_000);
    expect(summary).not.toMatch(/[\n\r]/);
  });

  it('asks for nothing where there is nothing to tell', async () => {
    expect(await tell([], fakeContext({}))).toEqual({ notices: [], problems: [] });
  });
});
