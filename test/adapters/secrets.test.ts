import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { expect, it } from 'vitest';
import { secretsAdapter } from '../../functions/adapters/secrets.ts';
import { TARGET_TAGS } from '../../functions/core/connection/target.ts';
import { listen } from '../../infra/local/wire/loopback.ts';
import { fakeRun } from '../support/rules.ts';

it('a listing keeps of each secret the two tags that are read, however many it has', async () => {
  const Tags = Array.from({ length: 48 }, (_, n) => ({ Key: `k${n}`, Value: '漢'.repeat(256) }));
  Tags.push({ Key: 'connector-profile-name', Value: 'payroll' }, { Key: 'refresh-interval-seconds', Value: '600' });
  const pages: unknown[] = [];
  const service = await listen(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    pages.push(JSON.parse(body).MaxResults);
    const SecretList = [{ Name: 'p/a', CreatedDate: 1, LastChangedDate: 2, Tags }];
    response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify({ SecretList }));
  });
  const credentials = { accessKeyId: 'x', secretAccessKey: 'x' };
  const client = new SecretsManagerClient({ endpoint: service.url, region: 'eu-west-1', credentials });
  try {
    expect(await secretsAdapter(client, TARGET_TAGS).list('p/', fakeRun())).toEqual([
      {
        name: 'p/a',
        createdAt: new Date(1_000),
        changedAt: new Date(2_000),
        tags: new Map([
          ['connector-profile-name', 'payroll'],
          ['refresh-interval-seconds', '600'],
        ]),
      },
    ]);
    // A full page of such secrets would take megabytes at once.
    expect(pages).toEqual([50]);
  } finally {
    client.destroy();
    await service.close();
  }
});
