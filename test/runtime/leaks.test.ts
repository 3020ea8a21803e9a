import { inspect } from 'node:util';
import * as appflow from '@aws-sdk/client-appflow';
import * as eventBridge from '@aws-sdk/client-eventbridge';
import * as kms from '@aws-sdk/client-kms';
import * as secretsManager from '@aws-sdk/client-secrets-manager';
import * as sqs from '@aws-sdk/client-sqs';
import * as ssm from '@aws-sdk/client-ssm';
import { beforeEach, describe, expect, it } from 'vitest';
import { Redacted } from '../../functions/core/redacted.ts';
import type { FunctionName } from '../../infra/local/deployment.ts';
import { captureOutput } from '../../infra/local/output.ts';
import type { Call, Fault } from '../../infra/local/wire/traffic.ts';
import { DEAD_LETTERS, QUEUE } from '../../infra/local/world.ts';
import { Secrets } from '../support/leaks.ts';
import { CODE_APP, PRIVATE_KEY, type TestWorld, testWorld, USER } from '../support/world.ts';

beforeEach(() => {
  process.env['POWERTOOLS_LOG_LEVEL'] = 'DEBUG';
  process.env['POWERTOOLS_METRICS_DISABLED'] = 'false';
});

const CONSUMER_SECRET = 'Cs9Zq7Xw2Kk9Jv4Qy8Rt1Mn6Hb3Gd5Ls0';
const CLIENT = 'leak-client';
const OWN = 'appflow-token-refresher';

/** The name of every error that a service's client models. */
const modelled = (client: object): string[] =>
  Object.entries(client).flatMap(([name, value]) =>
    typeof value === 'function' && value.prototype instanceof Error ? [name] : [],
  );
/** What no model lists, and AWS sends all the same; the last ones are no names. */
const UNMODELLED: readonly (readonly [number, string])[] = [
  [400, 'ThrottlingException'],
  [400, 'AccessDeniedException'],
  [403, 'AccessDenied'],
  [400, 'UnrecognizedClientException'],
  [500, 'InternalFailure'],
  [502, 'BadGateway'],
  [503, 'ServiceUnavailable'],
  [504, 'GatewayTimeout'],
  [400, 'NeverHeardOf'],
  [400, CONSUMER_SECRET],
  [418, `${CONSUMER_SECRET}Exception`],
];
const faultsOf = (client: object): readonly (readonly [number, string] | 'drop')[] => [
  'drop',
  ...modelled(client).map((name) => [400, name] as const),
  ...UNMODELLED,
];

/** Salesforce's refusals, and what stands before it says. */
const REFUSALS: readonly (readonly [number, string] | 'drop')[] = [
  'drop',
  ...[
    'invalid_grant',
    'invalid_client',
    'invalid_client_id',
    'invalid_request',
    'inactive_user',
    'unsupported_grant_type',
    'rate_limit_exceeded',
    'unknown_error',
    'of_nobody_knows_what',
  ].map((code) => [400, code] as const),
  [401, 'invalid_client'],
  [429, 'rate_limit_exceeded'],
  // Pages, which the stand-in writes where the code is none.
  [200, 'page'],
  [302, 'page'],
  [400, 'page'],
  [500, 'page'],
  [502, 'page'],
  [503, 'page'],
];

/** Members in which a secret is where it should be. */
const SECRET_MEMBERS = new Set(['SecretString', 'Value', 'connectorProfileCredentials']);

/** A world of every kind of connection, and a record of everything that anybody but Salesforce and the stores was told. */
class Sweep {
  readonly world: TestWorld;
  readonly #texts = new Set<string>();
  readonly #secrets = new Secrets();
  /** Tokens, assertions and codes that went over the wire, by what they are. */
  readonly #onTheWire = new Map<string, string>();
  readonly thrown: Error[] = [];
  lines = 0;
  #count = 0;

  static async begin(): Promise<Sweep> {
    const world = await testWorld({ rotation: true, settings: { RERUN_FLOWS: 'true' } });
    world.aws.appflow.supportedGrants = ['AUTHORIZATION_CODE', 'JWT_BEARER', 'CLIENT_CREDENTIALS'];
    const keyId = await world.addKey();
    world.salesforce.registerApp({ clientId: CODE_APP, clientSecret: CONSUMER_SECRET, users: [USER], rotation: true });
    world.salesforce.registerApp({ clientId: CLIENT, clientSecret: CONSUMER_SECRET, clientCredentialsUser: USER });
    world.addJwt('jwt');
    world.addJwt('token', { handOver: 'ACCESS_TOKEN' });
    world.addJwt('kms', { privateKey: undefined, kmsKeyId: keyId });
    world.addClient('client', { handOver: 'ACCESS_TOKEN' }, { clientId: CLIENT, clientSecret: CONSUMER_SECRET });
    world.addClient('arn', {}, { clientId: CLIENT, clientSecret: CONSUMER_SECRET });
    await world.addCode('code', { clientSecret: CONSUMER_SECRET });
    world.aws.appflow.flows.create({ flowName: 'orders', connectorProfileName: 'jwt', triggerType: 'OnDemand' });
    return new Sweep(world);
  }

  private constructor(world: TestWorld) {
    this.world = world;
    this.#secrets.add('the consumer secret', CONSUMER_SECRET);
    this.#secrets.addPem('the private key', PRIVATE_KEY);
  }

  /** Runs a function while calls fail, and keeps all that it said. A fault says back what was sent, and every secret that there is. */
  async run(
    functionName: FunctionName,
    event: unknown,
    fails: (call: Call, phase: 'before' | 'after') => readonly [number, string] | 'drop' | undefined,
  ): Promise<void> {
    this.world.fault = (call, phase): Fault | undefined => {
      this.#note(call);
      const kind = fails(call, phase);
      if (kind === undefined || kind === 'drop') return kind;
      return { status: kind[0], code: kind[1], message: this.#echo(call) };
    };
    await this.#hear(() => this.world.invoke(functionName, event));
    this.world.fault = undefined;
    // Leases run out, and versions are old enough to be pruned.
    this.world.clock.turn(3_600);
  }

  async #hear(act: () => Promise<unknown>): Promise<void> {
    const { result, lines } = await captureOutput(() =>
      act().then(
        (answer) => ({ answer, thrown: undefined }),
        (thrown: unknown) => ({ answer: undefined, thrown }),
      ),
    );
    this.lines += lines.length;
    for (const line of lines) this.#texts.add(line);
    this.#texts.add(JSON.stringify(result.answer) ?? '');
    const { thrown } = result;
    if (!(thrown instanceof Error)) return;
    this.thrown.push(thrown);
    this.#texts.add(`${thrown.stack}\n${JSON.stringify(thrown)}\n${inspect(thrown, { depth: 10, showHidden: true })}`);
  }

  /** Credentials of that age in seconds, as a flow meets them when it fails. */
  async letAgeFor(seconds: number): Promise<void> {
    await this.#hear(() => this.world.invoke('refresh', byHand('jwt')));
    this.world.clock.turn(seconds);
  }

  get now(): string {
    return new Date(this.world.clock.now()).toISOString();
  }

  /** The queue is served too, to its end and beyond. */
  async serveQueue(): Promise<void> {
    for (let tries = 0; tries < 3; tries++) {
      await this.#hear(() => this.world.serveQueue());
      this.world.clock.turn(271);
    }
    for (const queue of [QUEUE, DEAD_LETTERS]) this.#texts.add(JSON.stringify(this.world.aws.queue.messages(queue)));
  }

  /** A seed that was never used: what the last fault did to the tokens must not hide the next one. */
  async authorizeAgain(): Promise<void> {
    const { refreshToken } = await this.world.salesforce.issueRefreshToken(CODE_APP, USER);
    this.#onTheWire.set(refreshToken, 'a seed');
    const name = `${OWN}/code`;
    const value = JSON.parse(this.world.aws.secrets.read(name) ?? '');
    this.world.aws.secrets.put(name, JSON.stringify({ ...value, refreshToken }));
  }

  /** The events of ours that are on the bus are delivered, and what they are and bring to the topic is kept. @returns how many there are */
  async deliverNotices(): Promise<number> {
    await this.#hear(() => this.world.deliverEvents());
    const { events } = this.world.aws;
    const ours = events.all().filter(({ source }) => source === OWN);
    for (const event of ours) this.#texts.add(JSON.stringify(event));
    for (const { text } of events.messages()) this.#texts.add(text);
    expect(events.messages().length).toBe(ours.length);
    return ours.length;
  }

  /** @returns what was said with a piece of a secret in it, shortened */
  findings(): string[] {
    for (const [secret, name] of this.#onTheWire) this.#secrets.add(name, secret);
    return [...this.#texts].flatMap((text) => {
      const name = this.#secrets.in(text);
      return name === undefined ? [] : [`${name}: ${text.slice(0, 400)}`];
    });
  }

  get secretsOnTheWire(): number {
    return this.#onTheWire.size;
  }

  /** Everything in a request but the members for secrets is told to people: names, descriptions, tags, messages of the queue. */
  #note({ service, input }: Call): void {
    // A notice has codes of errors, and no secret that is where it should be.
    const sent = service === 'events' ? '' : (JSON.stringify(input) ?? '');
    for (const [, key = '', value = ''] of sent.matchAll(
      /\\?"(jwtToken|accessToken|refreshToken|authCode|assertion|refresh_token|code|client_secret|token)\\?":\\?"([^"\\]{12,})/g,
    )) {
      // The header of a JWT is the same for all of them.
      for (const part of value.split('.').slice(/^eyJ/.test(value) ? 1 : 0)) this.#onTheWire.set(part, key);
    }
    if (service === 'salesforce') return;
    this.#texts.add(
      JSON.stringify(input, (key, value: unknown) => (SECRET_MEMBERS.has(key) ? undefined : value)) ?? '',
    );
  }

  /** As AWS, Salesforce and proxies do at their worst, now whole, now cut, now encoded. */
  #echo({ input }: Call): string {
    const all = `${JSON.stringify(input)} ${CONSUMER_SECRET} ${PRIVATE_KEY} ${[...this.#onTheWire.keys()].slice(-3).join(' ')}`;
    this.#count += 1;
    const forms = [
      `bad value: ${all}`,
      `not authorized to perform: kms:Decrypt on resource: arn:aws:kms:${CONSUMER_SECRET} ${all}`,
      all.slice(0, 40 + (this.#count % 997)),
      Buffer.from(all).toString('base64'),
      `<html>\n    at ${CONSUMER_SECRET} (/var/${CONSUMER_SECRET}.js:1:2)\n${all}</html>`,
    ];
    return forms[this.#count % forms.length] ?? '';
  }
}

type Kind = readonly [number, string] | 'drop';
const flowFailed = (now: string) => ({
  id: '6a7e8feb-b491-4cf7-a9f1-bf3703467718',
  time: now,
  'detail-type': 'AppFlow End Flow Run Report',
  detail: { 'flow-name': 'orders', error: `invalid_grant: ${CONSUMER_SECRET}`, 'start-time': now },
});
/** By a program with secrets in what it sends and in what it calls itself. */
const overwritten = (now: string) => ({
  'detail-type': 'AWS API Call via CloudTrail',
  source: 'aws.appflow',
  detail: {
    eventName: 'UpdateConnectorProfile',
    eventTime: now,
    eventSource: 'appflow.amazonaws.com',
    userIdentity: { type: 'IAMUser', arn: 'arn:aws:iam::123456789012:user/ann', accessKeyId: CONSUMER_SECRET },
    userAgent: `${CONSUMER_SECRET} tool/1.0 (${CONSUMER_SECRET}; token=${CONSUMER_SECRET}) ${CONSUMER_SECRET}/x`,
    sourceIPAddress: CONSUMER_SECRET,
    requestParameters: { connectorProfileName: 'jwt', connectorProfileConfig: { accessToken: CONSUMER_SECRET } },
    responseElements: { message: CONSUMER_SECRET },
  },
});
const rotation = (Step: string) => ({
  Step,
  SecretId: `${OWN}-tokens/code`,
  ClientRequestToken: '11111111-2222-4333-8444-555555555555',
});
const byHand = (...connections: string[]) => ({ connections, dryRun: false });

/** Which function makes which calls, how the calls may fail, and what must be so for them to be made. */
const PATHS: readonly {
  readonly name: FunctionName;
  readonly event: object | ((now: string) => unknown);
  readonly operations: readonly string[];
  readonly kinds: readonly Kind[];
  /** The token secret takes nothing after the exchange, so that escrow is asked. */
  readonly needsEscrow?: true;
  /** One operation a kind of failure, in turn, rather than all of them. */
  readonly inTurn?: true;
  /** The connection has been due for so long that its refresh is told. */
  readonly isLate?: true;
}[] = [
  {
    name: 'refresh',
    event: byHand('code'),
    operations: [
      'BatchGetSecretValue',
      'ListSecrets',
      'PutSecretValue',
      'CreateSecret',
      'GetSecretValue',
      'DescribeSecret',
      'UpdateSecretVersionStage',
    ],
    kinds: faultsOf(secretsManager),
    inTurn: true,
  },
  {
    name: 'refresh',
    event: byHand('client'),
    operations: ['GetSecretValue', 'BatchGetSecretValue'],
    kinds: faultsOf(secretsManager),
    inTurn: true,
  },
  {
    name: 'refresh',
    event: byHand('code'),
    operations: ['PutParameter', 'GetParameter', 'DeleteParameter'],
    kinds: faultsOf(ssm),
    needsEscrow: true,
    inTurn: true,
  },
  { name: 'refresh', event: byHand('kms'), operations: ['Sign'], kinds: faultsOf(kms) },
  {
    name: 'refresh',
    event: byHand('jwt', 'code', 'token', 'client'),
    operations: ['UpdateConnectorProfile', 'DescribeConnectorProfiles'],
    kinds: faultsOf(appflow),
  },
  {
    name: 'refresh',
    event: { connections: ['arn'], dryRun: true },
    operations: ['DescribeConnectors'],
    kinds: faultsOf(appflow),
  },
  { name: 'refresh', event: byHand('code'), operations: ['token:refresh_token'], kinds: REFUSALS },
  { name: 'refresh', event: byHand('token'), operations: ['token:jwt-bearer'], kinds: REFUSALS },
  { name: 'refresh', event: byHand('client'), operations: ['token:client_credentials', 'introspect'], kinds: REFUSALS },
  {
    name: 'rotate',
    event: rotation('createSecret'),
    operations: ['GetSecretValue', 'PutSecretValue', 'DescribeSecret', 'token:refresh_token'],
    kinds: faultsOf(secretsManager),
    inTurn: true,
  },
  { name: 'rotate', event: rotation('createSecret'), operations: ['token:refresh_token'], kinds: REFUSALS },
  {
    name: 'rotate',
    event: rotation('testSecret'),
    operations: ['GetSecretValue', 'DescribeSecret'],
    kinds: faultsOf(secretsManager),
    inTurn: true,
  },
  { name: 'dispatch', event: { force: true }, operations: ['ListSecrets'], kinds: faultsOf(secretsManager) },
  {
    name: 'dispatch',
    event: { force: true },
    operations: ['DescribeConnectorProfiles'],
    kinds: faultsOf(appflow),
    inTurn: true,
  },
  {
    name: 'dispatch',
    event: { force: true },
    operations: ['DescribeParameters'],
    kinds: faultsOf(ssm).filter((_, n) => n % 6 === 0),
  },
  { name: 'dispatch', event: { force: true }, operations: ['SendMessageBatch'], kinds: faultsOf(sqs) },
  {
    name: 'heal',
    event: flowFailed,
    operations: ['DescribeFlow', 'StartFlow', 'UpdateConnectorProfile'],
    kinds: faultsOf(appflow),
    inTurn: true,
  },
  {
    name: 'refresh',
    event: byHand('jwt', 'code'),
    operations: ['ListFlows', 'DescribeFlow', 'PutEvents'],
    kinds: [...faultsOf(appflow), ...modelled(eventBridge).map((name) => [400, name] as const)],
    inTurn: true,
    isLate: true,
  },
  {
    name: 'heal',
    event: overwritten,
    operations: ['UpdateConnectorProfile', 'DescribeSecret', 'PutEvents', 'ListFlows'],
    kinds: [...faultsOf(appflow), ...modelled(eventBridge).map((name) => [400, name] as const)],
    inTurn: true,
  },
];

describe('no piece of a secret is in anything that is put out', () => {
  it.each(PATHS.map((path) => [path.name, path.operations.join(', '), path] as const))(
    '%s, while these fail in every way they know: %s',
    async (_name, _operations, { name, event, operations, kinds, needsEscrow, inTurn, isLate }) => {
      const sweep = await Sweep.begin();
      // Once well, so that there is something to lose.
      await sweep.run('refresh', byHand('jwt', 'code', 'token', 'client', 'kms'), () => undefined);
      const hit = new Map<string, number>();
      const faults = kinds.flatMap((kind, n) =>
        inTurn
          ? [[kind, operations[n % operations.length] ?? '', n] as const]
          : operations.map((operation) => [kind, operation, n] as const),
      );
      for (const [kind, operation, n] of faults) {
        if (typeof event === 'object' && JSON.stringify(event).includes('code')) await sweep.authorizeAgain();
        // Made once, at a connection's first refresh.
        if (operation === 'CreateSecret') sweep.world.aws.secrets.remove(`${OWN}-tokens/code`);
        if (name === 'heal') await sweep.letAgeFor(20 * 60);
        if (isLate === true) sweep.world.clock.turn(3_600);
        const wanted = n % 2 === 0 ? 'before' : 'after';
        let isExchanged = false;
        await sweep.run(name, typeof event === 'function' ? event(sweep.now) : event, (call, phase) => {
          if (call.operation === 'token:refresh_token' && phase === 'after') isExchanged = true;
          if (call.operation === operation && phase === wanted) {
            hit.set(operation, (hit.get(operation) ?? 0) + 1);
            return kind;
          }
          return needsEscrow && isExchanged && call.operation === 'PutSecretValue' && phase === 'before'
            ? [500, 'InternalServiceError']
            : undefined;
        });
        if (name === 'dispatch' && n % 10 === 0) await sweep.serveQueue();
      }
      const notices = await sweep.deliverNotices();
      if (operations.includes('PutEvents')) expect(notices).toBeGreaterThan(faults.length / 2);
      expect(sweep.findings()).toEqual([]);
      // The sweep is worth something: it made calls fail, had lines to look at, and secrets to look for.
      expect([...hit.keys()].sort()).toEqual([...new Set(operations)].sort());
      expect([...hit.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(faults.length * 0.6);
      expect(sweep.lines).toBeGreaterThan(faults.length);
      expect(sweep.secretsOnTheWire).toBeGreaterThan(5);
      for (const error of sweep.thrown)
        expect(Object.getOwnPropertyNames(error).sort(), inspect(error)).toEqual(['message', 'name', 'stack']);
    },
    300_000,
  );

  /** Runs two functions into a bug of ours: where a connection's value is opened, what is made of it is thrown. */
  async function sweepOfBug(bugAt: (value: string) => Error): Promise<Sweep> {
    const sweep = await Sweep.begin();
    const reveal = Redacted.prototype.reveal;
    Redacted.prototype.reveal = function patched() {
      const value = reveal.call(this);
      if (!value.includes('grantType')) return value;
      throw bugAt(value);
    };
    try {
      await sweep.run('refresh', byHand('code', 'jwt'), () => undefined);
      await sweep.run('rotate', rotation('createSecret'), () => undefined);
    } finally {
      Redacted.prototype.reveal = reveal;
    }
    return sweep;
  }

  it('a bug of ours whose name, message and causes hold one, and look like frames of a stack', async () => {
    const sweep = await sweepOfBug((value) => {
      const message = `no\n    at ${CONSUMER_SECRET} (/x.js:1:2)\n    at f (/${CONSUMER_SECRET}/x.js:1:2)\n${value}`;
      return Object.assign(new Error(message, { cause: new Error(value) }), { name: CONSUMER_SECRET, code: value });
    });
    expect(sweep.findings()).toEqual([]);
    expect(sweep.thrown.map(({ name }) => name)).toEqual(['an unnamed error', 'an unnamed error']);
    for (const error of sweep.thrown)
      expect(Object.getOwnPropertyNames(error).sort()).toEqual(['message', 'name', 'stack']);
    expect(sweep.thrown[0]?.stack).toMatch(/\n {4}at .*\.ts:\d+:\d+/);
  });

  it('a bug of ours whose message was changed since, as the SDK does where it cannot read an answer', async () => {
    const sweep = await sweepOfBug((value) => {
      const error = new SyntaxError(`no${`\n    at f (/${CONSUMER_SECRET}/x.js:1:2)`.repeat(3)}`);
      // V8 writes the message into the stack when that is first read, at the latest.
      expect(error.stack).toContain(CONSUMER_SECRET);
      error.message = /JWT_BEARER/.test(value) ? `no JSON ${value}` : 'not JSON';
      return error;
    });
    expect(sweep.findings()).toEqual([]);
    expect(sweep.thrown.map(({ name }) => name)).toEqual(['SyntaxError', 'SyntaxError']);
  });
});
