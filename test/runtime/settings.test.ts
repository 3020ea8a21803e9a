import { describe, expect, it } from 'vitest';
import { parseSettings } from '../../functions/runtime/settings.ts';
import { rejectionOf } from '../support/rules.ts';

const QUEUE_URL = 'https://sqs.eu-west-1.amazonaws.com/123456789012/refresh.fifo';

function refusal(env: Record<string, string | undefined>, needsQueue = false) {
  return rejectionOf(parseSettings(env, needsQueue));
}

describe('settings', () => {
  it('default to the contract when the environment is empty', async () => {
    expect(await parseSettings({}, false)).toEqual({
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
      ownRoleArns: [],
      rerunFlows: false,
    });
  });

  it('are each read from their own variable', async () => {
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
      OWN_ROLE_ARNS: 'arn:aws:iam::123456789012:role/refresh, arn:aws:iam::123456789012:role/a/heal',
      RERUN_FLOWS: 'true',
      AWS_REGION: 'eu-west-1',
    };
    expect(await parseSettings(env, true)).toEqual({
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
      ownRoleArns: ['arn:aws:iam::123456789012:role/refresh', 'arn:aws:iam::123456789012:role/a/heal'],
      rerunFlows: true,
    });
  });

  it('are all reported in one error when several are wrong', async () => {
    const error = await refusal(
      {
        SECRET_PREFIX: '',
        TOKEN_PREFIX: 'has space/',
        CLIENT_SECRET_PREFIX: 'ü/',
        ESCROW_PREFIX: 'no-slash',
        REFRESH_INTERVAL_SECONDS: '0',
        TICK_SECONDS: '5m',
        JWT_LIFETIME_SECONDS: '-1',
        LOGIN_HOSTS: 'login.salesforce.com,https://evil.com,*',
        OWN_ROLE_ARNS: 'arn:aws:iam::123456789012:role/a,role/b,arn:aws:iam::123456789012:user/c',
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
      'TICK_SECONDS is not',
      'JWT_LIFETIME_SECONDS is not',
      'entries 2, 3 of LOGIN_HOSTS are not a host',
      'entries 2, 3 of OWN_ROLE_ARNS are not the ARN of a role',
      'RERUN_FLOWS is not',
      'QUEUE_URL is missing',
    ];
    for (const name of names)
      expect(error.message.split('; ').filter((problem) => problem.startsWith(name))).toHaveLength(1);
  });

  it.each(['REFRESH_INTERVAL_SECONDS', 'TICK_SECONDS', 'JWT_LIFETIME_SECONDS'])(
    'accept only a whole number of seconds within bounds for %s',
    async (name) => {
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
        expect((await refusal({ [name]: value })).message).toMatch(
          new RegExp(`^${name} is not a whole number of seconds from 1 to `),
        );
      }
      expect(Object.values(await parseSettings({ [name]: '1' }, false))).toContain(1);
    },
  );

  it.each([
    ['REFRESH_INTERVAL_SECONDS', 31_536_000],
    ['TICK_SECONDS', 86_400],
    ['JWT_LIFETIME_SECONDS', 86_400],
  ])('limit %s to at most %i', async (name, most) => {
    expect(Object.values(await parseSettings({ [name]: `${most}` }, false))).toContain(most);
    expect((await refusal({ [name]: `${most + 1}` })).message).toContain(name);
  });

  it('require QUEUE_URL only for dispatch', async () => {
    expect((await refusal({}, true)).message).toBe('QUEUE_URL is missing.');
    expect(await parseSettings({ QUEUE_URL }, true)).toMatchObject({ queueUrl: QUEUE_URL });
    for (const needsQueue of [true, false])
      expect((await refusal({ QUEUE_URL: 'refresh.fifo' }, needsQueue)).message).toBe(
        'QUEUE_URL is not the https URL of a FIFO queue.',
      );
  });

  it('reject a QUEUE_URL that is too long', async () => {
    const url = `https://example.com/${'a'.repeat(1_000)}.fifo`;
    expect((await refusal({ QUEUE_URL: url }, true)).message).toMatch(/^QUEUE_URL is not/);
  });

  it.each(['TRUE', '1', 'yes', ''])('reject %o for RERUN_FLOWS', async (value) => {
    expect((await refusal({ RERUN_FLOWS: value })).message).toBe('RERUN_FLOWS is not true or false.');
  });

  it.each([
    '/',
    'a/',
    '/a',
    '//',
    '/a//b/',
    '/a b/',
    `${'/a'.repeat(11)}/`,
    `/${'a'.repeat(99)}/`,
    '/a/../b/',
    '/aws/escrow/',
    '/AWSome/',
    '/ssm/',
    '/*/',
  ])('reject %o as a path of Parameter Store', async (value) => {
    expect((await refusal({ ESCROW_PREFIX: value })).message).toMatch(/^ESCROW_PREFIX is not a path/);
  });

  it.each(['', 'a,,b', ',', 'login.salesforce.com,'])('reject the empty entry in the login hosts %o', async (value) => {
    expect((await refusal({ LOGIN_HOSTS: value })).message).toMatch(
      /(entry|entries) [123, ]+ of LOGIN_HOSTS (is|are) not a host/,
    );
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
  ])('reject a prefix that begins another: %o', async (env, problems) => {
    const { code, message } = await refusal(env);
    expect(code).toBe('SETTINGS_INVALID');
    expect(message.split('; ').map((problem) => problem.split(':')[0])).toEqual(problems);
  });

  it.each([
    '',
    ' ',
    '*',
    'appflow*/',
    'a?/',
    'a/$x/',
    'a/../b/',
    'aws/',
    'AWS/a/',
    'appflow!',
    'a/\n',
    'a'.repeat(101),
  ])('reject the prefix %o: IAM would read more into it, or it is not ours', async (value) => {
    for (const name of ['SECRET_PREFIX', 'TOKEN_PREFIX', 'CLIENT_SECRET_PREFIX']) {
      const { message } = await refusal({ [name]: value });
      expect(message).toMatch(new RegExp(`^${name} is not a prefix of secret names`));
    }
  });

  it.each([
    '',
    ' ',
    'refresh.fifo',
    'http://sqs.eu-west-1.amazonaws.com/123456789012/refresh.fifo',
    'https://sqs.eu-west-1.amazonaws.com/123456789012/refresh',
    'https://user@sqs.eu-west-1.amazonaws.com/123456789012/refresh.fifo',
    'https://:password@sqs.eu-west-1.amazonaws.com/123456789012/refresh.fifo',
    `${QUEUE_URL}?a.fifo`,
    `${QUEUE_URL}#a.fifo`,
    'ftp://127.0.0.1/refresh.fifo',
    'http://127.0.0.1.evil.com/refresh.fifo',
  ])('reject %o for QUEUE_URL', async (value) => {
    for (const needsQueue of [true, false])
      expect((await refusal({ QUEUE_URL: value }, needsQueue)).message).toBe(
        'QUEUE_URL is not the https URL of a FIFO queue.',
      );
  });

  it.each([
    '1234abcd-12ab-34cd-56ef-1234567890ab',
    'mrk-1234abcd12ab34cd56ef1234567890ab',
    'alias/tokens',
    'arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab',
    'arn:aws:kms:eu-west-1:123456789012:alias/team/tokens',
  ])('accept %s for TOKEN_KMS_KEY_ID', async (value) => {
    expect(await parseSettings({ TOKEN_KMS_KEY_ID: value }, false)).toMatchObject({ tokenKmsKeyId: value });
  });

  it.each(['', ' ', 'a b', 'arn:aws:s3:eu-west-1:123456789012:key/a', 'arn:aws:kms::1:key/a', 'a'.repeat(257)])(
    'reject %o for TOKEN_KMS_KEY_ID',
    async (value) => {
      expect((await refusal({ TOKEN_KMS_KEY_ID: value })).message).toMatch(/^TOKEN_KMS_KEY_ID is not/);
    },
  );

  it('point to the machine itself only outside Lambda', async () => {
    const lists = { LOGIN_HOSTS: 'login.salesforce.com,http://127.0.0.1:*', INSTANCE_HOSTS: 'http://localhost:8080' };
    const QUEUE_URL = 'http://127.0.0.1:9324/000000000000/refresh.fifo';
    for (const AWS_EXECUTION_ENV of [undefined, '', 'CloudShell', 'AWS_ECS_FARGATE'])
      expect(await parseSettings({ ...lists, QUEUE_URL, AWS_EXECUTION_ENV }, true)).toMatchObject({
        queueUrl: QUEUE_URL,
      });
    for (const AWS_EXECUTION_ENV of ['AWS_Lambda_nodejs24.x', 'AWS_Lambda_']) {
      const { message } = await refusal({ ...lists, QUEUE_URL, AWS_EXECUTION_ENV }, true);
      expect(message.split('; ')).toEqual([
        'QUEUE_URL is not the https URL of a FIFO queue',
        'entry 2 of LOGIN_HOSTS is a local stand-in, and there is none in Lambda',
        'entry 1 of INSTANCE_HOSTS is a local stand-in, and there is none in Lambda.',
      ]);
    }
  });

  it.each(['*.co.uk', '*.com.au', '*.gov.uk', '*.co.jp', '*.anything.ck', '*.kobe.jp', '*.nom.br'])(
    'reject the host %s, below which anybody may register a name',
    async (entry) => {
      for (const name of ['LOGIN_HOSTS', 'INSTANCE_HOSTS'])
        for (const AWS_EXECUTION_ENV of [undefined, 'AWS_Lambda_nodejs24.x'])
          expect((await refusal({ [name]: `login.example.com,${entry}`, AWS_EXECUTION_ENV })).message).toBe(
            `entry 2 of ${name} is a star before a public suffix, below which anybody may register.`,
          );
    },
  );

  it.each(['co.uk', '*.acme.co.uk', '*.github.io', '*.my.salesforce.mil', '*.www.ck', '*.salesforce.com'])(
    'accept the host %s, whose domain somebody owns',
    async (entry) => {
      const settings = await parseSettings(
        { LOGIN_HOSTS: entry, INSTANCE_HOSTS: entry, AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x' },
        false,
      );
      expect(settings).toMatchObject({ loginHosts: [entry], instanceHosts: [entry] });
    },
  );

  it('are told apart by name and place alone: no message quotes a value, and none grows with it', async () => {
    const value = 'zQ7distinctive secret*';
    const names = [
      'SECRET_PREFIX',
      'TOKEN_PREFIX',
      'CLIENT_SECRET_PREFIX',
      'ESCROW_PREFIX',
      'REFRESH_INTERVAL_SECONDS',
      'TICK_SECONDS',
      'JWT_LIFETIME_SECONDS',
      'QUEUE_URL',
      'LOGIN_HOSTS',
      'INSTANCE_HOSTS',
      'OWN_ROLE_ARNS',
      'RERUN_FLOWS',
      'TOKEN_KMS_KEY_ID',
    ];
    for (const times of [1, 5_000]) {
      const repeated = Array.from({ length: times }, () => value).join(',');
      const { message } = await refusal(Object.fromEntries(names.map((name) => [name, repeated])), true);
      for (const name of names) expect(message).toContain(name);
      expect(message).not.toContain('zQ7');
      expect(message).not.toContain('secret*');
      expect(message.length).toBeLessThanOrEqual(1_000);
    }
  });

  it('name five entries of a list and count the rest', async () => {
    const entries = ['login.salesforce.com', ...Array.from({ length: 12 }, () => 'x')];
    expect((await refusal({ LOGIN_HOSTS: entries.join(',') })).message).toBe(
      'entries 2, 3, 4, 5, 6 and 7 more of LOGIN_HOSTS are not a host such as *.my.salesforce.com.',
    );
  });
});
