/** Flows: what runs on a connector profile, and the EventBridge events that a run leaves behind. */
import { randomUUID } from 'node:crypto';
import type { Environment } from '../wire/environment.ts';
import { AwsError } from '../wire/error.ts';
import { seconds } from '../wire/replies.ts';
import type { ConnectionUse } from './connection.ts';

type TriggerType = 'OnDemand' | 'Scheduled' | 'Event';

export interface Flow {
  readonly flowName: string;
  readonly flowArn: string;
  readonly connectorProfileName: string;
  readonly triggerType: TriggerType;
  /** Whether Salesforce is where the data comes from, or where it goes. */
  readonly salesforceIs: 'source' | 'destination';
  readonly status: 'Active' | 'Suspended';
  readonly createdAt: Date;
  readonly runs: readonly FlowRun[];
}

export interface FlowRun {
  readonly executionId: string;
  readonly startedAt: Date;
  readonly endedAt: Date;
  readonly succeeded: boolean;
}

/** As EventBridge hands it to a function. */
export interface FlowEvent {
  readonly version: '0';
  readonly id: string;
  readonly 'detail-type': string;
  readonly source: 'aws.appflow';
  readonly account: string;
  readonly time: string;
  readonly region: string;
  readonly resources: readonly string[];
  readonly detail: Readonly<Record<string, string>>;
}

export class Flows {
  readonly #env: Environment;
  readonly #useConnection: (profileName: string) => Promise<ConnectionUse>;
  readonly #flows = new Map<string, Flow>();
  readonly #events: FlowEvent[] = [];

  constructor(env: Environment, useConnection: (profileName: string) => Promise<ConnectionUse>) {
    this.#env = env;
    this.#useConnection = useConnection;
  }

  create(
    flow: Pick<Flow, 'flowName' | 'connectorProfileName'> &
      Partial<Pick<Flow, 'triggerType' | 'salesforceIs' | 'status'>>,
  ): Flow {
    const kept: Flow = {
      triggerType: 'OnDemand',
      salesforceIs: 'source',
      status: 'Active',
      ...flow,
      flowArn: this.#env.arn('appflow', `flow/${flow.flowName}`),
      createdAt: this.#env.now(),
      runs: [],
    };
    this.#flows.set(flow.flowName, kept);
    return kept;
  }

  /** @throws ResourceNotFoundException */
  find(flowName: string): Flow {
    const flow = this.#flows.get(flowName);
    if (flow === undefined) throw new AwsError('ResourceNotFoundException', `Flow ${flowName} does not exist`, 404);
    return flow;
  }

  all(): readonly Flow[] {
    return [...this.#flows.values()];
  }

  /** Every event so far, in order. */
  events(): readonly FlowEvent[] {
    return [...this.#events];
  }

  activate(flowName: string): void {
    this.#change(flowName, { status: 'Active' });
  }

  /** AppFlow switches a scheduled or event flow off after failures; returns the event that says so. */
  deactivate(flowName: string, reason: string): FlowEvent {
    const flow = this.#change(flowName, { status: 'Suspended' });
    const kind = flow.triggerType === 'Event' ? 'Event' : 'Scheduled';
    const detail = { 'deactivation-reason': reason, 'deactivation-time': zoned(this.#env.now()) };
    return this.#emit(flow, `AppFlow ${kind} Flow Deactivated`, detail);
  }

  /** One run with the profile's credentials; returns the event of its end, which is kept too. */
  async run(flowName: string, executionId: string = randomUUID()): Promise<FlowEvent> {
    const flow = this.find(flowName);
    const startedAt = this.#env.now();
    const use = await this.#useConnection(flow.connectorProfileName);
    const endedAt = this.#env.now();
    const run: FlowRun = { executionId, startedAt, endedAt, succeeded: use.ok };
    this.#change(flowName, { runs: [...flow.runs, run] });
    return this.#emit(flow, 'AppFlow End Flow Run Report', {
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
    });
  }

  #change(flowName: string, changes: Partial<Flow>): Flow {
    const flow = { ...this.find(flowName), ...changes };
    this.#flows.set(flowName, flow);
    return flow;
  }

  #emit(flow: Flow, detailType: string, extra: Readonly<Record<string, string>>): FlowEvent {
    const { now, accountId: account, region } = this.#env;
    const salesforce = `SALESFORCE/${flow.connectorProfileName}`;
    const isSource = flow.salesforceIs === 'source';
    const event: FlowEvent = {
      version: '0',
      id: randomUUID(),
      'detail-type': detailType,
      source: 'aws.appflow',
      account,
      time: `${now().toISOString().slice(0, 19)}Z`,
      region,
      resources: [flow.flowArn],
      detail: {
        'flow-name': flow.flowName,
        'created-by': `arn:aws:sts::${account}:assumed-role/local/session`,
        'flow-arn': flow.flowArn,
        source: isSource ? salesforce : 'S3',
        destination: isSource ? 'S3' : salesforce,
        'source-object': isSource ? 'Account' : 's3://local-bucket/accounts',
        'destination-object': isSource ? 's3://local-bucket' : 'Account',
        'trigger-type': flow.triggerType.toUpperCase(),
        ...extra,
      },
    };
    this.#events.push(event);
    return event;
  }
}

/** DescribeFlow's answer. */
export function describe(flow: Flow): unknown {
  const { flowName, flowArn, status, triggerType, createdAt, connectorProfileName, salesforceIs } = flow;
  const last = flow.runs.at(-1);
  const isSource = salesforceIs === 'source';
  return {
    flowArn,
    flowName,
    flowStatus: status,
    sourceFlowConfig: isSource
      ? {
          connectorType: 'Salesforce',
          connectorProfileName,
          sourceConnectorProperties: { Salesforce: { object: 'Account' } },
        }
      : { connectorType: 'S3', sourceConnectorProperties: { S3: { bucketName: 'local-bucket' } } },
    destinationFlowConfigList: [
      isSource
        ? { connectorType: 'S3', destinationConnectorProperties: { S3: { bucketName: 'local-bucket' } } }
        : {
            connectorType: 'Salesforce',
            connectorProfileName,
            destinationConnectorProperties: { Salesforce: { object: 'Account' } },
          },
    ],
    triggerConfig: {
      triggerType,
      ...(triggerType === 'Scheduled' && { triggerProperties: { Scheduled: { scheduleExpression: 'rate(1hours)' } } }),
    },
    tasks: [],
    createdAt: seconds(createdAt),
    lastUpdatedAt: seconds(createdAt),
    ...(last !== undefined && {
      lastRunExecutionDetails: {
        mostRecentExecutionTime: seconds(last.endedAt),
        mostRecentExecutionStatus: last.succeeded ? 'Successful' : 'Error',
      },
    }),
  };
}

/** AppFlow writes its times with the zone in brackets, which `Date` cannot parse. */
function zoned(date: Date): string {
  return `${date.toISOString()}[UTC]`;
}
