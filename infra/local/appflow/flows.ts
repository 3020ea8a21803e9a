/** Flows from Salesforce to S3: what runs on a connector profile, and the EventBridge events that a run leaves behind. */
import { randomUUID } from 'node:crypto';
import type { Environment } from '../wire/operation.ts';
import { AwsError, seconds } from '../wire/replies.ts';
import type { Profiles } from './profiles.ts';

interface Flow {
  readonly flowName: string;
  readonly flowArn: string;
  readonly connectorProfileName: string;
  readonly triggerType: 'OnDemand' | 'Scheduled' | 'Event';
  /** Of a scheduled flow. */
  readonly schedule?: string;
  readonly createdAt: Date;
  status: 'Active' | 'Suspended';
  lastRun?: { readonly endedAt: Date; readonly succeeded: boolean };
}

export class Flows {
  readonly #env: Environment;
  readonly #useConnection: Profiles['useConnection'];
  readonly #flows = new Map<string, Flow>();
  readonly #events: FlowEvent[] = [];

  constructor(env: Environment, useConnection: Profiles['useConnection']) {
    this.#env = env;
    this.#useConnection = useConnection;
  }

  create(
    flow: Pick<Flow, 'flowName' | 'connectorProfileName'> & Partial<Pick<Flow, 'triggerType' | 'schedule' | 'status'>>,
  ): void {
    this.#flows.set(flow.flowName, {
      triggerType: 'OnDemand',
      status: 'Active',
      ...flow,
      flowArn: this.#env.arn('appflow', `flow/${flow.flowName}`),
      createdAt: this.#env.now(),
    });
  }

  /** @throws ResourceNotFoundException */
  find(flowName: string): Flow {
    const flow = this.#flows.get(flowName);
    if (flow === undefined) throw new AwsError('ResourceNotFoundException', `Flow ${flowName} does not exist`, 404);
    return flow;
  }

  /** In the order in which they were created: AWS promises none. */
  all(): readonly Flow[] {
    return [...this.#flows.values()];
  }

  /** Every event so far, in order. */
  events() {
    return [...this.#events];
  }

  activate(flowName: string): void {
    this.find(flowName).status = 'Active';
  }

  /** AppFlow switches a scheduled or event flow off after failures; returns the event that says so. */
  deactivate(flowName: string, reason: string) {
    const flow = this.find(flowName);
    flow.status = 'Suspended';
    const kind = flow.triggerType === 'Event' ? 'Event' : 'Scheduled';
    const detail = { 'deactivation-reason': reason, 'deactivation-time': zoned(this.#env.now()) };
    return this.#emit(eventOf(this.#env, flow, `AppFlow ${kind} Flow Deactivated`, detail));
  }

  /** One run with the profile's credentials; returns the event of its end, which is kept too. */
  async run(flowName: string, executionId: string = randomUUID()) {
    const flow = this.find(flowName);
    const startedAt = this.#env.now();
    const use = await this.#useConnection(flow.connectorProfileName);
    const endedAt = this.#env.now();
    flow.lastRun = { endedAt, succeeded: use.ok };
    const detail = {
      'execution-id': executionId,
      'start-time': zoned(startedAt),
      'end-time': zoned(endedAt),
      'num-of-records-processed': use.ok ? '1' : '0',
      'num-of-record-failures': '0',
      'data-processed': use.ok ? '128' : '0',
      status: use.ok ? 'Execution Successful' : 'Execution Failed',
      ...(!use.ok && {
        error: `The request failed because the service Source Salesforce returned the following error: Details: ${use.error}: ${use.description}, ErrorCode: ConnectorAuthentication.`,
      }),
    };
    return this.#emit(eventOf(this.#env, flow, 'AppFlow End Flow Run Report', detail));
  }

  #emit(event: FlowEvent): FlowEvent {
    this.#events.push(event);
    return event;
  }
}

type FlowEvent = ReturnType<typeof eventOf>;

/** As EventBridge hands it to a function. */
function eventOf(
  { now, accountId: account, region }: Environment,
  flow: Flow,
  detailType: string,
  extra: Readonly<Record<string, string>>,
) {
  const detail: Readonly<Record<string, string>> = {
    'flow-name': flow.flowName,
    'created-by': `arn:aws:sts::${account}:assumed-role/local/session`,
    'flow-arn': flow.flowArn,
    source: `SALESFORCE/${flow.connectorProfileName}`,
    destination: 'S3',
    'source-object': 'Account',
    'destination-object': 's3://local-bucket',
    'trigger-type': flow.triggerType.toUpperCase(),
    ...extra,
  };
  return {
    version: '0',
    id: randomUUID(),
    'detail-type': detailType,
    source: 'aws.appflow',
    account,
    time: `${now().toISOString().slice(0, 19)}Z`,
    region,
    resources: [flow.flowArn],
    detail,
  };
}

/** One of ListFlows: connector types, and no profile. */
export function listed({ flowName, flowArn, status, triggerType, createdAt }: Flow): unknown {
  return {
    flowArn,
    flowName,
    flowStatus: status,
    sourceConnectorType: 'Salesforce',
    destinationConnectorType: 'S3',
    triggerType,
    createdAt: seconds(createdAt),
    lastUpdatedAt: seconds(createdAt),
  };
}

/** DescribeFlow's answer. */
export function describe(flow: Flow): unknown {
  const { flowName, flowArn, status, triggerType, schedule, createdAt, connectorProfileName, lastRun } = flow;
  const Salesforce = { object: 'Account' };
  const S3 = { bucketName: 'local-bucket' };
  return {
    flowArn,
    flowName,
    flowStatus: status,
    sourceFlowConfig: {
      connectorType: 'Salesforce',
      connectorProfileName,
      sourceConnectorProperties: { Salesforce },
    },
    destinationFlowConfigList: [{ connectorType: 'S3', destinationConnectorProperties: { S3 } }],
    triggerConfig: {
      triggerType,
      ...(schedule !== undefined && { triggerProperties: { Scheduled: { scheduleExpression: schedule } } }),
    },
    tasks: [],
    createdAt: seconds(createdAt),
    lastUpdatedAt: seconds(createdAt),
    ...(lastRun !== undefined && {
      lastRunExecutionDetails: {
        mostRecentExecutionTime: seconds(lastRun.endedAt),
        mostRecentExecutionStatus: lastRun.succeeded ? 'Successful' : 'Error',
      },
    }),
  };
}

/** AppFlow writes its times with the zone in brackets, which `Date` cannot parse. */
function zoned(date: Date): string {
  return `${date.toISOString()}[UTC]`;
}
