import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { RegoEngine, TemplateFile } from '@aws/cloudformation-validate';
import * as v from 'valibot';
import { beforeAll, describe, expect, test } from 'vitest';
import { parseSettings } from '../../functions/runtime/settings.ts';
import { packaged } from '../support/packaged.ts';
import { NETWORK_PERMISSIONS, PERMISSIONS, type Permission, ROLES, WITHOUT_RESOURCE } from '../support/permissions.ts';

const FUNCTIONS = ['dispatch', 'refresh', 'rotate', 'heal'] as const;
const TALK_TO_SALESFORCE = ['refresh', 'rotate', 'heal'] as const;
/** Of the functions that may update a profile. */
const OWN_ROLES = ['RefreshRole', 'RotateRole', 'HealRole'];
const arnOf = (id: string) => ({ 'Fn::GetAtt': [id, 'Arn'] });
const ALARMS_TOPIC = { 'Fn::If': ['MakesTopic', { Ref: 'AlarmTopic' }, { Ref: 'AlarmTopicArn' }] };

const Resource = v.object({
  Type: v.string(),
  Properties: v.optional(v.record(v.string(), v.unknown()), {}),
  Condition: v.optional(v.string()),
  DeletionPolicy: v.optional(v.string()),
  UpdateReplacePolicy: v.optional(v.string()),
});
const Template = v.object({
  Resources: v.record(v.string(), Resource),
  Conditions: v.record(v.string(), v.unknown()),
  Outputs: v.record(v.string(), v.unknown()),
});
const oneOrMore = <T extends v.GenericSchema>(schema: T) =>
  v.union([
    v.array(schema),
    v.pipe(
      schema,
      v.transform((one) => [one]),
    ),
  ]);
const Reference = v.union([
  v.string(),
  v.object({ 'Fn::Sub': v.string() }),
  v.object({ 'Fn::GetAtt': v.tuple([v.string(), v.string()]) }),
]);
const Statement = v.object({
  Sid: v.optional(v.string()),
  Effect: v.picklist(['Allow', 'Deny']),
  Action: oneOrMore(v.string()),
  Resource: v.optional(oneOrMore(Reference), []),
  Condition: v.optional(v.record(v.string(), v.record(v.string(), oneOrMore(Reference))), {}),
});
const Policy = v.object({ PolicyName: v.string(), PolicyDocument: v.object({ Statement: v.array(Statement) }) });
const WhereInVpc = v.object({
  'Fn::If': v.tuple([v.literal('InVpc'), Policy, v.object({ Ref: v.literal('AWS::NoValue') })]),
});
const RoleProperties = v.object({ Policies: v.array(v.union([Policy, WhereInVpc])) });
const Joined = v.object({ 'Fn::Sub': v.tuple([v.string(), v.record(v.string(), v.unknown())]) });
const Dimension = v.object({ Name: v.string(), Value: v.unknown() });
const Alarm = v.looseObject({
  AlarmName: v.string(),
  AlarmDescription: Joined,
  Namespace: v.string(),
  MetricName: v.string(),
  Dimensions: v.array(Dimension),
  Statistic: v.string(),
  Period: v.number(),
  EvaluationPeriods: v.number(),
  Threshold: v.number(),
  ComparisonOperator: v.string(),
  TreatMissingData: v.string(),
  AlarmActions: v.array(v.unknown()),
  OKActions: v.array(v.unknown()),
});

const Rule = v.object({
  Name: v.string(),
  EventBusName: v.optional(v.unknown()),
  EventPattern: v.unknown(),
  State: v.string(),
  Targets: v.array(v.looseObject({ Arn: v.unknown() })),
});
/** A policy of a resource, as far as its statements differ from those of a role. */
const PolicyDocument = v.object({
  Statement: v.array(
    v.object({
      Sid: v.string(),
      Effect: v.picklist(['Allow', 'Deny']),
      Principal: v.unknown(),
      Action: v.unknown(),
      Resource: v.unknown(),
      Condition: v.optional(v.unknown()),
    }),
  ),
});
const ResourcePolicy = v.object({ PolicyDocument });

type Statement = v.InferOutput<typeof Statement>;

let path: string;
let text: string;
let template: v.InferOutput<typeof Template>;

beforeAll(async () => {
  path = (await packaged()).templatePath;
  text = readFileSync(path, 'utf8');
  template = v.parse(Template, JSON.parse(text));
}, 180_000);

function properties(id: string): Record<string, unknown> {
  const resource = template.Resources[id];
  if (resource === undefined) throw new Error(`The template has no resource ${id}.`);
  return resource.Properties;
}

function ofType(type: string): [string, Record<string, unknown>][] {
  return Object.entries(template.Resources).flatMap(([id, resource]) =>
    resource.Type === type ? [[id, resource.Properties] satisfies [string, Record<string, unknown>]] : [],
  );
}

const capitalised = (name: string) => name.charAt(0).toUpperCase() + name.slice(1);

/** Everything in a JSON document that stands under a key. */
function under(key: string, value: unknown): unknown[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([k, inner]) => [...(k === key ? [inner] : []), ...under(key, inner)]);
}

describe('the template', () => {
  test('passes the validator of CloudFormation without errors', () => {
    const engine = new RegoEngine();
    try {
      // With every parameter given, since the validator looks at both sides of a condition: the empty defaults are no ARN and no subnet.
      const { diagnostics } = engine.validateStandard(new TemplateFile(path), {
        severityLevel: 'ERROR',
        parameterOverrides: {
          AlarmTopicArn: 'arn:aws:sns:eu-central-1:111122223333:alarms',
          SubnetIds: 'subnet-0123456789abcdef0,subnet-0123456789abcdef1',
          SecurityGroupIds: 'sg-0123456789abcdef0',
        },
      });
      expect(diagnostics.map(({ ruleId, message }) => `${ruleId}: ${message}`)).toEqual([]);
    } finally {
      engine.free();
    }
  });

  test('passes cfn-lint without errors', async (context) => {
    const run = promisify(execFile);
    const installed = await run('cfn-lint', ['--version']).then(
      () => true,
      () => false,
    );
    if (!installed) return context.skip('cfn-lint is not installed');
    // Exits with an error for what is named alone.
    const { stdout } = await run('cfn-lint', ['--template', path, '--non-zero-exit-code', 'error']);
    expect(stdout).not.toMatch(/^E\d/m);
  }, 60_000);

  test('names no partition, Region or account', () => {
    expect(text).not.toMatch(/arn:aws(-[a-z-]+)?:/);
    expect(text).not.toMatch(/eu-central-1|\b\d{12}\b/);
  });

  test('keeps the key of the token secrets when the stack is removed', () => {
    const key = template.Resources['Key'];
    expect(key?.DeletionPolicy).toBe('Retain');
    expect(key?.UpdateReplacePolicy).toBe('Retain');
    expect(key?.Properties['EnableKeyRotation']).toBe(true);
  });
});

describe('the functions', () => {
  test.each(FUNCTIONS)('%s runs on Node 24 and ARM, with tracing and a role of its own', (name) => {
    expect(properties(`${capitalised(name)}LambdaFunction`)).toMatchObject({
      Handler: `functions/${name}.handler`,
      Runtime: 'nodejs24.x',
      Architectures: ['arm64'],
      TracingConfig: { Mode: 'Active' },
      Role: { 'Fn::GetAtt': [`${capitalised(name)}Role`, 'Arn'] },
    });
  });

  test.each(FUNCTIONS)('%s logs into an encrypted group with limited retention', (name) => {
    expect(properties(`${capitalised(name)}LogGroup`)).toMatchObject({
      RetentionInDays: 90,
      KmsKeyId: { 'Fn::GetAtt': ['Key', 'Arn'] },
    });
  });

  test.each(FUNCTIONS)('%s receives only settings that it knows and accepts', async (name) => {
    const Environment = v.object({ Environment: v.object({ Variables: v.record(v.string(), v.unknown()) }) });
    const given = v.parse(Environment, properties(`${capitalised(name)}LambdaFunction`)).Environment.Variables;
    // What the template refers to, as it will be once it is deployed.
    const standIns: Record<string, string> = {
      QUEUE_URL: 'https://sqs.eu-central-1.amazonaws.com/111122223333/refresh.fifo',
      TOKEN_KMS_KEY_ID: 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab',
      OWN_ROLE_ARNS: OWN_ROLES.map((role) => `arn:aws:iam::111122223333:role/${role}`).join(','),
    };
    const variables = Object.fromEntries(
      Object.entries(given).map(([key, value]) => [key, typeof value === 'object' ? standIns[key] : String(value)]),
    );
    const settings = await parseSettings(variables, name === 'dispatch');
    // The defaults of the template are those of the code.
    const { queueUrl, tokenKmsKeyId, ...rest } = settings;
    const { queueUrl: _none, ...defaults } = await parseSettings({}, false);
    expect(queueUrl !== undefined).toBe(name === 'dispatch');
    const comparable = Object.entries(defaults).filter(([key, value]) => value !== undefined && key !== 'ownRoleArns');
    expect(rest).toMatchObject(Object.fromEntries(comparable));
    const common = [
      'CLIENT_SECRET_PREFIX',
      'ESCROW_PREFIX',
      'INSTANCE_HOSTS',
      'JWT_LIFETIME_SECONDS',
      'LOGIN_HOSTS',
      'REFRESH_INTERVAL_SECONDS',
      'RERUN_FLOWS',
      'SECRET_PREFIX',
      'TICK_SECONDS',
      'TOKEN_PREFIX',
    ];
    const own = { dispatch: ['QUEUE_URL'], refresh: [], rotate: [], heal: ['OWN_ROLE_ARNS'] }[name];
    expect(Object.keys(given).sort()).toEqual(
      [...common, ...own, ...(name === 'dispatch' ? [] : ['TOKEN_KMS_KEY_ID'])].sort(),
    );
  });

  test('heal knows the roles of every function that may update a profile', () => {
    const updating = ROLES.filter((name) =>
      PERMISSIONS[name].some(({ action }) => action === 'appflow:UpdateConnectorProfile'),
    );
    expect(updating.map((name) => `${capitalised(name)}Role`)).toEqual(OWN_ROLES);
    expect(properties('HealLambdaFunction')).toMatchObject({
      Environment: { Variables: { OWN_ROLE_ARNS: { 'Fn::Join': [',', OWN_ROLES.map(arnOf)] } } },
    });
  });

  test.each(['dispatch', 'rotate', 'heal'])('an event that %s fails with for good is kept', (name) => {
    expect(properties(`${capitalised(name)}LambdaEvConf`)).toMatchObject({
      DestinationConfig: { OnFailure: { Destination: { 'Fn::GetAtt': ['FailedEvents', 'Arn'] } } },
    });
  });

  test('only functions that talk to Salesforce can be put into subnets with a known address', () => {
    const placed = ofType('AWS::Lambda::Function').filter(([, { VpcConfig }]) => VpcConfig !== undefined);
    expect(placed.map(([id]) => id).sort()).toEqual(
      TALK_TO_SALESFORCE.map((name) => `${capitalised(name)}LambdaFunction`).sort(),
    );
    for (const [, { VpcConfig }] of placed) {
      expect(VpcConfig).toEqual({
        'Fn::If': [
          'InVpc',
          { SubnetIds: { Ref: 'SubnetIds' }, SecurityGroupIds: { Ref: 'SecurityGroupIds' } },
          { Ref: 'AWS::NoValue' },
        ],
      });
    }
  });

  test('Secrets Manager of this account may invoke rotate, and EventBridge may invoke heal', () => {
    const invokers = ofType('AWS::Lambda::Permission').map(([, given]) => given);
    // Three rules of EventBridge's, and Secrets Manager.
    expect(invokers).toHaveLength(4);
    expect(invokers).toContainEqual({
      Action: 'lambda:InvokeFunction',
      FunctionName: { 'Fn::GetAtt': ['RotateLambdaFunction', 'Arn'] },
      Principal: 'secretsmanager.amazonaws.com',
      SourceAccount: { Ref: 'AWS::AccountId' },
    });
    expect(invokers).toContainEqual(
      expect.objectContaining({ Principal: 'events.amazonaws.com', SourceArn: expect.anything() }),
    );
  });
});

describe('the schedule', () => {
  test('ticks on time at the rate that dispatch knows and passes the scheduled time', () => {
    const { Variables } = v.parse(
      v.object({ Environment: v.object({ Variables: v.looseObject({ TICK_SECONDS: v.unknown() }) }) }),
      properties('DispatchLambdaFunction'),
    ).Environment;
    expect(properties('Schedule')).toMatchObject({
      ScheduleExpression: `rate(${Number(Variables.TICK_SECONDS) / 60} minutes)`,
      FlexibleTimeWindow: { Mode: 'OFF' },
      State: 'ENABLED',
      Target: {
        Arn: { 'Fn::GetAtt': ['DispatchLambdaFunction', 'Arn'] },
        RoleArn: { 'Fn::GetAtt': ['ScheduleRole', 'Arn'] },
        Input: '{"scheduledTime": "<aws.scheduler.scheduled-time>"}',
        RetryPolicy: { MaximumEventAgeInSeconds: 300, MaximumRetryAttempts: 5 },
        DeadLetterConfig: { Arn: { 'Fn::GetAtt': ['FailedEvents', 'Arn'] } },
      },
    });
  });
});

describe('the rules', () => {
  const rules = () => ofType('AWS::Events::Rule').map(([, rule]) => v.parse(Rule, rule));
  /** Those with that target, by its logical id or reference. */
  const targeting = (target: unknown) =>
    rules().filter(({ Targets }) => JSON.stringify(Targets[0]?.Arn) === JSON.stringify(target));

  test('give heal what AppFlow and CloudTrail report, and nothing that a role of our own did or that AWS refused', () => {
    expect(targeting(arnOf('HealLambdaFunction')).map(({ EventPattern }) => EventPattern)).toEqual([
      {
        source: ['aws.appflow'],
        'detail-type': ['AppFlow End Flow Run Report'],
        detail: { status: [{ 'anything-but': 'Execution Successful' }] },
      },
      {
        source: ['aws.appflow'],
        'detail-type': ['AppFlow Scheduled Flow Deactivated', 'AppFlow Event Flow Deactivated'],
      },
      {
        source: ['aws.appflow'],
        'detail-type': ['AWS API Call via CloudTrail'],
        detail: {
          eventSource: ['appflow.amazonaws.com'],
          eventName: ['UpdateConnectorProfile', 'DeleteConnectorProfile'],
          errorCode: [{ exists: false }],
          $or: [
            {
              userIdentity: { sessionContext: { sessionIssuer: { arn: [{ 'anything-but': OWN_ROLES.map(arnOf) }] } } },
            },
            { userIdentity: { sessionContext: { sessionIssuer: { arn: [{ exists: false }] } } } },
          ],
        },
      },
    ]);
  });

  test('tell the topic of the alarms the summary of each event of ours', () => {
    const telling = targeting(ALARMS_TOPIC);
    expect(telling.map(({ EventPattern }) => EventPattern)).toEqual([{ source: ['appflow-token-refresher'] }]);
    expect(telling[0]?.Targets[0]).toMatchObject({ InputPath: '$.detail.summary' });
  });

  test('are on the default bus, try for an hour, and keep what cannot be delivered', () => {
    expect(rules()).toHaveLength(4);
    for (const rule of rules()) {
      expect(rule).toMatchObject({
        State: 'ENABLED',
        Targets: [
          {
            RetryPolicy: { MaximumEventAgeInSeconds: 3600, MaximumRetryAttempts: 10 },
            DeadLetterConfig: { Arn: arnOf('FailedEvents') },
          },
        ],
      });
      expect(rule.EventBusName ?? 'default').toBe('default');
      expect(rule.Targets).toHaveLength(1);
    }
  });

  test('may all write to the queue for failed events, which knows them by their names', () => {
    const { PolicyDocument } = v.parse(ResourcePolicy, properties('FailedEventsPolicy'));
    const [admitted] = PolicyDocument.Statement.filter(({ Effect }) => Effect === 'Allow');
    expect(admitted).toMatchObject({ Principal: { Service: 'events.amazonaws.com' }, Action: 'sqs:SendMessage' });
    const prefix = 'appflow-token-refresher-dev-';
    expect(admitted?.Condition).toEqual({
      ArnLike: {
        'aws:SourceArn': {
          'Fn::Sub': `arn:\${AWS::Partition}:events:\${AWS::Region}:\${AWS::AccountId}:rule/${prefix}*`,
        },
      },
    });
    for (const { Name } of rules()) expect(Name.startsWith(prefix)).toBe(true);
  });

  test('may publish to the topic and use its key, without a condition, which EventBridge could not meet', () => {
    const topic = v.parse(ResourcePolicy, properties('AlarmTopicPolicy')).PolicyDocument.Statement;
    const key = v.parse(v.object({ KeyPolicy: PolicyDocument }), properties('Key')).KeyPolicy.Statement;
    const ofEvents = (statements: typeof topic) =>
      statements.filter(({ Principal }) => v.is(v.object({ Service: v.literal('events.amazonaws.com') }), Principal));
    expect(ofEvents(topic)).toEqual([
      {
        Sid: 'NoticesOfConnections',
        Effect: 'Allow',
        Principal: { Service: 'events.amazonaws.com' },
        Action: 'sns:Publish',
        Resource: { Ref: 'AlarmTopic' },
      },
    ]);
    expect(ofEvents(key)).toMatchObject([{ Effect: 'Allow', Action: ['kms:Decrypt', 'kms:GenerateDataKey'] }]);
    expect(ofEvents(key)[0]?.Condition).toBeUndefined();
  });
});

describe('the queue', () => {
  test('redelivers a batch only after six timeouts of refresh and gives up after two tries', () => {
    expect(properties('RefreshQueue')).toMatchObject({
      FifoQueue: true,
      ContentBasedDeduplication: false,
      VisibilityTimeout: 270,
      MessageRetentionPeriod: 900,
      RedrivePolicy: { deadLetterTargetArn: { 'Fn::GetAtt': ['RefreshDeadLetters', 'Arn'] }, maxReceiveCount: 2 },
    });
    expect(properties('RefreshLambdaFunction')['Timeout']).toBe(270 / 6);
    expect(properties('RefreshDeadLetters')['FifoQueue']).toBe(true);
  });

  test('gives refresh ten messages at a time and takes back only those that failed', () => {
    expect(ofType('AWS::Lambda::EventSourceMapping').map(([, mapping]) => mapping)).toEqual([
      {
        BatchSize: 10,
        Enabled: true,
        EventSourceArn: { 'Fn::GetAtt': ['RefreshQueue', 'Arn'] },
        FunctionName: { 'Fn::GetAtt': ['RefreshLambdaFunction', 'Arn'] },
        FunctionResponseTypes: ['ReportBatchItemFailures'],
        ScalingConfig: { MaximumConcurrency: 5 },
      },
    ]);
  });

  test('is encrypted with the key of the stack, like the other queues', () => {
    const queues = ofType('AWS::SQS::Queue');
    expect(queues.map(([id]) => id).sort()).toEqual(['FailedEvents', 'RefreshDeadLetters', 'RefreshQueue']);
    for (const [, { KmsMasterKeyId }] of queues) expect(KmsMasterKeyId).toEqual({ 'Fn::GetAtt': ['Key', 'Arn'] });
  });

  test('of messages takes them from dispatch alone', () => {
    const { PolicyDocument } = v.parse(
      v.object({ PolicyDocument: v.object({ Statement: v.array(v.record(v.string(), v.unknown())) }) }),
      properties('RefreshQueuePolicy'),
    );
    expect(PolicyDocument.Statement).toContainEqual({
      Sid: 'OnlyDispatchAsks',
      Effect: 'Deny',
      Principal: '*',
      Action: 'sqs:SendMessage',
      Resource: { 'Fn::GetAtt': ['RefreshQueue', 'Arn'] },
      Condition: { ArnNotEquals: { 'aws:PrincipalArn': { 'Fn::GetAtt': ['DispatchRole', 'Arn'] } } },
    });
  });

  test('for failed events is a standard queue, since its senders cannot write to FIFO queues', () => {
    expect(properties('FailedEvents')['FifoQueue']).toBeUndefined();
  });
});

/** The statements of a role, and those that it holds in a VPC alone. */
function statements(role: string): { always: Statement[]; inVpc: Statement[] } {
  const { Policies } = v.parse(RoleProperties, properties(role));
  const always: Statement[] = [];
  const inVpc: Statement[] = [];
  for (const policy of Policies) {
    if ('Fn::If' in policy) inVpc.push(...policy['Fn::If'][1].PolicyDocument.Statement);
    else always.push(...policy.PolicyDocument.Statement);
  }
  return { always, inVpc };
}

function named(reference: v.InferOutput<typeof Reference>): string {
  if (typeof reference === 'string') return reference;
  if ('Fn::GetAtt' in reference) return reference['Fn::GetAtt'][0];
  return reference['Fn::Sub']
    .replace(/^arn:\$\{AWS::Partition\}:[a-z]+:\$\{AWS::Region\}:\$\{AWS::AccountId\}:/, '')
    .replaceAll(/\$\{AWS::Region\}/g, 'REGION');
}

function sentence(action: string, resource: string, when: string | undefined): string {
  return `${action} on ${resource}${when ? ` when ${when}` : ''}`;
}

/** One line for each action on each resource, as the table of permissions has it. */
function granted(given: readonly Statement[]): string[] {
  return given
    .filter(({ Effect }) => Effect === 'Allow')
    .flatMap(({ Action, Resource, Condition }) => {
      const when = Object.entries(Condition)
        .flatMap(([operator, operands]) =>
          Object.entries(operands).map(([key, values]) => {
            const is = values.map(named).join(' or ');
            return operator === 'Null' && is === 'false' ? `${key} is there` : `${key} is ${is}`;
          }),
        )
        .sort()
        .join(', ');
      return Action.flatMap((action) => Resource.map((resource) => sentence(action, named(resource), when)));
    })
    .sort();
}

function listed(permissions: readonly Permission[]): string[] {
  return permissions.map(({ action, resource, when }) => sentence(action, resource, when)).sort();
}

describe('the roles', () => {
  test('exist once for each function and once for the schedule', () => {
    expect(
      ofType('AWS::IAM::Role')
        .map(([id]) => id)
        .sort(),
    ).toEqual(ROLES.map((name) => `${capitalised(name)}Role`).sort());
  });

  test.each(ROLES)('%s may do exactly what the table of permissions says', (name) => {
    const { always } = statements(`${capitalised(name)}Role`);
    expect(granted(always)).toEqual(listed(PERMISSIONS[name]));
  });

  test.each(ROLES)('the table lists each permission of %s once, with a source for each that no call shows', (name) => {
    const lines = listed(PERMISSIONS[name]);
    expect(lines).toEqual([...new Set(lines)]);
    for (const { because } of PERMISSIONS[name])
      if (because !== 'recorded') expect(because.implied).toMatch(/: .+\.html/);
  });

  test('may attach to given subnets only for functions that talk to Salesforce, and never from their code', () => {
    for (const name of ROLES) {
      const { inVpc } = statements(`${capitalised(name)}Role`);
      const talks = TALK_TO_SALESFORCE.some((other) => other === name);
      expect(granted(inVpc)).toEqual(talks ? listed(NETWORK_PERMISSIONS) : []);
      if (!talks) continue;
      const denied = inVpc.filter(({ Effect }) => Effect === 'Deny');
      expect(denied.flatMap(({ Action }) => Action).sort()).toEqual(
        NETWORK_PERMISSIONS.map(({ action }) => action).sort(),
      );
      expect(denied.map(({ Condition }) => Object.keys(Condition['ArnLike'] ?? {}))).toEqual([
        ['lambda:SourceFunctionArn'],
      ]);
    }
  });

  test('no role and no policy of a key, queue, topic or bucket grants an action by wildcard', () => {
    const grants = under('Statement', template)
      .flat()
      .filter((statement) => v.is(v.object({ Effect: v.literal('Allow') }), statement));
    const actions = grants
      .flatMap((statement) => [...under('Action', statement), ...under('NotAction', statement)])
      .flat();
    expect(actions.length).toBeGreaterThan(100);
    expect(actions.filter((action) => typeof action !== 'string' || action.includes('*'))).toEqual([]);
  });

  test('an action is granted on every resource only when IAM cannot narrow it, with a reason', () => {
    const everywhere = ROLES.flatMap((name) => {
      const { always, inVpc } = statements(`${capitalised(name)}Role`);
      return [...always, ...inVpc]
        .filter(({ Effect, Resource }) => Effect === 'Allow' && Resource.includes('*'))
        .flatMap(({ Action }) => Action);
    });
    expect([...new Set(everywhere)].sort()).toEqual(Object.keys(WITHOUT_RESOURCE).sort());
  });

  test('dispatch cannot read secrets or parameters and can decrypt only messages', () => {
    const { always } = statements('DispatchRole');
    const actions = always.flatMap(({ Action }) => Action);
    for (const reads of [
      'secretsmanager:GetSecretValue',
      'secretsmanager:BatchGetSecretValue',
      'ssm:GetParameter',
      'ssm:GetParameters',
      'ssm:GetParametersByPath',
    ]) {
      expect(actions).not.toContain(reads);
    }
    const decrypting = granted(always).filter((line) => line.startsWith('kms:'));
    for (const line of decrypting) expect(line).toMatch(/when kms:ViaService is sqs\./);
  });

  test("no role can write to the operator's secrets", () => {
    const reading = ['secretsmanager:GetSecretValue', 'secretsmanager:DescribeSecret'];
    for (const name of ROLES) {
      const { always } = statements(`${capitalised(name)}Role`);
      for (const line of granted(always)) {
        const [action = '', resource = ''] = line.split(' on ');
        if (!/^secret:appflow-(token-refresher|client-credentials)\//.test(resource)) continue;
        expect(reading).toContain(action);
      }
    }
  });
});

/** Metrics that the functions' code adds, by the calls in it. */
function emittedMetrics(): Set<string> {
  const folder = join(import.meta.dirname, '../../functions');
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const calls = sources.flatMap((name) => [
    ...readFileSync(join(folder, name), 'utf8').matchAll(/\.addMetric\(\s*'(\w+)'/g),
  ]);
  return new Set(calls.map(([, metric = '']) => metric));
}

describe('the alarms', () => {
  const GAUGES = ['OverdueConnections', 'MissingProfiles', 'SharedProfiles', 'TokensInEscrow'];
  const alarms = () => ofType('AWS::CloudWatch::Alarm').map(([id, given]) => ({ id, ...v.parse(Alarm, given) }));

  test('watch overdue connections, missing and shared profiles, escrow, silence, errors and dead letters', () => {
    expect(
      alarms()
        .map(({ id }) => id)
        .sort(),
    ).toEqual([...GAUGES, 'DispatchErrors', 'FailedEventsNotEmpty', 'RefreshDeadLettersNotEmpty', 'Silence'].sort());
  });

  test('use metrics that the code emits or that AWS emits for resources of the template', () => {
    const emitted = emittedMetrics();
    for (const { Namespace, MetricName, Dimensions } of alarms()) {
      if (Namespace === 'AppFlowTokenRefresher') {
        expect(emitted).toContain(MetricName);
        expect(Dimensions).toEqual([{ Name: 'service', Value: 'appflow-token-refresher' }]);
      } else {
        expect(['AWS/Lambda Errors', 'AWS/SQS ApproximateNumberOfMessagesVisible']).toContain(
          `${Namespace} ${MetricName}`,
        );
        const references = [
          ...under('Ref', Dimensions),
          ...under('Fn::GetAtt', Dimensions).map((pair) => (Array.isArray(pair) ? pair[0] : pair)),
        ];
        expect(references).toHaveLength(1);
        for (const id of references) expect(Object.keys(template.Resources)).toContain(id);
      }
    }
  });

  test.each(GAUGES)('%s is raised while its gauge is above zero and keeps its state without data', (name) => {
    expect(properties(name)).toMatchObject({
      MetricName: name,
      Statistic: 'Maximum',
      Period: 300,
      EvaluationPeriods: 1,
      Threshold: 0,
      ComparisonOperator: 'GreaterThanThreshold',
      TreatMissingData: 'ignore',
    });
  });

  test('the one for silence is raised after two ticks without data', () => {
    expect(properties('Silence')).toMatchObject({
      MetricName: 'Connections',
      Statistic: 'SampleCount',
      Period: 300,
      EvaluationPeriods: 2,
      Threshold: 1,
      ComparisonOperator: 'LessThanThreshold',
      TreatMissingData: 'breaching',
    });
  });

  test('notify the given topic, or one of the stack, when they are raised and when they clear', () => {
    for (const { AlarmActions, OKActions } of alarms()) {
      expect(AlarmActions).toEqual([ALARMS_TOPIC]);
      expect(OKActions).toEqual([ALARMS_TOPIC]);
    }
    expect(template.Resources['AlarmTopic']?.Condition).toBe('MakesTopic');
    expect(template.Conditions['MakesTopic']).toEqual({ 'Fn::Equals': [{ Ref: 'AlarmTopicArn' }, ''] });
  });

  test('say what to do, and end with the query, the entry of the runbook and the dashboard, in a form for machines', () => {
    const queries = ofType('AWS::Logs::QueryDefinition').map(([, { Name }]) => Name);
    const runbook = readFileSync(join(import.meta.dirname, '../../RUNBOOK.md'), 'utf8');
    const [, ofAlarms = ''] = /^## Alarms$(.*?)^## /ms.exec(runbook) ?? [];
    const entries = [...ofAlarms.matchAll(/^### (.+)$/gm)].map(([, heading]) => heading);
    for (const { AlarmName, AlarmDescription } of alarms()) {
      const [description] = AlarmDescription['Fn::Sub'];
      const parts = /^\w.+\. query: (\S+); runbook: RUNBOOK\.md#(\S+); dashboard: (https:\S+)$/.exec(description);
      expect(parts, description).not.toBeNull();
      const [, query, entry, dashboard] = parts ?? [];
      expect(query).toBe('appflow-token-refresher/dev/what-failed');
      expect(queries).toContain(query);
      // Its name without what the stage adds: so a heading of it has itself as its anchor.
      expect(AlarmName).toBe(`appflow-token-refresher-dev-${entry}`);
      expect(entries).toContain(entry);
      expect(dashboard).toBe(
        `https://\${Host}/cloudwatch/home?region=\${AWS::Region}#dashboards/dashboard/appflow-token-refresher-dev-\${AWS::Region}`,
      );
      // CloudWatch takes 1,024 characters; the console shows one line.
      expect(description.length).toBeLessThan(800);
      expect(description).not.toContain('\n');
    }
  });

  test('the saved query lists connection, code and hint from the logs of all functions', () => {
    const { LogGroupNames, QueryString } = properties('WhatFailedQuery');
    expect(LogGroupNames).toEqual(FUNCTIONS.map((name) => ({ Ref: `${capitalised(name)}LogGroup` })));
    expect(QueryString).toBe(
      'filter level in ["WARN", "ERROR"] and coalesce(notice, "") != "Connection Recovered"\n| stats fromMillis(latest(@timestamp)) as last, count(*) as times, latest(hint) as whatToDo, latest(message) as said by connection, code\n| sort last desc\n',
    );
  });
});

describe('the dashboard', () => {
  const Widget = v.object({
    type: v.string(),
    x: v.number(),
    y: v.number(),
    width: v.number(),
    height: v.number(),
    properties: v.looseObject({
      title: v.string(),
      alarms: v.optional(v.array(v.string())),
      metrics: v.optional(v.array(v.array(v.unknown()))),
      query: v.optional(v.string()),
    }),
  });
  const body = () => {
    const source = v.parse(v.object({ 'Fn::Sub': v.string() }), properties('Dashboard')['DashboardBody'])['Fn::Sub'];
    return v.parse(v.object({ widgets: v.array(Widget) }), JSON.parse(source)).widgets;
  };

  const queries = () =>
    body().flatMap(({ type, properties: { query } }) => (type === 'log' && query !== undefined ? [query] : []));

  test('starts with all alarms', () => {
    const [first] = body();
    const ids = ofType('AWS::CloudWatch::Alarm').map(([id]) => id);
    expect(first?.properties.alarms?.toSorted()).toEqual(ids.map((id) => `\${${id}.Arn}`).sort());
  });

  test('shows only metrics that the code emits', () => {
    const emitted = emittedMetrics();
    const shown = body()
      .flatMap(({ properties: { metrics = [] } }) => metrics)
      .flatMap(([namespace, name]) => (namespace === 'AppFlowTokenRefresher' || namespace === '.' ? [name] : []));
    const searched = under('expression', body()).flatMap(
      (expression) => /MetricName="(\w+)"/.exec(String(expression))?.[1] ?? [],
    );
    expect(searched).toEqual(['Failed']);
    expect(shown.length).toBeGreaterThan(6);
    for (const name of [...shown, ...searched]) expect(emitted).toContain(name);
  });

  test('lists the connections whose last attempt failed, with cause and hint, from the logs of all functions', () => {
    const [failing, warnings] = queries().filter((query) => query.includes(`SOURCE '\${DispatchLogGroup}'`));
    const sources = FUNCTIONS.map((name) => `SOURCE '\${${capitalised(name)}LogGroup}' | `).join('');
    for (const query of [failing, warnings]) expect(query?.startsWith(sources)).toBe(true);
    for (const column of ['failsWith', 'why', 'whatToDo', 'lastAttempt', 'by connection'])
      expect(failing).toContain(column);
    // The reason stands in the line between the code and the arrow, as error-log.ts writes it.
    const parse = /parse message \/(.+?)\/ \|/.exec(failing ?? '')?.[1] ?? '';
    const line = 'sf-eu: SALESFORCE_REFUSED: invalid_grant: expired → Authorise the app again.';
    expect(new RegExp(parse).exec(line)?.groups?.['reason']).toBe('invalid_grant: expired');
  });

  test('lists who overwrote a profile last, and what was told about single connections', () => {
    const steps = queries().map((query) => query.split(' | '));
    expect(steps).toContainEqual([
      `SOURCE '\${HealLogGroup}'`,
      'filter notice = "Profile Overwritten"',
      'fields @timestamp as time, connection, principal, message',
      'sort @timestamp desc',
      'limit 20',
    ]);
    expect(steps).toContainEqual([
      `SOURCE '\${RefreshLogGroup}'`,
      `SOURCE '\${HealLogGroup}'`,
      'filter ispresent(notice)',
      'fields @timestamp as time, notice, connection, message',
      'sort @timestamp desc',
      'limit 20',
    ]);
  });

  test('fits into 24 columns without overlapping widgets', () => {
    const taken = new Set<string>();
    for (const { x, y, width, height } of body()) {
      expect(x + width).toBeLessThanOrEqual(24);
      for (let column = x; column < x + width; column += 1) {
        for (let row = y; row < y + height; row += 1) {
          expect(taken).not.toContain(`${column},${row}`);
          taken.add(`${column},${row}`);
        }
      }
    }
  });
});
