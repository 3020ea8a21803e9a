import { generateKeyPairSync } from 'node:crypto';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { ERROR_CODES, type ErrorCode, RefreshError } from '../../functions/core/errors.ts';
import { TurnableClock } from '../../infra/local/clock.ts';
import type { FunctionName } from '../../infra/local/deployment.ts';
import { captureOutput } from '../../infra/local/output.ts';
import { type LocalWorld, startWorld } from '../../infra/local/world.ts';
import { CALL_EVENT, CALL_EVENT_KEYS, edited, FLOW_EVENT, MARKS, markedSecrets } from './inputs.ts';
import { type Said, target } from './target.ts';

const [MARK, NO_NAME] = MARKS;
const MESSAGE = {
  connection: 'sf',
  connectorProfileName: 'sf',
  intervalSeconds: 3_600,
  scheduledTime: '2026-11-24T03:00:00.000Z',
};
const RECORD = {
  messageId: '059f36b4-87a3-44ab-83d2-661975830a7d',
  receiptHandle: 'x',
  body: '',
  attributes: { ApproximateReceiveCount: '1' },
  eventSource: 'aws:sqs',
  awsRegion: 'us-east-1',
};

/** Messages of the queue, right and wrong, in what Lambda puts around them. */
const messages = fc
  .array(
    fc.oneof(
      edited(MESSAGE, [], [NO_NAME]).map((body) => JSON.stringify(body) ?? ''),
      fc.constantFrom('', '{', MARK, '[]', 'null'),
    ),
    { minLength: 1, maxLength: 3 },
  )
  .chain((bodies) =>
    edited(
      { Records: bodies.map((body, n) => ({ ...RECORD, messageId: `${RECORD.messageId.slice(0, -1)}${n}`, body })) },
      [],
      [NO_NAME],
    ),
  );

const EVENTS: Readonly<Record<FunctionName, fc.Arbitrary<unknown>>> = {
  dispatch: edited({ scheduledTime: '2026-11-24T03:00:00Z', force: false }, ['connections'], [NO_NAME]),
  refresh: fc.oneof(edited({ connections: ['sf'], dryRun: true }, ['force'], [NO_NAME]), messages),
  rotate: edited(
    {
      Step: 'finishSecret',
      SecretId: 'appflow-token-refresher-tokens/code',
      ClientRequestToken: 'a'.repeat(32),
      RotationToken: NO_NAME,
    },
    [],
    [NO_NAME],
  ),
  heal: fc.oneof(edited(FLOW_EVENT, [], [NO_NAME]), edited(CALL_EVENT, CALL_EVENT_KEYS, [NO_NAME])),
};

function addConnections({ aws, salesforce }: LocalWorld, pem: string): void {
  const add = (name: string, value: object) => {
    aws.secrets.create({
      name: `appflow-token-refresher/${name}`,
      value: JSON.stringify({ loginUrl: salesforce.url, ...value }),
    });
    aws.appflow.putProfile({ name, properties: { instanceUrl: 'https://example.my.salesforce.com' } });
  };
  add('sf', { grantType: 'JWT_BEARER', clientId: 'app', username: 'a@example.com', privateKey: pem });
  add('code', { grantType: 'AUTHORIZATION_CODE', clientId: 'app', clientSecret: MARK, refreshToken: MARK });
}

/** What leaves a handler is no RefreshError any more: it must look as one that left. */
function arrived(error: unknown): unknown {
  if (!(error instanceof Error) || !Object.hasOwn(ERROR_CODES, error.name)) return error;
  const own = Object.getOwnPropertyNames(error).sort().join();
  if (own !== 'message,name,stack') return new Error(`It carries ${own}.`);
  const code = Object.keys(ERROR_CODES).find((one): one is ErrorCode => one === error.name);
  return code === undefined ? error : new RefreshError(code, error.message, '');
}

const names: readonly FunctionName[] = ['dispatch', 'refresh', 'rotate', 'heal'];

/** Events, through the real handlers, with AWS and Salesforce on loopback behind them. */
export const HANDLERS = names.map((name) =>
  target<unknown>({
    name: `event:${name}`,
    runs: 15_000,
    chunk: 1_500,
    mostMs: 20_000,
    async open() {
      process.env['POWERTOOLS_LOG_LEVEL'] = 'DEBUG';
      process.env['POWERTOOLS_METRICS_DISABLED'] = 'false';
      const world = await startWorld({ clock: new TurnableClock(new Date('2026-11-24T03:00:00Z')) });
      const pem = generateKeyPairSync('rsa', { modulusLength: 2048 })
        .privateKey.export({ type: 'pkcs8', format: 'pem' })
        .toString();
      addConnections(world, pem);
      const secrets = markedSecrets();
      secrets.addPem('a private key', pem);
      return {
        inputs: EVENTS[name],
        secrets,
        async feed(event): Promise<Said> {
          const { result, lines } = await captureOutput(() =>
            world.invoke(name, event ?? null).then(
              (answer) => ({ answer, thrown: [] }),
              (error: unknown) => ({ answer: undefined, thrown: [error] }),
            ),
          );
          const { answer, thrown } = result;
          const bugs = lines.filter((line) => line.includes('a bug of appflow-token-refresher'));
          return {
            thrown: [...thrown.map(arrived), ...bugs.map((line) => new Error(line))],
            texts: [
              ...lines,
              JSON.stringify(answer) ?? '',
              ...thrown.map((error) => inspect(error, { depth: 10, showHidden: true })),
              // What was told, as it is on the bus.
              ...world.aws.events
                .all()
                .slice(-3)
                .map((event) => JSON.stringify(event)),
            ],
          };
        },
        close: () => world.close(),
      };
    },
  }),
);
