import { createHash } from 'node:crypto';
import {
  type AppflowClient,
  type ConnectorProfile,
  DescribeConnectorProfilesCommand,
  type DescribeConnectorProfilesCommandInput,
  DescribeConnectorsCommand,
  DescribeFlowCommand,
  StartFlowCommand,
  UpdateConnectorProfileCommand,
} from '@aws-sdk/client-appflow';
import * as v from 'valibot';
import type { Credentials } from '../core/credentials.ts';
import { CredentialsRefused, RefreshError } from '../core/errors.ts';
import type { AppFlow, Flows, Profile } from '../core/ports.ts';
import type { Run } from '../core/run.ts';
import { behindArn, date, pages, readable, text } from './aws-answer.ts';
import { type AwsCall, callAws } from './aws-call.ts';

/** The most names, and the most profiles on a page, that DescribeConnectorProfiles takes and gives. */
const PAGE = 100;

function call(operation: string, resource: string, meanings: AwsCall['meanings'] = {}): AwsCall {
  return { action: `appflow:${operation}`, resource, unavailable: 'APPFLOW_UNAVAILABLE', meanings };
}

/** What is used of AppFlow's answers. */
const ProfilesAnswer = v.object({
  nextToken: text,
  connectorProfileDetails: v.nullish(
    v.array(
      v.nullish(
        v.object({
          connectorProfileName: text,
          connectorProfileArn: text,
          connectorType: text,
          connectionMode: text,
          createdAt: date,
          lastUpdatedAt: date,
          connectorProfileProperties: v.nullish(v.object({ Salesforce: v.nullish(v.object({ instanceUrl: text })) })),
        }),
      ),
    ),
  ),
});
const ConnectorsAnswer = v.object({
  connectorConfigurations: v.nullish(
    v.object({
      Salesforce: v.nullish(
        v.object({
          connectorMetadata: v.nullish(
            v.object({
              Salesforce: v.nullish(v.object({ oauth2GrantTypesSupported: v.nullish(v.array(v.string())) })),
            }),
          ),
        }),
      ),
    }),
  ),
});
const End = v.object({ connectorType: text, connectorProfileName: text });
const FlowAnswer = v.object({
  flowStatus: text,
  flowStatusMessage: text,
  sourceFlowConfig: v.nullish(End),
  destinationFlowConfigList: v.nullish(v.array(v.nullish(End))),
  triggerConfig: v.nullish(
    v.object({
      triggerType: text,
      triggerProperties: v.nullish(v.object({ Scheduled: v.nullish(v.object({ scheduleExpression: text })) })),
    }),
  ),
  lastRunExecutionDetails: v.nullish(
    v.object({ mostRecentExecutionTime: date, mostRecentExecutionStatus: text, mostRecentExecutionMessage: text }),
  ),
});

/** The answer itself, since a profile's properties must go back as they came. @throws RefreshError `APPFLOW_UNAVAILABLE` */
function checked<T>(answer: T, schema: v.GenericSchema, asked: AwsCall): T {
  readable(schema, answer, asked);
  return answer;
}

/** AppFlow's profiles through its SDK client, whose own retries must be off: they leave ConflictException out. */
export function appflowAdapter(client: AppflowClient): AppFlow {
  async function describe(
    input: DescribeConnectorProfilesCommandInput,
    into: Map<string, Profile>,
    run: Run,
  ): Promise<void> {
    const asked = call('DescribeConnectorProfiles', '*');
    const get = (nextToken: string | undefined) => {
      const command = new DescribeConnectorProfilesCommand({ ...input, maxResults: PAGE, nextToken });
      return callAws(asked, run, async (options) =>
        checked(await client.send(command, options), ProfilesAnswer, asked),
      );
    };
    for (const { connectorProfileDetails } of await pages(asked, get, ({ nextToken }) => nextToken)) {
      for (const described of connectorProfileDetails ?? []) {
        const name = described?.connectorProfileName ?? behindArn(described?.connectorProfileArn, ':connectorprofile/');
        if (name !== undefined) into.set(name, profileOf(name, described));
      }
    }
  }

  function profileOf(connectorProfileName: string, described: ConnectorProfile): Profile {
    const { connectorProfileProperties, connectionMode } = described;
    let handOvers = 0;
    return {
      connectorProfileName,
      isSalesforce: described.connectorType === 'Salesforce',
      createdAt: described.createdAt ?? new Date(0),
      updatedAt: described.lastUpdatedAt ?? described.createdAt ?? new Date(0),
      connectionMode,
      instanceUrl: connectorProfileProperties?.Salesforce?.instanceUrl,
      async handOver(credentials, run) {
        // Replaced or merged is not documented, so every property goes back as it came.
        const request = {
          connectorProfileName,
          connectionMode,
          connectorProfileConfig: {
            connectorProfileProperties: connectorProfileProperties ?? {},
            connectorProfileCredentials: { Salesforce: revealed(credentials) },
          },
        };
        // A retry of this call repeats it. Another hand-over of the same run does not: AppFlow would only repeat its answer.
        handOvers += 1;
        const clientToken = createHash('sha256')
          .update(JSON.stringify([run.id, handOvers, request]))
          .digest('hex');
        const update = call(
          'UpdateConnectorProfile',
          `connectorprofile/${connectorProfileName}`,
          updateMeanings(connectorProfileName, credentials),
        );
        await callAws(update, run, (options) =>
          client.send(new UpdateConnectorProfileCommand({ ...request, clientToken }), options),
        );
      },
    };
  }

  return {
    async profiles(names, run) {
      const found = new Map<string, Profile>();
      for (let at = 0; at < names.length; at += PAGE) {
        await describe({ connectorProfileNames: names.slice(at, at + PAGE) }, found, run);
      }
      return found;
    },
    async salesforceProfiles(run) {
      const found = new Map<string, Profile>();
      await describe({ connectorType: 'Salesforce' }, found, run);
      return found;
    },
    async supportedGrants(run) {
      const asked = call('DescribeConnectors', '*');
      const command = new DescribeConnectorsCommand({ connectorTypes: ['Salesforce'] });
      const answer = await callAws(asked, run, async (options) =>
        checked(await client.send(command, options), ConnectorsAnswer, asked),
      );
      const grants =
        answer.connectorConfigurations?.['Salesforce']?.connectorMetadata?.Salesforce?.oauth2GrantTypesSupported;
      // A list of nothing tells nothing: AppFlow takes at least one.
      return grants === undefined || grants.length === 0 ? undefined : new Set(grants);
    },
  };
}

/** AppFlow's flows, for healing. */
export function flowsAdapter(client: AppflowClient): Omit<Flows, 'flowsOf' | 'inUse'> {
  return {
    async flow(flowName, run) {
      const asked = call('DescribeFlow', `flow/${flowName}`);
      const answer = await callAws(asked, run, async (options) => {
        try {
          return checked(await client.send(new DescribeFlowCommand({ flowName }), options), FlowAnswer, asked);
        } catch (error) {
          if (error instanceof Error && error.name === 'ResourceNotFoundException') return undefined;
          throw error;
        }
      });
      if (answer === undefined) return undefined;
      const profilesOf = (ends: readonly (v.InferOutput<typeof End> | undefined)[]) => [
        ...new Set(
          ends.flatMap((end) => (end?.connectorType === 'Salesforce' ? (end.connectorProfileName ?? []) : [])),
        ),
      ];
      const source = profilesOf([answer.sourceFlowConfig]);
      const destination = profilesOf(answer.destinationFlowConfigList ?? []);
      const ends = [answer.sourceFlowConfig, ...(answer.destinationFlowConfigList ?? [])];
      // S3, EventBridge and other services of AWS have no profile: AppFlow comes to them by IAM.
      const hasOtherLogIn = ends.some(
        (end) => (end?.connectorProfileName ?? '') !== '' && end?.connectorType !== 'Salesforce',
      );
      const { mostRecentExecutionTime, mostRecentExecutionStatus, mostRecentExecutionMessage } =
        answer.lastRunExecutionDetails ?? {};
      const errorTexts = [
        answer.flowStatus === 'Active' ? undefined : answer.flowStatusMessage,
        mostRecentExecutionStatus === 'Error' ? (mostRecentExecutionMessage ?? '') : undefined,
      ];
      return {
        connectorProfileNames: [...new Set([...source, ...destination])],
        profilesAt: { source, destination },
        hasOtherLogIn,
        triggerType: answer.triggerConfig?.triggerType,
        schedule: answer.triggerConfig?.triggerProperties?.Scheduled?.scheduleExpression,
        isActive: answer.flowStatus === 'Active',
        lastRunAt: mostRecentExecutionTime,
        errorTexts: errorTexts.filter((one) => one !== undefined),
      };
    },
    async start(flowName, clientToken, run) {
      await callAws(call('StartFlow', `flow/${flowName}`), run, (options) =>
        client.send(new StartFlowCommand({ flowName, clientToken }), options),
      );
    },
  };
}

/** The one place where the boxes of a hand-over are opened. */
function revealed({ oAuth2GrantType, jwtToken, accessToken, refreshToken, clientCredentialsArn }: Credentials) {
  return {
    oAuth2GrantType,
    ...(jwtToken === undefined ? {} : { jwtToken: jwtToken.reveal() }),
    ...(accessToken === undefined ? {} : { accessToken: accessToken.reveal() }),
    ...(refreshToken === undefined ? {} : { refreshToken: refreshToken.reveal() }),
    ...(clientCredentialsArn === undefined ? {} : { clientCredentialsArn }),
  };
}

function updateMeanings(name: string, { oAuth2GrantType }: Credentials): NonNullable<AwsCall['meanings']> {
  // Nobody has tried a JWT at Salesforce before AppFlow does, so what signed it comes first.
  const first =
    oAuth2GrantType === 'JWT_BEARER'
      ? `Check that the certificate of the key that signs for ${name} is the one uploaded to the app in Salesforce, then username and audience, and that instance URL`
      : 'Check that instance URL';
  return {
    ResourceNotFoundException: (cause) =>
      new RefreshError(
        'PROFILE_NOT_FOUND',
        `AppFlow has no connector profile ${name} any more.`,
        `Create the profile ${name} again, or delete the secret that names it.`,
        cause,
      ),
    ConnectorAuthenticationException: (cause) =>
      new CredentialsRefused(
        `Salesforce refused the new credentials when AppFlow tried them for ${name}.`,
        `${first} and sandbox setting of the profile ${name} belong to the org that the credentials are for, and the app's IP restrictions: AppFlow connects from addresses of its own.`,
        cause,
      ),
    ValidationException: (cause) =>
      new RefreshError(
        'PROFILE_REJECTED',
        `AppFlow calls the update of ${name} invalid.`,
        `Look at the event UpdateConnectorProfile of ${name} in CloudTrail: its errorMessage names the field. Mode and properties were sent as AppFlow described them.`,
        cause,
      ),
  };
}
