/** AppFlow: https://docs.aws.amazon.com/appflow/1.0/APIReference/ */
import { randomUUID } from 'node:crypto';
import type {
  CreateConnectorProfileRequest,
  DeleteConnectorProfileRequest,
  DescribeConnectorProfilesRequest,
  DescribeConnectorsRequest,
  DescribeFlowRequest,
  OAuth2GrantType,
  StartFlowRequest,
  UpdateConnectorProfileRequest,
} from '@aws-sdk/client-appflow';
import type { Environment } from '../wire/environment.ts';
import { AwsError } from '../wire/error.ts';
import { operationsOf, type Service, textIn } from '../wire/operation.ts';
import { page } from '../wire/page.ts';
import { seconds } from '../wire/replies.ts';
import { ClientTokens } from './client-tokens.ts';
import { createSalesforce, type SalesforceEndpoints } from './connection.ts';
import { describe, Flows } from './flows.ts';
import { checkConfig, refused } from './limits.ts';
import { type Profile, Profiles } from './profiles.ts';

/** Profiles and flows side by side. */
export interface AppFlowState extends Profiles {
  readonly flows: Flows;
  /** Resolves when no flow is running any more. */
  settled(): Promise<void>;
}

export interface AppFlow {
  readonly service: Service;
  readonly state: AppFlowState;
}

interface Requests {
  DescribeConnectorProfiles: DescribeConnectorProfilesRequest;
  CreateConnectorProfile: CreateConnectorProfileRequest;
  UpdateConnectorProfile: UpdateConnectorProfileRequest;
  DeleteConnectorProfile: DeleteConnectorProfileRequest;
  DescribeConnectors: DescribeConnectorsRequest;
  DescribeFlow: DescribeFlowRequest;
  StartFlow: StartFlowRequest;
}

/** A soft quota for each account and Region. */
const MAX_PROFILES = 100;

/** `readSecret` is how AppFlow's service principal reads the secret behind a `clientCredentialsArn`. */
export function createAppFlow(
  env: Environment,
  endpoints: SalesforceEndpoints | undefined,
  readSecret: (arn: string) => string | undefined,
): AppFlow {
  const profiles = new Profiles(env, endpoints && createSalesforce(endpoints, readSecret));
  const flows = new Flows(env, (name) => profiles.useConnection(name));
  const tokens = new ClientTokens(env.now);
  const running = new Set<Promise<unknown>>();

  const on = operationsOf<Requests>('appflow', (operation, input) => {
    const profile = textIn(input, 'connectorProfileName');
    const flow = textIn(input, 'flowName');
    const name = profile === undefined ? flow && `flow/${flow}` : `connectorprofile/${profile}`;
    return [{ action: `appflow:${operation}`, resource: name === undefined ? '*' : env.arn('appflow', name) }];
  });

  const operations = [
    on(
      'DescribeConnectorProfiles',
      ({ connectorProfileNames: names = [], connectorType, connectorLabel, ...input }) => {
        const matching = profiles
          .profiles()
          .filter((profile) => names.length === 0 || names.includes(profile.name))
          .filter((profile) => connectorType === undefined || profile.connectorType === connectorType)
          .filter((profile) => connectorLabel === undefined || profile.connectorLabel === connectorLabel);
        const scope = ['DescribeConnectorProfiles', names, connectorType, connectorLabel];
        const found = page(matching, { size: input.maxResults ?? 20, token: input.nextToken, scope }, badToken);
        return { connectorProfileDetails: found.items.map(detailOf), nextToken: found.nextToken };
      },
    ),
    on('CreateConnectorProfile', (input) => {
      const { clientToken, connectorProfileName: name, connectorType, connectorLabel, connectionMode } = input;
      return tokens.once('CreateConnectorProfile', clientToken, input, async () => {
        if (profiles.profile(name) !== undefined) {
          throw new AwsError('ConflictException', `Connector Profile: ${name} already exists`, 409);
        }
        if (profiles.profiles().length >= MAX_PROFILES) {
          throw new AwsError('ServiceQuotaExceededException', 'The limit of connector profiles is reached', 402);
        }
        const { properties, credentials } = checkConfig(connectorType, input.connectorProfileConfig);
        const dates = { createdAt: env.now(), lastUpdatedAt: env.now() };
        const fresh = { name, connectorType, connectorLabel, connectionMode, properties, ...dates };
        const needed = connectorType === 'Salesforce' ? (credentials ?? {}) : undefined;
        return { connectorProfileArn: (await profiles.accept(() => fresh, needed)).arn };
      });
    }),
    on('UpdateConnectorProfile', (input) => {
      const { clientToken, connectorProfileName: name, connectionMode, connectorProfileConfig } = input;
      return tokens.once('UpdateConnectorProfile', clientToken, input, async () => {
        const { properties, credentials } = checkConfig(profiles.find(name).connectorType, connectorProfileConfig);
        // All properties are replaced: one that was not sent is gone. The date is that of the end.
        const changed = () => ({ ...profiles.find(name), connectionMode, properties, lastUpdatedAt: env.now() });
        return { connectorProfileArn: (await profiles.accept(changed, credentials)).arn };
      });
    }),
    on('DeleteConnectorProfile', ({ connectorProfileName, forceDelete = false }) => {
      const { name } = profiles.find(connectorProfileName);
      if (!forceDelete && flows.all().some((flow) => flow.connectorProfileName === name)) {
        throw new AwsError('ConflictException', `Connector Profile: ${name} is associated with one or more flows`, 409);
      }
      profiles.removeProfile(name);
    }),
    on('DescribeConnectors', ({ connectorTypes = [] }) => {
      const wanted = connectorTypes.length === 0 ? ['Salesforce', 'S3', 'Slack'] : connectorTypes;
      return {
        connectorConfigurations: Object.fromEntries(
          wanted.map((type) => [type, configurationOf(type, profiles.supportedGrants)]),
        ),
      };
    }),
    on('DescribeFlow', (input) => describe(flows.find(input.flowName))),
    on('StartFlow', (input) => {
      const { flowName, flowArn, triggerType } = flows.find(input.flowName);
      // For flows on demand other parameters with the same token are no error, just another run.
      const parameters = triggerType === 'OnDemand' ? `StartFlow ${flowName}` : 'StartFlow';
      return tokens.once(parameters, input.clientToken, input, async () => {
        if (triggerType !== 'OnDemand') {
          flows.activate(flowName);
          return { flowArn, flowStatus: 'Active' };
        }
        const executionId = randomUUID();
        const run = flows.run(flowName, executionId);
        running.add(run);
        run.finally(() => running.delete(run)).catch(() => undefined);
        return { flowArn, flowStatus: 'Active', executionId };
      });
    }),
  ];

  const state: AppFlowState = Object.assign(profiles, {
    flows,
    async settled() {
      while (running.size > 0) await Promise.allSettled(running);
    },
  });
  return { service: { name: 'appflow', protocol: 'rest-json', operations }, state };
}

/** Never credentials, grant type or key. */
function detailOf(profile: Profile): unknown {
  return {
    connectorProfileArn: profile.arn,
    connectorProfileName: profile.name,
    connectorType: profile.connectorType,
    connectorLabel: profile.connectorLabel,
    connectionMode: profile.connectionMode,
    credentialsArn: profile.credentialsArn,
    connectorProfileProperties: profile.properties,
    createdAt: seconds(profile.createdAt),
    lastUpdatedAt: seconds(profile.lastUpdatedAt),
  };
}

function configurationOf(type: string, grants: readonly OAuth2GrantType[]): unknown {
  const metadata = {
    oAuthScopes: ['api', 'refresh_token'],
    dataTransferApis: ['AUTOMATIC', 'BULKV2', 'REST_SYNC'],
    oauth2GrantTypesSupported: grants,
  };
  return {
    canUseAsSource: true,
    canUseAsDestination: type !== 'Slack',
    supportedTriggerTypes: ['Scheduled', 'OnDemand', ...(type === 'Salesforce' ? ['Event'] : [])],
    connectorType: type,
    connectorMetadata: { [type]: type === 'Salesforce' ? metadata : {} },
  };
}

function badToken(): AwsError {
  return refused('Invalid nextToken');
}
