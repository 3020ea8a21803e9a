import { generateKeyPairSync } from 'node:crypto';
import * as v from 'valibot';
import { Alarms, metricsIn } from './alarms.ts';
import { TurnableClock } from './clock.ts';
import { logGroupName } from './deployment.ts';
import { captureOutput } from './output.ts';
import { loadSamples } from './samples.ts';
import type { Call, Fault, Intercept } from './wire/traffic.ts';
import { DEAD_LETTERS, type LocalWorld, startWorld } from './world.ts';

/** What `npm start -- --break` takes. */
export const KINDS = [
  'revoked',
  'overwritten',
  'wrong-certificate',
  'appflow-down',
  'store-down',
  'profile-gone',
  'flow-deactivated',
] as const;
export type Kind = (typeof KINDS)[number];

export function isKind(text: string): text is Kind {
  return KINDS.some((kind) => kind === text);
}

/** One line of what happens, as the person on call would learn of it. */
export interface Line {
  readonly at: Date;
  /** `NOTICE` and `ALARM` reach the topic, and so does `OK`; `LOG` is read by who looks for it; the rest is told by the rehearsal itself. */
  readonly what: 'BROKEN' | 'FLOW' | 'NOTICE' | 'ALARM' | 'OK' | 'LOG' | 'CURE' | 'OVER' | 'WELL';
  readonly text: string;
}

/** As it is printed: the time of day, what it is, and the text. */
export function lineOf({ at, what, text }: Line): string {
  return `${at.toISOString().slice(11, 16)}  ${what.padEnd(6)}  ${text}`;
}

export interface RehearsalOptions {
  readonly say: (line: Line) => void;
  /** Also with the sample connection that is broken from the start, and stays so. */
  readonly isAnotherBroken?: boolean;
}

interface Play {
  readonly connection: string;
  readonly profile: string;
  /** The flow of the connection, which runs at each full hour. */
  readonly flow: string;
  /** What has happened. */
  readonly broken: string;
  break(stage: Stage): Promise<void> | void;
  /** In their order; none where nobody need do anything. */
  readonly cures: readonly Cure[];
}

/** What a person does, or what happens by itself. */
interface Cure {
  /** Since the first notice or alarm, or since the cure before. */
  readonly afterMinutes: number;
  readonly isByItself?: boolean;
  readonly text: string;
  do(stage: Stage): Promise<void> | void;
}

/** What a play may touch. */
interface Stage {
  readonly world: LocalWorld;
  readonly clock: TurnableClock;
  fault: ((call: Call) => Fault | undefined) | undefined;
}

const START = new Date('2026-11-24T03:00:00.000Z');
const TICK_SECONDS = 300;
/** Seconds after a tick. */
const BREAKS_AFTER = 120;
/** Ticks until it must be well again: twelve hours. */
const MOST_TICKS = 144;
const DOWN: Fault = { status: 503, code: 'ServiceUnavailableException' };

/**
 * A rehearsal of one kind of failure: breaks a sample connection, runs the ticks by a clock that is turned, and says what the person on call would get,
 * in order, until all is well again.
 *
 * @returns whether it became well again
 */
export async function rehearse(kind: Kind, { say, isAnotherBroken = false }: RehearsalOptions): Promise<boolean> {
  const clock = new TurnableClock(START);
  const stage: { fault: Stage['fault'] } = { fault: undefined };
  const intercept: Intercept = (call, phase) => (phase === 'before' ? stage.fault?.(call) : undefined);
  const world = await startWorld({ clock, intercept, settings: { RERUN_FLOWS: 'true' } });
  try {
    await loadSamples(world, clock);
    if (!isAnotherBroken) world.aws.secrets.remove('appflow-token-refresher/sf-broken');
    // That one keeps the alarm of overdue connections ringing.
    const others = isAnotherBroken ? ['overdue-connections'] : [];
    return await perform(PLAYS[kind], Object.assign(stage, { world, clock }), { say, others });
  } finally {
    await world.close();
  }
}

/** @param others alarms that have nothing to do with what breaks */
async function perform(
  play: Play,
  stage: Stage,
  { say: sayIt, others }: Pick<RehearsalOptions, 'say'> & { readonly others: readonly string[] },
): Promise<boolean> {
  const { world, clock } = stage;
  const { events, appflow } = world.aws;
  const say = (what: Line['what'], text: string) => sayIt({ at: new Date(clock.now()), what, text });
  const flow = { flowName: play.flow, connectorProfileName: play.profile };
  appflow.flows.create({ ...flow, triggerType: 'Scheduled', schedule: 'rate(1hours)' });
  const alarms = new Alarms();
  const heal = logGroupName('heal');
  let heard = 0;
  let read = 0;
  /** What has come to the topic and into the log of `heal` since the last time. */
  const hear = () => {
    for (const { text } of events.messages().slice(heard)) say('NOTICE', text);
    heard = events.messages().length;
    const written = world.aws.logs.lines(heal);
    for (const text of actsIn(written.slice(read))) say('LOG', text);
    read = written.length;
  };
  /** One tick and what is delivered because of it. */
  const tick = async () => {
    const { lines, result: hasFailed } = await captureOutput(() => ticked(world));
    return alarms.tick(measuredIn(world, lines, hasFailed));
  };

  // The credentials of the samples have run out: what is told of their first refresh belongs to no failure.
  await tick();
  // A secret that is as young as the refresh may have changed under it, so it is refreshed once more.
  clock.turn(TICK_SECONDS);
  await tick();
  heard = events.messages().length;
  read = world.aws.logs.lines(heal).length;
  say('WELL', `${play.connection} is refreshed, and its flow ${play.flow} runs each hour`);

  clock.turn(BREAKS_AFTER);
  await play.break(stage);
  say('BROKEN', play.broken);
  await captureOutput(() => world.deliverEvents());
  let toldAt = events.messages().length > heard ? clock.now() : undefined;
  hear();

  const cures = [...play.cures];
  for (let n = 0; n < MOST_TICKS; n++) {
    clock.turn(secondsToNextTick(clock));
    if (clock.now() % 3_600_000 === 0 && appflow.flows.find(play.flow).status === 'Active') {
      const { detail } = await appflow.flows.run(play.flow);
      say('FLOW', `${play.flow}: ${detail['status']}`);
    }
    const heardBefore = heard;
    const changes = await tick();
    hear();
    for (const { name, state } of changes) say(state, name);
    if (heard > heardBefore || changes.length > 0) toldAt ??= clock.now();
    const [cure] = cures;
    if (cure !== undefined) {
      if (toldAt === undefined || clock.now() < toldAt + cure.afterMinutes * 60_000) continue;
      await cure.do(stage);
      say(cure.isByItself === true ? 'OVER' : 'CURE', cure.text);
      toldAt = clock.now();
      cures.shift();
    } else if (alarms.ringing.every((name) => others.includes(name)) && (await isWell(play, world))) {
      say('WELL', `${play.connection} is refreshed, and its flow ${play.flow} runs each hour`);
      return true;
    }
  }
  return false;
}

/** The first tick after now: the clock stands between two, or has been turned by somebody who waited. */
function secondsToNextTick(clock: TurnableClock): number {
  const since = (clock.now() - START.getTime()) / 1000;
  return (Math.floor(since / TICK_SECONDS) + 1) * TICK_SECONDS - since;
}

/** @returns whether `dispatch` failed: the scheduler of AWS tries it again, and its alarm counts the errors */
async function ticked(world: LocalWorld): Promise<boolean> {
  const hasFailed = await world.tick().then(
    () => false,
    () => true,
  );
  await world.deliverEvents();
  return hasFailed;
}

function measuredIn(world: LocalWorld, lines: readonly string[], hasFailed: boolean): Map<string, number> {
  return new Map([
    ...metricsIn(lines),
    ['dispatch-errors', hasFailed ? 1 : 0],
    ['refresh-dead-letters', world.aws.queue.messages(DEAD_LETTERS).length],
    ['failed-events', world.aws.events.failed().length],
  ]);
}

async function isWell({ profile, flow }: Play, { aws }: LocalWorld): Promise<boolean> {
  const { ok } = await aws.appflow.useConnection(profile);
  return ok && aws.appflow.flows.find(flow).status === 'Active';
}

const ActLine = v.object({ level: v.literal('INFO'), message: v.string(), outcome: v.string(), flow: v.string() });

/** What `heal` says that it did about flows. */
function actsIn(lines: readonly string[]): string[] {
  return lines.flatMap((line) => {
    if (!line.startsWith('{')) return [];
    const parsed = v.safeParse(ActLine, JSON.parse(line));
    return parsed.success ? [parsed.output.message] : [];
  });
}

const SECRET = 'appflow-token-refresher/';
const ADMIN = { type: 'AssumedRole', roleName: 'terraform', sessionName: 'apply' } as const;
const DEAD = { oAuth2GrantType: 'JWT_BEARER', jwtToken: 'e30.e30.old' } as const;

/** Sets members of the value of an operator's secret. */
function correct({ aws }: LocalWorld, connection: string, members: Record<string, unknown>): void {
  const value: unknown = JSON.parse(aws.secrets.read(SECRET + connection) ?? '{}');
  aws.secrets.put(SECRET + connection, JSON.stringify({ ...Object(value), ...members }));
}

function outage(said: string, over: string, isDown: (call: Call) => boolean): Pick<Play, 'broken' | 'break' | 'cures'> {
  return {
    broken: said,
    break(stage) {
      stage.fault = (call) => (isDown(call) ? DOWN : undefined);
    },
    cures: [
      {
        afterMinutes: 45,
        isByItself: true,
        text: over,
        do(stage) {
          stage.fault = undefined;
        },
      },
      {
        afterMinutes: 45,
        text: 'aws sqs purge-queue --queue-url …/refresh-dead-letters.fifo',
        do: ({ world }) => world.aws.queue.purge(DEAD_LETTERS),
      },
    ],
  };
}

const PRODUCTION = { connection: 'sf-production', profile: 'sf-production', flow: 'accounts-hourly' } as const;
const ROTATING = { connection: 'sf-rotating', profile: 'sf-rotating', flow: 'orders-hourly' } as const;

const PLAYS: Readonly<Record<Kind, Play>> = {
  revoked: {
    ...ROTATING,
    broken: 'an administrator of Salesforce revokes what the user of sf-rotating had approved',
    break: ({ world }) => world.salesforce.revoke('3MVG9.acme-sf-rotating', 'appflow@acme.example'),
    cures: [
      {
        afterMinutes: 60,
        text: 'npx --no-install appflow-token-refresher authorize sf-rotating',
        async do({ world }) {
          const { refreshToken } = await world.salesforce.issueRefreshToken(
            '3MVG9.acme-sf-rotating',
            'appflow@acme.example',
          );
          correct(world, 'sf-rotating', { refreshToken });
        },
      },
    ],
  },
  overwritten: {
    ...PRODUCTION,
    broken: 'terraform apply writes an old JWT into the profile sf-production',
    break: ({ world }) => world.aws.appflow.overwriteBy(ADMIN, 'sf-production', DEAD),
    cures: [],
  },
  'wrong-certificate': {
    ...PRODUCTION,
    broken: 'somebody stores a private key for sf-production to which no certificate of the app belongs',
    break({ world }) {
      const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
      correct(world, 'sf-production', { privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) });
    },
    cures: [
      {
        afterMinutes: 60,
        text: "the key that belongs to the app's certificate is stored again for sf-production",
        do({ world }) {
          const before = world.aws.secrets.read(`${SECRET}sf-production`, 'AWSPREVIOUS') ?? '{}';
          world.aws.secrets.put(`${SECRET}sf-production`, before);
        },
      },
    ],
  },
  'appflow-down': {
    ...PRODUCTION,
    ...outage(
      'AppFlow takes no changes: UpdateConnectorProfile and StartFlow answer HTTP 503',
      'AppFlow takes changes again',
      ({ operation }) => operation === 'UpdateConnectorProfile' || operation === 'StartFlow',
    ),
  },
  'store-down': {
    ...PRODUCTION,
    ...outage(
      'Secrets Manager gives no values: all of its operations but ListSecrets answer HTTP 503',
      'Secrets Manager gives values again',
      ({ service, operation }) => service === 'secretsmanager' && operation !== 'ListSecrets',
    ),
  },
  'profile-gone': {
    ...PRODUCTION,
    broken: 'terraform apply deletes the profile sf-production',
    break: ({ world }) => world.aws.appflow.deleteBy(ADMIN, 'sf-production'),
    cures: [
      {
        afterMinutes: 60,
        text: 'terraform apply makes the profile sf-production again',
        do: ({ world, clock }) =>
          void world.aws.appflow.putProfile({
            name: 'sf-production',
            properties: { instanceUrl: 'https://acme.my.salesforce.com', isSandboxEnvironment: false },
            credentials: DEAD,
            createdAt: new Date(clock.now()),
            lastUpdatedAt: new Date(clock.now()),
          }),
      },
    ],
  },
  'flow-deactivated': {
    connection: 'sf-sandbox',
    profile: 'acme-uat',
    flow: 'cases-hourly',
    broken: 'Salesforce ends the session of sf-sandbox, and AppFlow deactivates the flow cases-hourly',
    async break({ world, clock }) {
      world.salesforce.revoke('3MVG9.acme-production', 'appflow@acme.example.uat');
      clock.turn(1_200);
      world.aws.appflow.flows.deactivate('cases-hourly', 'The flow failed to authenticate with Salesforce too often.');
    },
    cures: [],
  },
};
