/** AppFlow: https://docs.aws.amazon.com/appflow/1.0/APIReference/ */
import { randomUUID } from 'node:crypto';
import type * as sdk from '@aws-sdk/client-appflow';
import type { ApiCall, Principal, Publish } from '../wire/events.ts';
import { type Environment, page, serviceOf, textIn } from '../wire/operation.ts';
import { AwsError, seconds } from '../wire/replies.ts';
import { Connection, type SalesforceCredentials } from './connection.ts';
import { describe, Flows, listed } from './flows.ts';
import { Profiles, refused } from './profiles.ts';

/** A `clientToken` is remembered for eight hours. */
const TOKEN_MEMORY = 8 * 3600 * 1000;

/** What a program that updates a resource with each of its changes calls itself. */
const CALL = { service: 'appflow', sourceIPAddress: '198.51.100.7' } as const;
const TERRAFORM = 'APN/1.0 HashiCorp/1.0 Terraform/1.13.4 (+https://www.terraform.io) terraform-provider-aws/6.17.0';

/**
 * `readSecret` is how AppFlow's service principal reads the secret behind a `clientCredentialsArn`; `publish` puts its events on the bus, and `record`
 * tells CloudTrail of calls that come another way than by HTTP.
 */
export function createAppFlow(
  env: Environment,
  salesforceUrl: string | undefined,
  readSecret: (arn: string) => string | undefined,
  { publish, record }: { readonly publish: Publish; readonly record: (call: ApiCall) => void },
) {
  const profiles = new Profiles(
    env,
    salesforceUrl === undefined ? undefined : new Connection(salesforceUrl, readSecret),
  );
  const flows = new Flows(env, (name) => profiles.useConnection(name), publish);
  const running = new Set<Promise<unknown>>();
  const tokens = new Map<string, { readonly at: number; readonly parameters: string; readonly answer: unknown }>();

  /**
   * The same token and parameters get the first answer, and nothing happens again. Only successes are remembered. Which
   * error other parameters get is not published; ConflictException is the one that all these operations declare.
   */
  async function once(scope: string, input: { readonly clientToken?: string }, apply: () => unknown): Promise<unknown> {
    if (input.clientToken === undefined) return apply();
    const key = `${scope} ${input.clientToken}`;
    const parameters = JSON.stringify(input);
    const before = tokens.get(key);
    if (before !== undefined && env.now().getTime() - before.at < TOKEN_MEMORY) {
      if (before.parameters === parameters) return before.answer;
      throw new AwsError('ConflictException', 'The clientToken was already used with different parameters', 409);
    }
    const answer = await apply();
    tokens.set(key, { at: env.now().getTime(), parameters, answer });
    return answer;
  }

  function needs(operation: string, input: object) {
    const profile = textIn(input, 'connectorProfileName');
    const flow = textIn(input, 'flowName');
    const name = profile === undefined ? flow && `flow/${flow}` : `connectorprofile/${profile}`;
    return [{ action: `appflow:${operation}`, resource: name === undefined ? '*' : env.arn('appflow', name) }];
  }

  const service = serviceOf<typeof sdk>(env, { name: 'appflow', protocol: 'rest-json' }, needs, {
    /** Never credentials, grant type or key. */
    DescribeConnectorProfiles({ connectorProfileNames: names = [], connectorType, maxResults: size = 20, nextToken }) {
      const matching = profiles
        .profiles()
        .filter((profile) => names.length === 0 || names.includes(profile.name))
        .filter((profile) => connectorType === undefined || profile.connectorType === connectorType);
      const scope = [names, connectorType];
      const found = page(matching, { size, token: nextToken, scope, forms: env.forms }, () =>
        refused('Invalid nextToken'),
      );
      const details = found.items.map((profile) => ({
        connectorProfileArn: profile.arn,
        connectorProfileName: profile.name,
        connectorType: profile.connectorType,
        connectionMode: profile.connectionMode,
        credentialsArn: profile.credentialsArn,
        connectorProfileProperties: profile.properties,
        createdAt: seconds(profile.createdAt),
        lastUpdatedAt: seconds(profile.lastUpdatedAt),
      }));
      return { connectorProfileDetails: details, nextToken: found.nextToken };
    },

    CreateConnectorProfile: (input) =>
      once('CreateConnectorProfile', input, async () => ({ connectorProfileArn: (await profiles.create(input)).arn })),

    DeleteConnectorProfile({ connectorProfileName: name, forceDelete = false }) {
      profiles.find(name);
      const using = flows.using(name);
      if (using.length > 0 && !forceDelete) {
        const message = `Connector Profile: ${name} is in use by the flows: ${using.join(', ')}`;
        throw new AwsError('ConflictException', message, 409);
      }
      profiles.removeProfile(name);
    },

    UpdateConnectorProfile: (input) =>
      once('UpdateConnectorProfile', input, async () => {
        const { connectorProfileName: name, connectionMode, connectorProfileConfig } = input;
        return { connectorProfileArn: (await profiles.update(name, connectionMode, connectorProfileConfig)).arn };
      }),

    DescribeConnectors: ({ connectorTypes = ['Salesforce'] }) => ({
      connectorConfigurations: Object.fromEntries(
        connectorTypes.map((type) => {
          const metadata = type === 'Salesforce' ? { oauth2GrantTypesSupported: profiles.supportedGrants } : {};
          return [type, { connectorType: type, connectorMetadata: { [type]: metadata } }];
        }),
      ),
    }),

    DescribeFlow: (input) => describe(flows.find(input.flowName)),

    ListFlows({ maxResults: size = 20, nextToken }) {
      const found = page(flows.all(), { size, token: nextToken, scope: ['ListFlows'], forms: env.forms }, () =>
        refused('Invalid nextToken'),
      );
      return { flows: found.items.map(listed), nextToken: found.nextToken };
    },

    StartFlow(input) {
      const { flowName, flowArn, triggerType } = flows.find(input.flowName);
      // For flows on demand other parameters with the same token are no error, just another run.
      return once(triggerType === 'OnDemand' ? `StartFlow ${flowName}` : 'StartFlow', input, () => {
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
    },
  });

  const state = Object.assign(profiles, {
    flows,
    /** As another program updates a profile: whatever the credentials are worth, AppFlow holds them then. Properties stay as they are. */
    overwriteBy(principal: Principal, name: string, credentials: SalesforceCredentials, userAgent = TERRAFORM) {
      const { connectionMode, properties } = profiles.overwrite(name, credentials);
      const connectorProfileConfig = {
        connectorProfileProperties: properties,
        connectorProfileCredentials: { Salesforce: credentials },
      };
      const input = { connectorProfileName: name, connectionMode, connectorProfileConfig };
      record({ ...CALL, operation: 'UpdateConnectorProfile', input, principal, userAgent });
    },
    /** As another program deletes a profile, flows or not. */
    deleteBy(principal: Principal, name: string, userAgent = TERRAFORM) {
      profiles.removeProfile(name);
      const input = { connectorProfileName: name, forceDelete: true };
      record({ ...CALL, operation: 'DeleteConnectorProfile', input, principal, userAgent });
    },
    /** Resolves when no flow is running any more. */
    async settled() {
      while (running.size > 0) await Promise.allSettled(running);
    },
  });
  return { service, state };
}
