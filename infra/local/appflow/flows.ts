/** Flows from Salesforce to S3, unless they are told to write elsewhere: what runs on a connector profile, and the EventBridge events that a run leaves behind. */
import { randomUUID } from 'node:crypto';
import { type Publish, secondsOnly } from '../wire/events.ts';
import type { Environment } from '../wire/operation.ts';
import { AwsError, seconds } from '../wire/replies.ts';
import type { Profiles } from './profiles.ts';

interface Flow {
  readonly flowName: string;
  readonly flowArn: string;
  readonly connectorProfileName: string;
  readonly triggerType: 'OnDemand' | 'Scheduled' | 'Event';
  /** Where it writes to, if not to S3. */
  readonly destination: FlowEnd | undefined;
  /** Of a scheduled flow. */
  readonly schedule?: string;
  readonly createdAt: Date;
  status: 'Active' | 'Suspended';
  /** Why AppFlow has switched it off. */
  statusMessage?: string | undefined;
  lastRun?: { readonly endedAt: Date; readonly error: string | undefined };
}

interface EndOfRun {
  readonly executionId: string;
  readonly startedAt: Date;
  readonly error: string | null | undefined;
  readonly message: string | undefined;
}

interface FlowEnd {
  readonly connectorType: string;
  readonly connectorProfileName?: string;
}

export class Flows {
  readonly #env: Environment;
  readonly #useConnection: Profiles['useConnection'];
  readonly #flows = new Map<string, Flow>();
  readonly #publish: Publish;
  readonly #events: FlowEvent[] = [];

  constructor(env: Environment, useConnection: Profiles['useConnection'], publish: Publish) {
    this.#env = env;
    this.#useConnection = useConnection;
    this.#publish = publish;
  }

  create(
    flow: Pick<Flow, 'flowName' | 'connectorProfileName'> &
      Partial<Pick<Flow, 'triggerType' | 'schedule' | 'status' | 'destination'>>,
  ): void {
    this.#flows.set(flow.flowName, {
      triggerType: 'OnDemand',
      status: 'Active',
      destination: undefined,
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

  /** Those that read or write through a profile. */
  using(connectorProfileName: string): string[] {
    return this.all().flatMap(({ flowName, connectorProfileName: source, destination }) =>
      [source, destination?.connectorProfileName].includes(connectorProfileName) ? [flowName] : [],
    );
  }

  /** Every event so far, in order. */
  events() {
    return [...this.#events];
  }

  activate(flowName: string): void {
    Object.assign(this.find(flowName), { status: 'Active', statusMessage: undefined });
  }

  /**
   * AppFlow switches a scheduled or event flow off after failures; returns the event that says so. Its reason may be null, or absent.
   *
   * @param statusMessage what DescribeFlow says of it from then on, the reason unless given
   */
  deactivate(flowName: string, reason: string | null | undefined, statusMessage = reason ?? undefined) {
    const flow = this.find(flowName);
    Object.assign(flow, { status: 'Suspended', statusMessage });
    const kind = flow.triggerType === 'Event' ? 'Event' : 'Scheduled';
    const detail = { 'deactivation-reason': reason, 'deactivation-time': zoned(this.#env.now()) };
    return this.#emit(eventOf(this.#env, flow, `AppFlow ${kind} Flow Deactivated`, detail));
  }

  /** One run with the profile's credentials; returns the event of its end, which is kept too. */
  async run(flowName: string, executionId: string = randomUUID()) {
    const flow = this.find(flowName);
    const startedAt = this.#env.now();
    const use = await this.#useConnection(flow.connectorProfileName);
    const refusal = use.ok
      ? undefined
      : errorFrom('Source Salesforce', `${use.error}: ${use.description}, ErrorCode: ConnectorAuthentication.`);
    return this.#ended(flow, { executionId, startedAt, error: refusal, message: refusal });
  }

  /**
   * One run that fails for any reason; returns the event of its end.
   *
   * @param error `errorFrom` words what an end of the flow answered. It may be null, or absent
   * @param message what DescribeFlow says of the run, the error unless given
   */
  fail(flowName: string, error: string | null | undefined, message = error ?? '') {
    return this.#ended(this.find(flowName), { executionId: randomUUID(), startedAt: this.#env.now(), error, message });
  }

  /** `message` is what DescribeFlow says of a run that failed, and `error` what the event says. */
  #ended(flow: Flow, { executionId, startedAt, error, message }: EndOfRun): FlowEvent {
    const endedAt = this.#env.now();
    flow.lastRun = { endedAt, error: message };
    const succeeded = message === undefined;
    const detail = {
      'execution-id': executionId,
      'start-time': zoned(startedAt),
      'end-time': zoned(endedAt),
      'num-of-records-processed': succeeded ? '1' : '0',
      'num-of-record-failures': '0',
      'data-processed': succeeded ? '128' : '0',
      status: succeeded ? 'Execution Successful' : 'Execution Failed',
      ...(!succeeded && { error }),
    };
    return this.#emit(eventOf(this.#env, flow, 'AppFlow End Flow Run Report', detail));
  }

  #emit(event: FlowEvent): FlowEvent {
    this.#events.push(event);
    this.#publish(event);
    return event;
  }
}

/** As AppFlow words what `Source Salesforce`, `Destination Redshift` or another end of a flow answered. */
export function errorFrom(service: string, details: string): string {
  return `The request failed because the service ${service} returned the following error: Details: ${details}`;
}

type FlowEvent = ReturnType<typeof eventOf>;

/** As EventBridge hands it to a function. */
function eventOf(
  { now, accountId: account, region }: Environment,
  flow: Flow,
  detailType: string,
  extra: Readonly<Record<string, string | null | undefined>>,
) {
  const detail: Readonly<Record<string, string | null | undefined>> = {
    'flow-name': flow.flowName,
    'created-by': `arn:aws:sts::${account}:assumed-role/local/session`,
    'flow-arn': flow.flowArn,
    source: `SALESFORCE/${flow.connectorProfileName}`,
    destination: (flow.destination?.connectorType ?? 'S3').toUpperCase(),
    'source-object': 'Account',
    'destination-object': 's3://local-bucket',
    'trigger-type': flow.triggerType.toUpperCase(),
    ...extra,
  };
  return {
    version: '0' as const,
    id: randomUUID(),
    'detail-type': detailType,
    source: 'aws.appflow',
    account,
    time: secondsOnly(now()),
    region,
    resources: [flow.flowArn],
    detail,
  };
}

/** One of ListFlows: connector types, and no profile. */
export function listed({ flowName, flowArn, status, triggerType, createdAt, destination }: Flow): unknown {
  return {
    flowArn,
    flowName,
    flowStatus: status,
    sourceConnectorType: 'Salesforce',
    destinationConnectorType: destination?.connectorType ?? 'S3',
    triggerType,
    createdAt: seconds(createdAt),
    lastUpdatedAt: seconds(createdAt),
  };
}

/** DescribeFlow's answer. */
export function describe(flow: Flow): unknown {
  const { flowName, flowArn, status, statusMessage, triggerType, schedule, createdAt, connectorProfileName, lastRun } =
    flow;
  const Salesforce = { object: 'Account' };
  const S3 = { bucketName: 'local-bucket' };
  return {
    flowArn,
    flowName,
    flowStatus: status,
    flowStatusMessage: statusMessage,
    sourceFlowConfig: {
      connectorType: 'Salesforce',
      connectorProfileName,
      sourceConnectorProperties: { Salesforce },
    },
    destinationFlowConfigList: [
      flow.destination === undefined
        ? { connectorType: 'S3', destinationConnectorProperties: { S3 } }
        : { ...flow.destination, destinationConnectorProperties: {} },
    ],
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
        mostRecentExecutionStatus: lastRun.error === undefined ? 'Successful' : 'Error',
        mostRecentExecutionMessage: lastRun.error ?? 'Successfully ran the flow',
      },
    }),
  };
}

/** AppFlow writes its times with the zone in brackets, which `Date` cannot parse. */
function zoned(date: Date): string {
  return `${date.toISOString()}[UTC]`;
}
