/** Flows: what runs on a connector profile, and the EventBridge events that a run leaves behind. */
import { randomUUID } from 'node:crypto';
import type { Environment } from '../wire/environment.ts';
import { AwsError } from '../wire/error.ts';
import { seconds } from '../wire/replies.ts';
import type { ConnectionUse } from './connection.ts';

export type TriggerType = 'OnDemand' | 'Scheduled' | 'Event';

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

export interface Flows {
  create(flow: {
    readonly flowName: string;
    readonly connectorProfileName: string;
    readonly triggerType?: TriggerType;
    readonly salesforceIs?: 'source' | 'destination';
    readonly status?: 'Active' | 'Suspended';
  }): Flow;
  /** @throws ResourceNotFoundException */
  find(flowName: string): Flow;
  all(): readonly Flow[];
  activate(flowName: string): void;
  /** AppFlow switches a scheduled or event flow off after failures; returns the event that says so. */
  deactivate(flowName: string, reason: string): FlowEvent;
  /** One run with the profile's credentials; returns the event of its end, which is kept too. */
  run(flowName: string, executionId?: string): Promise<FlowEvent>;
  /** Every event so far, in order. */
  events(): readonly FlowEvent[];
}

export function createFlows(env: Environment, useConnection: (profileName: string) => Promise<ConnectionUse>): Flows {
  const flows = new Map<string, Flow>();
  const events: FlowEvent[] = [];

  function change(flowName: string, changes: Partial<Flow>): void {
    flows.set(flowName, { ...flowsApi.find(flowName), ...changes });
  }

  function emit(flow: Flow, detailType: string, extra: Readonly<Record<string, string>>): FlowEvent {
    const salesforce = `SALESFORCE/${flow.connectorProfileName}`;
    const isSource = flow.salesforceIs === 'source';
    const event: FlowEvent = {
      version: '0',
      id: randomUUID(),
      'detail-type': detailType,
      source: 'aws.appflow',
      account: env.accountId,
      time: `${env.now().toISOString().slice(0, 19)}Z`,
      region: env.region,
      resources: [flow.flowArn],
      detail: {
        'flow-name': flow.flowName,
        'created-by': `arn:aws:sts::${env.accountId}:assumed-role/local/session`,
        'flow-arn': flow.flowArn,
        source: isSource ? salesforce : 'S3',
        destination: isSource ? 'S3' : salesforce,
        'source-object': isSource ? 'Account' : 's3://local-bucket/accounts',
        'destination-object': isSource ? 's3://local-bucket' : 'Account',
        'trigger-type': flow.triggerType.toUpperCase(),
        ...extra,
      },
    };
    events.push(event);
    return event;
  }

  const flowsApi: Flows = {
    create({ flowName, connectorProfileName, triggerType = 'OnDemand', salesforceIs = 'source', status = 'Active' }) {
      const flow: Flow = {
        flowName,
        flowArn: env.arn('appflow', `flow/${flowName}`),
        connectorProfileName,
        triggerType,
        salesforceIs,
        status,
        createdAt: env.now(),
        runs: [],
      };
      flows.set(flowName, flow);
      return flow;
    },
    find(flowName) {
      const flow = flows.get(flowName);
      if (flow === undefined) throw new AwsError('ResourceNotFoundException', `Flow ${flowName} does not exist`, 404);
      return flow;
    },
    all: () => [...flows.values()],
    activate: (flowName) => change(flowName, { status: 'Active' }),
    deactivate(flowName, reason) {
      change(flowName, { status: 'Suspended' });
      const flow = flowsApi.find(flowName);
      const kind = flow.triggerType === 'Event' ? 'Event' : 'Scheduled';
      const detail = { 'deactivation-reason': reason, 'deactivation-time': zoned(env.now()) };
      return emit(flow, `AppFlow ${kind} Flow Deactivated`, detail);
    },
    async run(flowName, executionId = randomUUID()) {
      const flow = flowsApi.find(flowName);
      const startedAt = env.now();
      const use = await useConnection(flow.connectorProfileName);
      const endedAt = env.now();
      const run: FlowRun = { executionId, startedAt, endedAt, succeeded: use.ok };
      change(flowName, { runs: [...flow.runs, run] });
      return emit(flow, 'AppFlow End Flow Run Report', {
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
    },
    events: () => [...events],
  };
  return flowsApi;
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
