import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AppflowClient,
  DescribeConnectorProfilesCommand,
  UpdateConnectorProfileCommand,
} from '@aws-sdk/client-appflow';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { build } from 'esbuild';
import jwt from 'jsonwebtoken';
import { signerAdapter } from '../functions/adapters/signer.ts';
import { claimsSet } from '../functions/core/grants/jwt-bearer.ts';
import { Redacted } from '../functions/core/redacted.ts';
import { systemClock } from '../functions/runtime/clock.ts';
import { TurnableClock } from './local/clock.ts';
import { captureOutput } from './local/output.ts';
import { type LocalWorld, startWorld } from './local/world.ts';

/**
 * `npm run bench`: ratios against a baseline that is measured in the same run, turn by turn, so that a machine which slows down slows both.
 * Each row is the median of the ratios of its pairs, with the smallest and the largest.
 */
type Measured = {
  readonly name: string;
  readonly unit: string;
  readonly ours: () => Promise<number>;
  readonly baseline: () => Promise<number>;
};

const say = (text: string) => process.stdout.write(`${text}\n`);

async function compare({ name, unit, ours, baseline }: Measured, pairs: number): Promise<void> {
  await baseline();
  await ours();
  const rows: { ours: number; baseline: number; ratio: number }[] = [];
  for (let n = 0; n < pairs; n++) {
    // Which goes first changes, since the second finds caches warm.
    const [first, second] = n % 2 === 0 ? [await ours(), await baseline()] : [await baseline(), await ours()].reverse();
    if (first !== undefined && second !== undefined)
      rows.push({ ours: first, baseline: second, ratio: first / second });
  }
  const sorted = (pick: (row: (typeof rows)[number]) => number) => rows.map(pick).sort((a, b) => a - b);
  const ratios = sorted(({ ratio }) => ratio);
  const median = (values: number[]) => values[Math.floor(values.length / 2)] ?? Number.NaN;
  say(
    `${name}\n  ${median(ratios).toFixed(2)} of the baseline (${(ratios[0] ?? 0).toFixed(2)} to ${(ratios.at(-1) ?? 0).toFixed(2)}, ${pairs} pairs): ${median(sorted((r) => r.ours)).toFixed(1)} against ${median(sorted((r) => r.baseline)).toFixed(1)} ${unit}`,
  );
}

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

await signing();
await cycle();
await coldStart();

/** A kept key against PEM parsed for every signature, as a hand-written Lambda does it. */
async function signing(): Promise<void> {
  const times = 300;
  const claims = claimsSet({
    issuer: 'consumer-key',
    subject: 'integration@example.com',
    audience: 'https://login.salesforce.com',
    expiresAt: 1_800_000_000,
  });
  const signer = signerAdapter(() => Promise.reject(new Error('no KMS here')));
  const key = { pem: new Redacted(pem) };
  const run = {
    id: '',
    ...systemClock,
    random: Math.random,
    deadline: Number.POSITIVE_INFINITY,
    signal: new AbortController().signal,
    warn: () => undefined,
  };
  const timed = async (sign: () => unknown) => {
    const start = performance.now();
    for (let n = 0; n < times; n++) await sign();
    return ((performance.now() - start) * 1000) / times;
  };
  await compare(
    {
      name: 'Signing a JWT with the key that a warm function keeps; baseline: jsonwebtoken with the PEM, which parses it each time',
      unit: 'µs',
      ours: () => timed(() => signer.sign(key, claims, run)),
      baseline: () => timed(() => jwt.sign(claims, pem, { algorithm: 'RS256' })),
    },
    9,
  );
}

/** A whole tick for many connections against the usual loop: read secret, describe, sign, update, one after the other. */
async function cycle(): Promise<void> {
  const connections = 60;
  process.env['POWERTOOLS_METRICS_DISABLED'] = 'true';
  const clock = new TurnableClock(new Date());
  const world = await startWorld({ clock });
  world.salesforce.registerApp({
    clientId: 'consumer-key',
    certificates: [publicKey.export({ type: 'spki', format: 'pem' }).toString()],
    users: ['integration@example.com'],
  });
  for (let n = 0; n < connections; n++) {
    world.aws.appflow.putProfile({
      name: `c${n}`,
      properties: { instanceUrl: 'https://example.my.salesforce.com' },
      createdAt: new Date(0),
      lastUpdatedAt: new Date(1000),
    });
    world.aws.secrets.create({
      name: `appflow-token-refresher/c${n}`,
      value: JSON.stringify({
        grantType: 'JWT_BEARER',
        loginUrl: world.salesforce.url,
        clientId: 'consumer-key',
        username: 'integration@example.com',
        privateKey: pem,
      }),
    });
  }
  const calls = async (work: () => Promise<void>) => {
    world.aws.forget();
    await work();
    return world.aws.calls.length / connections;
  };
  const timed = async (work: () => Promise<void>) => {
    const start = performance.now();
    await work();
    return performance.now() - start;
  };
  const ours = async () => {
    clock.turn(3_600);
    await captureOutput(() => world.tick());
  };
  const byHand = () => handWritten(world, clock, connections);
  await compare(
    {
      name: `A tick with ${connections} connections due, in time; baseline: the loop of a hand-written Lambda`,
      unit: 'ms',
      ours: () => timed(ours),
      baseline: () => timed(byHand),
    },
    7,
  );
  await compare(
    {
      name: 'The same, in calls to AWS with those of the queue',
      unit: 'calls a connection',
      ours: () => calls(ours),
      baseline: () => calls(byHand),
    },
    1,
  );
  await world.close();
}

async function handWritten({ salesforce }: LocalWorld, clock: TurnableClock, connections: number): Promise<void> {
  const appflow = new AppflowClient({});
  const secrets = new SecretsManagerClient({});
  for (let n = 0; n < connections; n++) {
    const connectorProfileName = `c${n}`;
    const { SecretString } = await secrets.send(
      new GetSecretValueCommand({ SecretId: `appflow-token-refresher/${connectorProfileName}` }),
    );
    const { privateKey: key } = JSON.parse(SecretString ?? '') as { privateKey: string };
    const { connectorProfileDetails } = await appflow.send(
      new DescribeConnectorProfilesCommand({ connectorProfileNames: [connectorProfileName] }),
    );
    const jwtToken = jwt.sign({ exp: Math.floor(clock.now() / 1000) + 14_400 }, key, {
      algorithm: 'RS256',
      issuer: 'consumer-key',
      subject: 'integration@example.com',
      audience: salesforce.url,
      noTimestamp: true,
    });
    const profile = connectorProfileDetails?.[0];
    await appflow.send(
      new UpdateConnectorProfileCommand({
        connectorProfileName,
        connectionMode: profile?.connectionMode,
        connectorProfileConfig: {
          connectorProfileProperties: profile?.connectorProfileProperties,
          connectorProfileCredentials: { Salesforce: { oAuth2GrantType: 'JWT_BEARER', jwtToken } },
        },
      }),
    );
  }
}

/** Starting a process that loads the bundle of refresh against one that loads an empty handler. */
async function coldStart(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  try {
    await build({
      entryPoints: ['functions/refresh.ts'],
      bundle: true,
      platform: 'node',
      target: 'node24',
      format: 'cjs',
      mainFields: ['module', 'main'],
      outfile: join(folder, 'refresh.cjs'),
      logLevel: 'error',
    });
    writeFileSync(join(folder, 'empty.cjs'), 'exports.handler = async () => undefined;');
    const started = (file: string) => async () => {
      const start = performance.now();
      execFileSync(process.execPath, [join(folder, file)], { env: {} });
      return performance.now() - start;
    };
    await compare(
      {
        name: 'Loading the bundle of refresh in a new process; baseline: an empty handler',
        unit: 'ms',
        ours: started('refresh.cjs'),
        baseline: started('empty.cjs'),
      },
      15,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}
