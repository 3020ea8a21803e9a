/**
 * One tick over 5,000 secrets that all have something wrong with them, in a process of its own: what it writes is the tick's log, and its last line says
 * how much memory the process took. The argument names what is wrong.
 */
import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics } from '@aws-lambda-powertools/metrics';
import { dispatch } from '../../functions/core/dispatch.ts';
import type { ListedSecret, Profile } from '../../functions/core/ports.ts';
import { recordTick } from '../../functions/runtime/telemetry.ts';
import { fakeContext, fakeRun } from './rules.ts';

const [, , kind = ''] = process.argv;
const COUNT = 5_000;
const LONG = 'x'.repeat(240);

const tags: Record<string, (n: number) => Record<string, string>> = {
  shared: () => ({ 'connector-profile-name': 'payroll' }),
  pairs: (n) => ({ 'connector-profile-name': `pair-${Math.floor(n / 2)}-${LONG}` }),
  missing: (n) => ({ 'connector-profile-name': `gone-${n}-${LONG}` }),
  malformed: () => ({ 'connector-profile-name': `not a name ${LONG}`, 'refresh-interval-seconds': 'soon' }),
  escrow: () => ({}),
  overdue: (n) => ({ 'connector-profile-name': `there-${n}-${LONG}` }),
};
const profile = (connectorProfileName: string): Profile => ({
  connectorProfileName,
  isSalesforce: true,
  createdAt: new Date(0),
  updatedAt: new Date(1),
  connectionMode: 'Public',
  instanceUrl: undefined,
  handOver: async () => undefined,
});
const tagsOf = tags[kind];
if (tagsOf === undefined) throw new Error(`The kinds are ${Object.keys(tags).join(', ')}.`);

const secrets: ListedSecret[] = Array.from({ length: COUNT }, (_, n) => ({
  name: `appflow-token-refresher/${n}-${LONG}`,
  createdAt: new Date(n),
  changedAt: new Date(n),
  tags: new Map(Object.entries(tagsOf(n))),
}));
// One that is well, created before all others.
secrets.push({
  name: 'appflow-token-refresher/payroll',
  createdAt: new Date(-1),
  changedAt: new Date(0),
  tags: new Map(),
});
const names = secrets.flatMap(({ tags }) => tags.get('connector-profile-name') ?? 'payroll');
const profiles = new Map(
  names.filter((name) => !/^(gone|not)/.test(name)).map((name) => [name, profile(name)] as const),
);
const run = fakeRun();
const context = fakeContext(
  {
    secrets: { list: async () => secrets },
    appflow: { salesforceProfiles: async () => profiles },
    queue: { send: async (envelopes) => envelopes.length },
    escrow: { list: async () => (kind === 'escrow' ? secrets.map(({ name }) => name) : []) },
  },
  run,
);
const log = new Logger({ serviceName: 'appflow-token-refresher' });
const metrics = new Metrics({ namespace: 'AppFlowTokenRefresher', serviceName: 'appflow-token-refresher' });
const tick = new Date(run.now());
const dispatched = await dispatch({ scheduledTime: tick, force: true }, context);
await recordTick(dispatched, tick, { log, metrics, run, ports: context.ports });
metrics.publishStoredMetrics();
process.stderr.write(
  JSON.stringify({ enqueued: dispatched.summary.enqueued, megabytes: process.resourceUsage().maxRSS / 1024 }),
);
