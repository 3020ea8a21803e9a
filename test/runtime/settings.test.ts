import { describe, expect, it } from 'vitest';
import { parseSettings } from '../../functions/runtime/settings.ts';
import { thrownBy } from '../support/rules.ts';

const QUEUE_URL = 'https://sqs.eu-west-1.amazonaws.com/123456789012/refresh.fifo';

function refusal(env: Record<string, string | undefined>, needsQueue = false) {
  return thrownBy(() => parseSettings(env, needsQueue));
}

describe('settings', () => {
  it('default to the contract when the environment is empty', () => {
    expect(parseSettings({}, false)).toEqual({
      secretPrefix: 'appflow-token-refresher/',
      tokenPrefix: 'appflow-token-refresher-tokens/',
      clientSecretPrefix: 'appflow-client-credentials/',
      escrowPrefix: '/appflow-token-refresher/escrow/',
      refreshIntervalSeconds: 3_600,
      tickSeconds: 300,
      jwtLifetimeSeconds: 14_400,
      queueUrl: undefined,
      loginHosts: ['login.salesforce.com', 'test.salesforce.com', '*.my.salesforce.com'],
      instanceHosts: ['*.salesforce.com', '*.force.com', '*.cloudforce.com', '*.salesforce.mil'],
      rerunFlows: false,
    });
  });

  it('are each read from their own variable', () => {
    const env = {
      SECRET_PREFIX: 'team/a/',
      TOKEN_PREFIX: 'team/b/',
      CLIENT_SECRET_PREFIX: 'team/c/',
      ESCROW_PREFIX: '/team/d/',
      REFRESH_INTERVAL_SECONDS: '1800',
      TICK_SECONDS: '60',
      JWT_LIFETIME_SECONDS: '7200',
      QUEUE_URL,
      LOGIN_HOSTS: ' login.salesforce.com , *.my.salesforce.mil,http://127.0.0.1:*',
      INSTANCE_HOSTS: '*.example.com,example.com',
      RERUN_FLOWS: 'true',
      AWS_REGION: 'eu-west-1',
    };
    expect(parseSettings(env, true)).toEqual({
      secretPrefix: 'team/a/',
      tokenPrefix: 'team/b/',
      clientSecretPrefix: 'team/c/',
      escrowPrefix: '/team/d/',
      refreshIntervalSeconds: 1_800,
      tickSeconds: 60,
      jwtLifetimeSeconds: 7_200,
      queueUrl: QUEUE_URL,
      loginHosts: ['login.salesforce.com', '*.my.salesforce.mil', 'http://127.0.0.1:*'],
      instanceHosts: ['*.example.com', 'example.com'],
      rerunFlows: true,
    });
  });

  it('are reported in one error when several are wrong, five by name and the others counted', () => {
    const error = refusal(
      {
        SECRET_PREFIX: '',
        TOKEN_PREFIX: 'has space/',
        CLIENT_SECRET_PREFIX: 'ü/',
        ESCROW_PREFIX: 'no-slash',
        REFRESH_INTERVAL_SECONDS: '0',
        TICK_SECONDS: '5m',
        JWT_LIFETIME_SECONDS: '-1',
        LOGIN_HOSTS: 'login.salesforce.com,https://evil.com,*',
        RERUN_FLOWS: 'yes',
      },
      true,
    );
    expect(error).toMatchObject({ code: 'SETTINGS_INVALID', retryable: false });
    const names = [
      'SECRET_PREFIX is not',
      'TOKEN_PREFIX is not',
      'CLIENT_SECRET_PREFIX is not',
      'ESCROW_PREFIX is not',
      'REFRESH_INTERVAL_SECONDS is not',
    ];
    // Six of the settings above, and an empty prefix that begins both others.
    expect(error.message).toMatch(/ and 8 more\.$/);
    for (const name of names)
      expect(error.message.split('; ').filter((problem) => problem.startsWith(name))).toHaveLength(1);
  });

  it.each(['REFRESH_INTERVAL_SECONDS', 'TICK_SECONDS', 'JWT_LIFETIME_SECONDS'])(
    'accept only a whole number of seconds within bounds for %s',
    (name) => {
      for (const value of [
        '',
        '0',
        '-5',
        '1.5',
        '1e3',
        ' 60',
        '60s',
        '0x3c',
        'NaN',
        'Infinity',
        '999999999',
        '99999999999999999999',
      ]) {
        expect(refusal({ [name]: value }).message).toMatch(
          new RegExp(`^${name} is not a whole number of seconds from 1 to `),
        );
      }
      expect(Object.values(parseSettings({ [name]: '1' }, false))).toContain(1);
    },
  );

  it.each([
    ['REFRESH_INTERVAL_SECONDS', 31_536_000],
    ['TICK_SECONDS', 86_400],
    ['JWT_LIFETIME_SECONDS', 31_536_000],
  ])('limit %s to at most %i', (name, most) => {
    expect(Object.values(parseSettings({ [name]: `${most}` }, false))).toContain(most);
    expect(refusal({ [name]: `${most + 1}` }).message).toContain(name);
  });

  it('require QUEUE_URL only for dispatch', () => {
    expect(refusal({}, true).message).toBe('QUEUE_URL is missing.');
    expect(parseSettings({ QUEUE_URL }, true)).toMatchObject({ queueUrl: QUEUE_URL });
    for (const needsQueue of [true, false])
      expect(refusal({ QUEUE_URL: 'refresh.fifo' }, needsQueue).message).toBe('QUEUE_URL is not a URL.');
  });

  it.each(['TRUE', '1', 'yes', ''])('reject %o for RERUN_FLOWS', (value) => {
    expect(refusal({ RERUN_FLOWS: value }).message).toBe('RERUN_FLOWS is not true or false.');
  });

  it.each(['/', 'a/', '/a', '//', '/a//b/', '/a b/', `${'/a'.repeat(11)}/`])(
    'reject %o as a path of Parameter Store',
    (value) => {
      expect(refusal({ ESCROW_PREFIX: value }).message).toMatch(/^ESCROW_PREFIX is not a path/);
    },
  );

  it.each(['', 'a,,b', ',', 'login.salesforce.com,'])('reject the empty entry in the login hosts %o', (value) => {
    expect(refusal({ LOGIN_HOSTS: value }).message).toContain('LOGIN_HOSTS holds ""');
  });

  it.each([
    [{ SECRET_PREFIX: 'appflow-token-refresher' }, ['SECRET_PREFIX begins TOKEN_PREFIX']],
    [{ TOKEN_PREFIX: 'appflow-token-refresher/tokens/' }, ['SECRET_PREFIX begins TOKEN_PREFIX']],
    [{ TOKEN_PREFIX: 'appflow-' }, ['TOKEN_PREFIX begins SECRET_PREFIX', 'TOKEN_PREFIX begins CLIENT_SECRET_PREFIX']],
    [{ CLIENT_SECRET_PREFIX: 'appflow-token-refresher-' }, ['CLIENT_SECRET_PREFIX begins TOKEN_PREFIX']],
    [{ SECRET_PREFIX: 'a/', CLIENT_SECRET_PREFIX: 'a/b/' }, ['SECRET_PREFIX begins CLIENT_SECRET_PREFIX']],
    [
      { SECRET_PREFIX: 'a/', CLIENT_SECRET_PREFIX: 'a/' },
      ['SECRET_PREFIX begins CLIENT_SECRET_PREFIX', 'CLIENT_SECRET_PREFIX begins SECRET_PREFIX'],
    ],
  ])('reject a prefix that begins another: %o', (env, problems) => {
    const { code, message } = refusal(env);
    expect(code).toBe('SETTINGS_INVALID');
    expect(message.split('; ').map((problem) => problem.split(':')[0])).toEqual(problems);
  });
});
