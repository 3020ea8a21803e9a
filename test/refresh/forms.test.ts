import { describe, expect, it } from 'vitest';
import type { Forms } from '../../infra/local/wire/forms.ts';
import { testWorld } from '../support/world.ts';

const NAMES = ['client', 'code', 'jwt', 'kms'];
const OTHER = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:appflow-token-refresher/sf-AbCdEf';

describe('the answers of AWS', () => {
  it.each<readonly [Forms['ids'], Forms['empty'], boolean]>([
    ['as asked', 'plain', true],
    ['as asked', 'left out', false],
    ['as asked', 'null', true],
    ['ARN', 'plain', false],
    ['ARN', 'null', false],
    ['ARN without suffix', 'left out', true],
    ['ARN without suffix', 'null', false],
    ['null', 'null', true],
    ['null', 'left out', false],
  ])('may come in any form, and every connection is refreshed: ids %s, empty %s, empty pages %s', async (...form) => {
    const [ids, empty, emptyPages] = form;
    const world = await testWorld({ rotation: true });
    world.aws.appflow.supportedGrants = ['AUTHORIZATION_CODE', 'JWT_BEARER', 'CLIENT_CREDENTIALS'];
    Object.assign(world.aws.forms, { ids, empty, emptyPages });
    world.addJwt('jwt');
    world.addJwt('kms', { privateKey: undefined, kmsKeyId: await world.addKey() });
    await world.addCode('code');
    world.addClient('client');
    for (let tick = 0; tick < 2; tick += 1) {
      const before = world.clock.now();
      expect(await world.invoke('dispatch', { scheduledTime: new Date(before).toISOString() })).toMatchObject({
        connections: 4,
        enqueued: 4,
        missingProfiles: [],
      });
      await world.serveQueue();
      for (const name of NAMES)
        expect(world.aws.appflow.profile(name)?.lastUpdatedAt.getTime(), name).toBeGreaterThanOrEqual(before);
      world.clock.turn(3_600);
    }
    const { connections } = await world.refresh(NAMES);
    expect(connections.map(({ outcome }) => outcome)).toEqual(NAMES.map(() => 'refreshed'));
  });

  it.each([
    ['AccessDeniedException', 'ACCESS_DENIED'],
    ['ResourceNotFoundException', 'SECRET_NOT_FOUND'],
    ['InternalServiceError', 'SECRETS_UNAVAILABLE'],
  ])('name by ARN the one connection that they refuse with %s', async (ErrorCode, code) => {
    const world = await testWorld();
    world.addJwt('sf');
    world.addJwt('other');
    world.aws.forms.retell = ({ operation }, body) => {
      if (operation !== 'BatchGetSecretValue') return undefined;
      const { SecretValues, Errors } = body as { SecretValues: { Name: string }[]; Errors: object[] };
      return {
        SecretValues: SecretValues.filter(({ Name }) => !Name.endsWith('/sf')),
        Errors: [...Errors, { SecretId: OTHER, ErrorCode, Message: 'no' }],
      };
    };
    const { connections } = await world.refresh(['sf', 'other']);
    expect(connections).toMatchObject([{ error: { code } }, { outcome: 'refreshed' }]);
  });

  it('may tell of the queue what no SDK understands, and that is no bug', async () => {
    const world = await testWorld();
    world.addJwt('sf');
    for (const answer of [
      { Successful: [null], Failed: [null] },
      { Successful: [{ Id: '0', MD5OfMessageBody: 'x' }] },
    ]) {
      world.aws.forms.retell = ({ operation }) => (operation === 'SendMessageBatch' ? answer : undefined);
      const sent = await world.invoke('dispatch', { force: true }).catch((error: Error) => error.name);
      expect(sent).toEqual(
        answer.Successful[0] === null ? 'APPFLOW_UNAVAILABLE' : expect.objectContaining({ enqueued: 1 }),
      );
    }
  });
});
