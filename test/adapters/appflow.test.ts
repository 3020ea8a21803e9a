import { AppflowClient } from '@aws-sdk/client-appflow';
import { expect, it } from 'vitest';
import { appflowAdapter, flowsAdapter } from '../../functions/adapters/appflow.ts';
import type { Run } from '../../functions/core/run.ts';
import { listen } from '../../infra/local/wire/loopback.ts';
import { fakeRun } from '../support/rules.ts';

/** What an adapter makes of that answer. */
async function asked(answer: unknown, ask: (client: AppflowClient, run: Run) => Promise<unknown>): Promise<unknown> {
  const service = await listen(async (request, response) => {
    for await (const _chunk of request);
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  });
  const credentials = { accessKeyId: 'x', secretAccessKey: 'x' };
  const client = new AppflowClient({ endpoint: service.url, region: 'eu-west-1', credentials, maxAttempts: 1 });
  try {
    return await ask(client, fakeRun()).catch((error: unknown) => error);
  } finally {
    client.destroy();
    await service.close();
  }
}

const profiles = (client: AppflowClient, run: Run) => appflowAdapter(client).profiles(['sf'], run);
const grants = (client: AppflowClient, run: Run) => appflowAdapter(client).supportedGrants(run);
const flow = (client: AppflowClient, run: Run) => flowsAdapter(client).flow('orders', run);

it.each([
  ['profiles that are no list', profiles, { connectorProfileDetails: { a: 1 } }],
  ['a profile whose name is a number', profiles, { connectorProfileDetails: [{ connectorProfileName: 7 }] }],
  [
    'grants that are no list',
    grants,
    {
      connectorConfigurations: { Salesforce: { connectorMetadata: { Salesforce: { oauth2GrantTypesSupported: 7 } } } },
    },
  ],
  ['a flow whose ends are a number', flow, { destinationFlowConfigList: 7 }],
])('an answer of 200 with %s is APPFLOW_UNAVAILABLE, and no bug', async (_, ask, answer) => {
  expect(await asked(answer, ask)).toMatchObject({ code: 'APPFLOW_UNAVAILABLE', retryable: true });
});

it('an empty answer is one without profiles', async () => {
  expect(await asked({}, profiles)).toEqual(new Map());
});
