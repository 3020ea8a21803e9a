import { AppflowClient } from '@aws-sdk/client-appflow';
import fc from 'fast-check';
import { appflowAdapter, flowsAdapter } from '../../functions/adapters/appflow.ts';
import type { Profile } from '../../functions/core/ports.ts';
import { Redacted } from '../../functions/core/redacted.ts';
import { datesOf, dueSince, slotOf } from '../../functions/core/schedule.ts';
import { listen } from '../../infra/local/wire/loopback.ts';
import { fakeRun } from '../support/rules.ts';
import { damaged, edited, MARKS, markedSecrets, oddText } from './inputs.ts';
import { type Said, target } from './target.ts';

const [MARK] = MARKS;
const PROFILE = {
  connectorProfileName: 'sf-prod',
  connectorProfileArn: 'arn:aws:appflow:eu-west-1:123456789012:connectorprofile/sf-prod',
  connectorType: 'Salesforce',
  connectionMode: 'Public',
  credentialsArn: 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:appflow!x-AbCdEf',
  connectorProfileProperties: {
    Salesforce: { instanceUrl: 'https://x.my.salesforce.com', isSandboxEnvironment: false },
  },
  createdAt: 1_763_900_000.5,
  lastUpdatedAt: 1_763_990_000.5,
  privateConnectionProvisioningState: { status: 'CREATED' },
};
const CONNECTORS = {
  connectorConfigurations: {
    Salesforce: {
      canUseAsSource: true,
      connectorMetadata: { Salesforce: { oauth2GrantTypesSupported: ['JWT_BEARER', 'AUTHORIZATION_CODE'] } },
    },
  },
};
const FLOW = {
  flowName: 'orders',
  flowStatus: 'Active',
  sourceFlowConfig: { connectorType: 'Salesforce', connectorProfileName: 'sf-prod' },
  destinationFlowConfigList: [{ connectorType: 'S3' }],
  triggerConfig: { triggerType: 'Scheduled' },
  lastRunExecutionDetails: { mostRecentExecutionTime: 1_763_990_000 },
};

interface Input {
  readonly ask: 'profiles' | 'all profiles' | 'grants' | 'flow' | 'hand over';
  readonly status: number;
  readonly errorType: string | undefined;
  readonly body: string;
}

/** AppFlow's answers, through its own SDK client over HTTP, and what the schedule makes of the dates in them. */
export const APPFLOW_REPLY = target<Input>({
  name: 'appflow-reply',
  runs: 40_000,
  chunk: 2_000,
  mostMs: 8_000,
  async open() {
    let next: Input = { ask: 'profiles', status: 200, errorType: undefined, body: '{}' };
    let pages = 0;
    const service = await listen(async (request, response) => {
      for await (const _chunk of request);
      pages += 1;
      const { status, errorType, body } = next;
      // A listing ends some time.
      const last = pages > 3 ? body.replaceAll('nextToken', 'x') : body;
      response.writeHead(status, {
        'content-type': 'application/json',
        ...(errorType === undefined ? {} : { 'x-amzn-errortype': errorType }),
      });
      response.end(last);
    });
    const client = new AppflowClient({
      endpoint: service.url,
      region: 'eu-west-1',
      credentials: { accessKeyId: 'AKIAX', secretAccessKey: MARK },
      maxAttempts: 1,
    });
    const profiles = fc
      .tuple(fc.array(edited(PROFILE, ['nextToken']), { maxLength: 3 }), fc.constantFrom(undefined, 'x', 7, null))
      .map(([connectorProfileDetails, nextToken]) => ({ connectorProfileDetails, nextToken }));
    const answer = fc
      .oneof(
        profiles,
        edited({ connectorProfileDetails: [PROFILE] }, []),
        edited(CONNECTORS, []),
        edited(FLOW, []),
        edited({ message: MARK, __type: 'ValidationException' }, []),
      )
      .map((value) => JSON.stringify(value) ?? '');
    const errorType = fc.oneof(
      fc.constantFrom(
        'ValidationException',
        'AccessDeniedException',
        'ThrottlingException',
        'ConnectorAuthenticationException',
        'ResourceNotFoundException:http://internal',
        'InternalServerException',
        'com.amazonaws#Odd',
      ),
      oddText().map((text) => text.replace(/[^\x21-\x7e]/g, '').slice(0, 200)),
    );
    const inputs = fc.record<Input>({
      ask: fc.constantFrom('profiles', 'all profiles', 'grants', 'flow', 'hand over'),
      status: fc.oneof(
        { weight: 6, arbitrary: fc.constant(200) },
        { weight: 3, arbitrary: fc.constantFrom(400, 401, 403, 404, 409, 429, 500, 502, 503) },
      ),
      errorType: fc.option(errorType, { nil: undefined }),
      body: fc.oneof(
        { weight: 6, arbitrary: answer },
        { weight: 1, arbitrary: damaged(answer) },
        {
          weight: 1,
          arbitrary: fc.constantFrom(
            '',
            '<html>',
            'null',
            '[]',
            '""',
            `{"message":"${MARK} is not authorized to perform: ${MARK}:X on resource: arn:aws:kms:${MARK}"}`,
          ),
        },
      ),
    });
    const flows = flowsAdapter(client);
    const dates = (profile: Profile) => {
      const target = {
        connection: 'sf',
        connectorProfileName: 'sf-prod',
        intervalSeconds: 3_600,
        secretChangedAt: new Date(0),
        secretCreatedAt: new Date(0),
      };
      const due = datesOf(target, profile);
      return `${dueSince(due).getTime()} ${slotOf(due, new Date('2026-11-24T03:00:00Z'), 300)?.getTime()}`;
    };
    async function act(ask: Input['ask']): Promise<string[]> {
      const appflow = appflowAdapter(client);
      const run = fakeRun();
      if (ask === 'grants') return [`${(await appflow.supportedGrants(run))?.has('JWT_BEARER')}`];
      if (ask === 'flow') return [`${(await flows.flow('orders', run))?.isActive}`];
      const found =
        ask === 'profiles' ? await appflow.profiles(['sf-prod'], run) : await appflow.salesforceProfiles(run);
      if (ask !== 'hand over') return [...found.values()].map(dates);
      for (const profile of found.values()) {
        pages = 0;
        await profile.handOver({ oAuth2GrantType: 'JWT_BEARER', jwtToken: new Redacted(MARK) }, run);
      }
      return [];
    }
    return {
      inputs,
      secrets: markedSecrets(),
      async feed(input): Promise<Said> {
        next = input;
        pages = 0;
        try {
          return { texts: await act(input.ask) };
        } catch (error) {
          return { thrown: [error] };
        }
      },
      async close() {
        client.destroy();
        await service.close();
      },
    };
  },
});
