import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import * as v from 'valibot';
import { systemClock } from '../../functions/runtime/clock.ts';
import { captureOutput, type OutcomeLine, outcomesIn, warningsIn } from './output.ts';
import { isKind, KINDS, lineOf, rehearse } from './rehearsal.ts';
import { loadSamples } from './samples.ts';
import { type Row, table } from './table.ts';
import { type LocalWorld, startWorld } from './world.ts';

/**
 * `npm start`: the whole cycle, schedule → dispatch → queue → refresh, through the real handlers on local services, with a table of every
 * connection before and after. `--watch` goes on, at a pace at which a person can watch it.
 */
const { values } = parseArgs({ options: { watch: { type: 'boolean', default: false }, break: { type: 'string' } } });
if (values.break !== undefined) process.exit(await rehearsal(values.break));
const WATCH_TICK_SECONDS = 15;

process.env['POWERTOOLS_METRICS_DISABLED'] = 'true';
const world = await startWorld({
  clock: systemClock,
  settings: values.watch ? { TICK_SECONDS: String(WATCH_TICK_SECONDS), REFRESH_INTERVAL_SECONDS: '60' } : {},
});
await loadSamples(world, systemClock);
const say = (text: string) => process.stdout.write(`${text}\n`);

say(`AppFlow, Secrets Manager and the queue at ${world.aws.url}, Salesforce at ${world.salesforce.url}\n`);
say('Before: what AppFlow holds, and whether it can log in to Salesforce with it');
say(table(await rows(world, new Map())));

await cycle(world);

if (values.watch) {
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  say(`\nOne tick every ${WATCH_TICK_SECONDS} s, an interval of 60 s. Ctrl-C ends it.`);
  while (!stop.signal.aborted) {
    await wait(WATCH_TICK_SECONDS * 1000, undefined, { signal: stop.signal }).catch(() => undefined);
    if (!stop.signal.aborted) await cycle(world);
  }
}
await world.close();

/** `--break KIND`: a rehearsal for the person on call. @returns the exit code */
async function rehearsal(kind: string): Promise<number> {
  const write = (text: string) => process.stdout.write(`${text}\n`);
  if (!isKind(kind)) {
    process.stderr.write(`--break takes one of ${KINDS.join(', ')}.\n`);
    return 2;
  }
  const isWell = await rehearse(kind, { say: (line) => write(lineOf(line)) });
  if (!isWell) process.stderr.write('Twelve hours have passed, and it is not well again.\n');
  return isWell ? 0 : 1;
}

async function cycle(local: LocalWorld): Promise<void> {
  local.aws.forget();
  const started = performance.now();
  const { lines } = await captureOutput(() => local.tick());
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const outcomes = new Map(outcomesIn(lines).map((line) => [line.connection, line]));
  const functionCalls = local.aws.calls.filter(({ service }) => service !== 'sqs').length;
  say(
    `\nAfter the tick at ${new Date().toISOString().slice(0, 19)}Z (${outcomes.size} served in ${seconds} s with ${functionCalls} AWS calls beyond the queue's)`,
  );
  say(table(await rows(local, outcomes)));
  for (const warning of warningsIn(lines)) say(`note: ${warning}`);
  for (const { connection, outcome, code, message, hint } of outcomes.values()) {
    if (outcome === 'failed')
      say(
        `${connection}: ${code}\n  ${message.replace(`${connection}: ${code}: `, '').replace(` → ${hint}`, '')}\n  → ${hint}`,
      );
  }
}

async function rows({ aws }: LocalWorld, outcomes: ReadonlyMap<string, OutcomeLine>): Promise<Row[]> {
  const found: Row[] = [];
  for (const secretName of aws.secrets.names()) {
    const connection = secretName.split('appflow-token-refresher/')[1];
    if (connection === undefined) continue;
    const profileName =
      aws.secrets.describe(secretName)?.Tags?.find(({ Key }) => Key === 'connector-profile-name')?.Value ?? connection;
    const profile = aws.appflow.profile(profileName);
    const held = aws.appflow.credentials(profileName);
    const login = await aws.appflow.useConnection(profileName);
    const outcome = outcomes.get(connection);
    found.push({
      connection,
      grant: grantOf(aws.secrets.read(secretName)),
      holds:
        held?.jwtToken !== undefined
          ? 'JWT'
          : held?.refreshToken !== undefined
            ? 'access and refresh token'
            : held?.accessToken !== undefined
              ? 'access token'
              : held?.clientCredentialsArn !== undefined
                ? 'ARN of the client'
                : 'nothing',
      age: profile === undefined ? '' : age(Date.now() - profile.lastUpdatedAt.getTime()),
      validUntil: outcome?.validUntil ?? '',
      login: login.ok,
      outcome: outcome === undefined ? '' : (outcome.code ?? outcome.outcome),
      failed: outcome?.outcome === 'failed',
    });
  }
  return found;
}

/** Here the operator's own view may be shown: of his secret, the grant alone. */
function grantOf(secret: string | undefined): string {
  const parsed = v.safeParse(v.object({ grantType: v.string() }), JSON.parse(secret ?? 'null'));
  return parsed.success ? parsed.output.grantType : '';
}

function age(milliseconds: number): string {
  const minutes = Math.round(milliseconds / 60_000);
  if (minutes < 1) return `${Math.round(milliseconds / 1000)} s`;
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}
