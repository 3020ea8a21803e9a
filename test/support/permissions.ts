/** The functions, and the schedule that invokes one of them: each has a role of its own. */
export const ROLES = ['dispatch', 'refresh', 'rotate', 'heal', 'schedule'] as const;

export type Role = (typeof ROLES)[number];

/**
 * Why a role holds a permission: `recorded`, since the function's code makes that very call, which a run against the local services shows; or
 * `implied` by something that the code does, which no recording of its calls can show, with the page that says so.
 */
export type Reason = 'recorded' | { readonly implied: string };

export interface Permission {
  readonly action: string;
  /** What follows the account in the ARN, the logical id where the template names a resource of its own, or `*`. */
  readonly resource: string;
  /** The condition of the statement, as the test writes it; absent where there is none. */
  readonly when?: string;
  readonly because: Reason;
}

const CONNECTIONS = 'secret:appflow-token-refresher/*';
const CLIENT_SECRETS = 'secret:appflow-client-credentials/*';
const TOKENS = 'secret:appflow-token-refresher-tokens/*';
const ESCROW = 'parameter/appflow-token-refresher/escrow/*';
/** AppFlow's own secrets. */
const APPFLOW_SECRETS = 'secret:appflow!*';

const VIA_SQS = 'kms:ViaService is sqs.REGION.amazonaws.com';
const VIA_SECRETS_MANAGER = 'kms:ViaService is secretsmanager.REGION.amazonaws.com';
const VIA_BOTH_STORES = 'kms:ViaService is secretsmanager.REGION.amazonaws.com or ssm.REGION.amazonaws.com';
const VIA_APPFLOW = 'aws:CalledVia is appflow.amazonaws.com';
const SAYS_WHOM_IT_SERVES = 'aws:ResourceTag/appflow-token-refresher-connections is there';
const ONE_KIND_OF_SIGNATURE =
  'aws:ResourceTag/appflow-token-refresher-connections is there, kms:MessageType is DIGEST, kms:SigningAlgorithm is RSASSA_PKCS1_V1_5_SHA_256';

/** Events of ours alone: nobody who takes over the function can feign an event of another source, or of another kind. */
const OF_OURS =
  'events:detail-type is Connection Failed or Connection Recovered or Profile Overwritten, events:source is appflow-token-refresher';

const recorded = (action: string, resource: string, when?: string): Permission => ({
  action,
  resource,
  ...(when === undefined ? {} : { when }),
  because: 'recorded',
});
const implied = (action: string, resource: string, source: string, when?: string): Permission => ({
  action,
  resource,
  ...(when === undefined ? {} : { when }),
  because: { implied: source },
});

/** Where each implied permission comes from. Paths are under https://docs.aws.amazon.com/. */
const LOGGING = 'Lambda writes the log: lambda/latest/dg/lambda-intro-execution-role.html, AWSLambdaBasicExecutionRole';
const TRACING = 'Lambda sends the traces: lambda/latest/dg/services-xray.html, AWSXRayDaemonWriteAccess';
const EVENT_SOURCE =
  'Lambda polls the queue: lambda/latest/dg/services-sqs-configure.html, AWSLambdaSQSQueueExecutionRole';
const DESTINATION = 'Lambda sends what failed to the end: lambda/latest/dg/invocation-async-retain-records.html';
const ENCRYPTED_QUEUE =
  'Who sends needs both, who receives Decrypt: AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html';
const BATCH =
  'BatchGetSecretValue asks for it of each secret: secretsmanager/latest/apireference/API_BatchGetSecretValue.html';
const ENCRYPTED_SECRET =
  'Secrets Manager uses the key for whoever calls: secretsmanager/latest/userguide/security-encryption.html';
const ENCRYPTED_PARAMETER =
  'Parameter Store uses the key for whoever calls, Encrypt up to 4 KB: kms/latest/developerguide/services-parameter-store.html';
const APPFLOW_STORES =
  "AppFlow keeps credentials in a secret of its own, with its caller's permissions: appflow/latest/userguide/data-protection.html, Connection credentials";
const APPFLOW_ENCRYPTS =
  "Secrets Manager encrypts that secret under the profile's key for the same caller: secretsmanager/latest/userguide/security-encryption.html";
const SCHEDULING = 'EventBridge Scheduler invokes with this role: scheduler/latest/UserGuide/setting-up.html';
const SCHEDULER_DEAD_LETTERS =
  'EventBridge Scheduler sends what it could not deliver: scheduler/latest/UserGuide/configuring-schedule-dlq.html';
const IN_A_VPC =
  'Lambda attaches the function to the subnets: lambda/latest/dg/configuration-vpc.html, AWSLambdaVPCAccessExecutionRole';

function running(name: string): readonly Permission[] {
  const group = `log-group:/aws/lambda/appflow-token-refresher-dev-${name}:*`;
  return [
    implied('logs:CreateLogStream', group, LOGGING),
    implied('logs:PutLogEvents', group, LOGGING),
    implied('xray:PutTelemetryRecords', '*', TRACING),
    implied('xray:PutTraceSegments', '*', TRACING),
  ];
}

const reportingFailedEvents: readonly Permission[] = [
  implied('sqs:SendMessage', 'FailedEvents', DESTINATION),
  implied('kms:Decrypt', 'Key', ENCRYPTED_QUEUE, VIA_SQS),
  implied('kms:GenerateDataKey', 'Key', ENCRYPTED_QUEUE, VIA_SQS),
];

/** Reading the tokens of a connection, exchanging the refresh token and keeping what comes back. */
const keepingTokens: readonly Permission[] = [
  recorded('secretsmanager:DescribeSecret', CLIENT_SECRETS),
  recorded('secretsmanager:GetSecretValue', CLIENT_SECRETS, SAYS_WHOM_IT_SERVES),
  recorded('secretsmanager:DescribeSecret', TOKENS),
  recorded('secretsmanager:GetSecretValue', TOKENS),
  recorded('secretsmanager:PutSecretValue', TOKENS),
  recorded('secretsmanager:UpdateSecretVersionStage', TOKENS),
  recorded('ssm:DeleteParameter', ESCROW),
  recorded('ssm:GetParameter', ESCROW),
  recorded('ssm:PutParameter', ESCROW),
  implied('kms:Decrypt', 'Key', ENCRYPTED_SECRET, VIA_BOTH_STORES),
  implied('kms:Encrypt', 'Key', ENCRYPTED_PARAMETER, VIA_BOTH_STORES),
  implied('kms:GenerateDataKey', 'Key', ENCRYPTED_SECRET, VIA_BOTH_STORES),
  implied('kms:Decrypt', 'key/*', ENCRYPTED_SECRET, VIA_SECRETS_MANAGER),
];

const handingOver: readonly Permission[] = [
  recorded('appflow:DescribeConnectorProfiles', '*'),
  recorded('appflow:UpdateConnectorProfile', 'connectorprofile/*'),
  implied('secretsmanager:CreateSecret', APPFLOW_SECRETS, APPFLOW_STORES, VIA_APPFLOW),
  implied('secretsmanager:PutResourcePolicy', APPFLOW_SECRETS, APPFLOW_STORES, VIA_APPFLOW),
  implied('secretsmanager:PutSecretValue', APPFLOW_SECRETS, APPFLOW_STORES, VIA_APPFLOW),
  implied('kms:Decrypt', 'key/*', APPFLOW_ENCRYPTS, VIA_APPFLOW),
  implied('kms:GenerateDataKey', 'key/*', APPFLOW_ENCRYPTS, VIA_APPFLOW),
];

/** What serving a connection of any grant takes, beyond what rotating its tokens does. */
const servingAnyGrant: readonly Permission[] = [
  recorded('appflow:DescribeConnectors', '*'),
  recorded('kms:DescribeKey', 'key/*', SAYS_WHOM_IT_SERVES),
  recorded('kms:ListResourceTags', 'key/*', SAYS_WHOM_IT_SERVES),
  recorded('kms:Sign', 'key/*', ONE_KIND_OF_SIGNATURE),
  recorded('secretsmanager:BatchGetSecretValue', '*'),
  recorded('secretsmanager:DescribeSecret', CONNECTIONS),
  recorded('secretsmanager:ListSecretVersionIds', TOKENS),
  recorded('secretsmanager:CreateSecret', TOKENS),
  implied('secretsmanager:GetSecretValue', CONNECTIONS, BATCH),
  recorded('secretsmanager:ListSecrets', '*'),
];

/** Telling about a connection, and which flows stop with it. Asked only where there is something to tell. */
const telling: readonly Permission[] = [
  recorded('appflow:DescribeFlow', 'flow/*'),
  recorded('appflow:ListFlows', '*'),
  recorded('events:PutEvents', 'event-bus/default', OF_OURS),
];

/** Of each role every permission, and of each why: one that is missing here, or is here in vain, fails a test. */
export const PERMISSIONS: Readonly<Record<Role, readonly Permission[]>> = {
  dispatch: [
    ...running('dispatch'),
    ...reportingFailedEvents,
    recorded('appflow:DescribeConnectorProfiles', '*'),
    recorded('secretsmanager:ListSecrets', '*'),
    recorded('sqs:SendMessage', 'RefreshQueue'),
    recorded('ssm:DescribeParameters', '*'),
  ],
  refresh: [
    ...running('refresh'),
    ...keepingTokens,
    ...handingOver,
    ...servingAnyGrant,
    ...telling,
    implied('sqs:DeleteMessage', 'RefreshQueue', EVENT_SOURCE),
    implied('sqs:GetQueueAttributes', 'RefreshQueue', EVENT_SOURCE),
    implied('sqs:ReceiveMessage', 'RefreshQueue', EVENT_SOURCE),
    implied('kms:Decrypt', 'Key', ENCRYPTED_QUEUE, VIA_SQS),
  ],
  rotate: [
    ...running('rotate'),
    ...reportingFailedEvents,
    ...keepingTokens,
    ...handingOver,
    recorded('secretsmanager:DescribeSecret', CONNECTIONS),
    recorded('secretsmanager:GetSecretValue', CONNECTIONS),
    recorded('secretsmanager:ListSecrets', '*'),
  ],
  heal: [
    ...running('heal'),
    ...reportingFailedEvents,
    ...keepingTokens,
    ...handingOver,
    ...servingAnyGrant,
    ...telling,
    recorded('appflow:StartFlow', 'flow/*'),
  ],
  schedule: [
    implied('lambda:InvokeFunction', 'DispatchLambdaFunction', SCHEDULING),
    implied('sqs:SendMessage', 'FailedEvents', SCHEDULER_DEAD_LETTERS),
    implied('kms:Decrypt', 'Key', ENCRYPTED_QUEUE, VIA_SQS),
    implied('kms:GenerateDataKey', 'Key', ENCRYPTED_QUEUE, VIA_SQS),
  ],
};

/** What the functions that talk to Salesforce hold besides, where they run in a VPC. */
export const NETWORK_PERMISSIONS: readonly Permission[] = [
  implied('ec2:AssignPrivateIpAddresses', '*', IN_A_VPC),
  implied('ec2:CreateNetworkInterface', '*', IN_A_VPC),
  implied('ec2:DeleteNetworkInterface', '*', IN_A_VPC),
  implied('ec2:DescribeNetworkInterfaces', '*', IN_A_VPC),
  implied('ec2:DescribeSubnets', '*', IN_A_VPC),
  implied('ec2:UnassignPrivateIpAddresses', '*', IN_A_VPC),
];

/** Every action that is granted on `*`, and why nothing narrower will do. (Service Authorization Reference, "Resource types".) */
export const WITHOUT_RESOURCE: Readonly<Record<string, string>> = {
  'appflow:DescribeConnectorProfiles': 'The action has no resource type. It shows no credentials.',
  'appflow:DescribeConnectors': 'The action has no resource type. Connectors belong to AWS.',
  'appflow:ListFlows':
    'The action has no resource type. It shows names, triggers and connectors of flows, and no credentials.',
  'ec2:AssignPrivateIpAddresses': 'Lambda makes the interfaces itself, so they have no name beforehand.',
  'ec2:CreateNetworkInterface': 'Lambda makes the interfaces itself, so they have no name beforehand.',
  'ec2:DeleteNetworkInterface': 'Lambda makes the interfaces itself, so they have no name beforehand.',
  'ec2:DescribeNetworkInterfaces': 'The action has no resource type.',
  'ec2:DescribeSubnets': 'The action has no resource type.',
  'ec2:UnassignPrivateIpAddresses': 'Lambda makes the interfaces itself, so they have no name beforehand.',
  'secretsmanager:BatchGetSecretValue':
    'The action has no resource type: each secret in the batch needs GetSecretValue besides.',
  'secretsmanager:ListSecrets': 'The action has no resource type. It shows no value.',
  'ssm:DescribeParameters': 'Listing cannot be narrowed. It shows no value.',
  'xray:PutTelemetryRecords': 'The action has no resource type.',
  'xray:PutTraceSegments': 'The action has no resource type.',
};
