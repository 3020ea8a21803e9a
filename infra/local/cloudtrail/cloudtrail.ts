/** CloudTrail: the account's trails, and what a trail makes EventBridge tell: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html */
import { randomUUID } from 'node:crypto';
import type * as sdk from '@aws-sdk/client-cloudtrail';
import { type ApiCall, type Principal, type Publish, secondsOnly } from '../wire/events.ts';
import { type Environment, serviceOf, textIn } from '../wire/operation.ts';
import { errorOf } from '../wire/replies.ts';
import type { Caller } from '../wire/routes.ts';
import { userIdentityOf } from './principal.ts';

interface Trail {
  readonly name: string;
  readonly homeRegion: string;
  readonly isMultiRegion: boolean;
  readonly isLogging: boolean;
  /** Which events it records: without selectors of its own those of management, with them as they say. */
  readonly selectors: 'default' | 'management' | 'data';
}

/** Changes alone, of those that somebody here wants to know. */
const RECORDED: ReadonlySet<string> = new Set([
  'CreateConnectorProfile',
  'UpdateConnectorProfile',
  'DeleteConnectorProfile',
]);
const HIDDEN = '***';

const missing = errorOf('TrailNotFoundException');

/** `roleOf` names the role behind the user agent of a program that calls with the key of the local environment. */
export function createCloudTrail(
  env: Environment,
  publish: Publish,
  roleOf: (userAgent: string) => string | undefined,
) {
  const trails = new Map<string, Trail>();
  const arnOf = ({ name, homeRegion }: Trail) => `arn:aws:cloudtrail:${homeRegion}:${env.accountId}:trail/${name}`;
  const here = () => [...trails.values()].filter((one) => one.isMultiRegion || one.homeRegion === env.region);
  const isRecording = () => here().some(({ isLogging, selectors }) => isLogging && selectors !== 'data');

  /** A trail of another Region has only its ARN here. */
  function find(id: string): Trail {
    const trail = here().find((one) => id === arnOf(one) || (id === one.name && one.homeRegion === env.region));
    if (trail === undefined) throw missing(`Unknown trail: ${id} for the user: ${env.accountId}`);
    return trail;
  }

  function needs(operation: string, input: object) {
    const id = textIn(input, 'Name');
    const trail = here().find((one) => id === one.name || id === arnOf(one));
    return [{ action: `cloudtrail:${operation}`, resource: trail === undefined ? '*' : arnOf(trail) }];
  }

  const service = serviceOf<typeof sdk>(env, { name: 'cloudtrail', protocol: 'json1.1' }, needs, {
    DescribeTrails({ trailNameList: ids = [], includeShadowTrails = true }) {
      const wanted = here()
        .filter((trail) => includeShadowTrails || trail.homeRegion === env.region)
        .filter((trail) => ids.length === 0 || ids.some((id) => id === trail.name || id === arnOf(trail)));
      return {
        trailList: wanted.map((trail) => ({
          Name: trail.name,
          TrailARN: arnOf(trail),
          S3BucketName: 'local-trail',
          IncludeGlobalServiceEvents: true,
          IsMultiRegionTrail: trail.isMultiRegion,
          HomeRegion: trail.homeRegion,
          LogFileValidationEnabled: true,
          HasCustomEventSelectors: trail.selectors !== 'default',
          HasInsightSelectors: false,
          IsOrganizationTrail: false,
        })),
      };
    },
    GetTrailStatus: ({ Name }) => ({ IsLogging: find(Name).isLogging }),
  });

  /** Puts the event of a call on the bus, where a trail records it: of one that was refused too. */
  function record({ service: name, operation, input, principal, userAgent, sourceIPAddress, error }: ApiCall): void {
    if (name !== 'appflow' || !RECORDED.has(operation) || !isRecording()) return;
    const now = env.now();
    // Who may not call at all is not read.
    const isRead = error?.code !== 'AccessDeniedException';
    publish({
      source: 'aws.appflow',
      'detail-type': 'AWS API Call via CloudTrail',
      detail: {
        eventVersion: '1.11',
        userIdentity: userIdentityOf(principal, env.accountId, now),
        eventTime: secondsOnly(now),
        eventSource: 'appflow.amazonaws.com',
        eventName: operation,
        awsRegion: env.region,
        sourceIPAddress: principal.invokedBy ?? sourceIPAddress,
        userAgent: principal.invokedBy ?? userAgent,
        ...(error !== undefined && { errorCode: error.code, errorMessage: error.message }),
        requestParameters: isRead ? hidden(input) : null,
        // AppFlow lets nothing of its answers be recorded.
        responseElements: error === undefined ? {} : null,
        requestID: randomUUID(),
        eventID: randomUUID(),
        readOnly: false,
        eventType: 'AwsApiCall',
        managementEvent: true,
        recipientAccountId: env.accountId,
        eventCategory: 'Management',
      },
    });
  }

  /** The key of the local environment is that of a role, any other one that of a user of that name. */
  function principalOf({ accessKeyId, userAgent }: Caller): Principal {
    if (accessKeyId !== 'local') return { type: 'IAMUser', userName: accessKeyId };
    return { type: 'AssumedRole', roleName: roleOf(userAgent) ?? 'local' };
  }

  const state = {
    /** Makes a trail or replaces the one of that name: one of all Regions that records management events, unless something else is said. */
    put({ name, ...some }: Pick<Trail, 'name'> & Partial<Trail>) {
      const trail = { homeRegion: env.region, isMultiRegion: true, isLogging: true, selectors: 'default' } as const;
      trails.set(name, { name, ...trail, ...some });
    },
    remove: (name: string) => void trails.delete(name),
  };
  state.put({ name: TRAIL });
  return { service, state, record, principalOf };
}

/** The one that every account here begins with. */
export const TRAIL = 'management-events';

/** CloudTrail shows no credentials. */
function hidden(input: unknown): unknown {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return input;
  return Object.fromEntries(
    Object.entries(input).map(([name, value]: [string, unknown]) => [
      name,
      name === 'connectorProfileCredentials' ? HIDDEN : hidden(value),
    ]),
  );
}
