import { describe, expect, it } from 'vitest';
import { keepInEscrow, restoreFromEscrow } from '../../../functions/core/token-rotation/escrow.ts';
import type { TokenRecord } from '../../../functions/core/token-rotation/token-record.ts';
import { tokenServices } from '../../support/token-services.ts';

const RECORD: TokenRecord = {
  connection: 'sf-eu',
  refreshToken: 'next',
  accessToken: 'access',
  obtainedAt: '2026-11-24T09:00:00.000Z',
  rotates: true,
  seedFingerprint: 'print',
};
const escrowed = (record = RECORD) => ({ after: 'v1', versionId: 'v2', record });

describe('a record that goes into escrow', () => {
  it('is kept whole under the name of its connection, and where is said', async () => {
    const services = tokenServices();
    await expect(keepInEscrow(escrowed(), services.rotation)).resolves.toBe('/escrow/sf-eu');
    expect(JSON.parse(services.escrowed ?? '')).toEqual(escrowed());
  });

  it('goes without its access token only where both do not fit into a parameter', async () => {
    const services = tokenServices();
    const length = (accessToken: string) => JSON.stringify(escrowed({ ...RECORD, accessToken })).length;
    const longest = 'a'.repeat(8_192 - length(''));
    await keepInEscrow(escrowed({ ...RECORD, accessToken: longest }), services.rotation);
    expect(services.escrowed).toHaveLength(8_192);
    expect(JSON.parse(services.escrowed ?? '')).toMatchObject({ record: { accessToken: longest } });
    await keepInEscrow(escrowed({ ...RECORD, accessToken: `${longest}a` }), services.rotation);
    expect(JSON.parse(services.escrowed ?? '')).toEqual({
      after: 'v1',
      versionId: 'v2',
      record: { connection: 'sf-eu', refreshToken: 'next', rotates: true, seedFingerprint: 'print' },
    });
  });
});

describe('what lies in escrow', () => {
  function withEscrow(value: unknown, current = 'v1') {
    const services = tokenServices();
    services.seed(current, { connection: 'sf-eu', rotates: true }, 'AWSCURRENT');
    services.escrowed = typeof value === 'string' ? value : JSON.stringify(value);
    return services;
  }

  it('is asked for, and nothing is done where there is nothing', async () => {
    const services = tokenServices();
    await restoreFromEscrow(services.rotation);
    expect(services.calls).toEqual(['find']);
  });

  it('is stored under its id where it follows the current version, and then taken out', async () => {
    const services = withEscrow(escrowed());
    await restoreFromEscrow(services.rotation);
    expect(services.calls).toEqual(['find', 'current', 'put:AWSCURRENT', 'remove']);
    expect([services.labels.get('AWSCURRENT'), services.current(), services.escrowed]).toEqual([
      'v2',
      RECORD,
      undefined,
    ]);
  });

  it('is history where another version is current, and is thrown away', async () => {
    const services = withEscrow(escrowed(), 'v9');
    await restoreFromEscrow(services.rotation);
    expect(services.calls).toEqual(['find', 'current', 'remove']);
  });

  it('is history where the token secret has no current version', async () => {
    const services = withEscrow(escrowed());
    services.labels.clear();
    await restoreFromEscrow(services.rotation);
    expect(services.calls).toEqual(['find', 'current', 'remove']);
  });

  it.each([
    ['no JSON', '{'],
    ['without the version that it follows', { versionId: 'v2', record: RECORD }],
    ['without its own id', { after: 'v1', record: RECORD }],
    ['without a record', { after: 'v1', versionId: 'v2' }],
    ['without a whole record', { after: 'v1', versionId: 'v2', record: { refreshToken: 'next' } }],
  ])('is thrown away where it is %s', async (_, value) => {
    const services = withEscrow(value);
    await restoreFromEscrow(services.rotation);
    expect([services.calls, services.labels.get('AWSCURRENT')]).toEqual([['find', 'remove'], 'v1']);
  });

  it('is kept where another value holds its id, and a person is told', async () => {
    const services = withEscrow(escrowed());
    services.seed('v2', 'something else');
    await expect(restoreFromEscrow(services.rotation)).rejects.toMatchObject({
      code: 'TOKEN_NOT_PERSISTED',
      message:
        'The refresh token that lies in escrow for sf-eu cannot be stored in appflow-token-refresher-tokens/sf-eu: another value holds its version id.',
      next: {
        kind: 'do',
        text: 'Find out who else writes to appflow-token-refresher-tokens/sf-eu. Keep that secret and what lies in escrow; authorise the app again and store the new refresh token in appflow-token-refresher/sf-eu.',
        command: { name: 'authorize', connection: 'sf-eu' },
      },
    });
    expect(services.escrowed).toBeDefined();
  });
});
