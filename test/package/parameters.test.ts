import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Names, parameterProblems, Service } from '../../infra/packaging/parameters.ts';
import { packaged, refusalOf } from '../support/packaged.ts';

let service: v.InferOutput<typeof Service>;

beforeAll(async () => {
  const { statePath } = await packaged();
  service = v.parse(v.object({ service: Service }), JSON.parse(readFileSync(statePath, 'utf8'))).service;
}, 180_000);

const NONE: Names = { declared: [], given: [] };

/** The problems with the service of serverless.yml where some environment variables are others. */
function withEnvironment(environment: Readonly<Record<string, string>>): Promise<string[]> {
  const provider = { ...service.provider, environment: { ...service.provider.environment, ...environment } };
  return parameterProblems({ ...service, provider }, NONE);
}

function withParameters(defaults: Readonly<Record<string, string>>): Promise<string[]> {
  const all = { ...service.resources.Parameters };
  for (const [name, Default] of Object.entries(defaults)) {
    const parameter = all[name];
    if (parameter === undefined) throw new Error(`The template has no parameter ${name}.`);
    all[name] = { ...parameter, Default };
  }
  return parameterProblems({ ...service, resources: { ...service.resources, Parameters: all } }, NONE);
}

describe('the parameters of a deployment', () => {
  test('are fine as they are in the repository', async () => {
    expect(await parameterProblems(service, NONE)).toEqual([]);
  });

  test.each([
    ['SECRET_PREFIX', '*', 'secretPrefix is not a prefix'],
    ['SECRET_PREFIX', '', 'secretPrefix is not a prefix'],
    ['TOKEN_PREFIX', 'a/$x/', 'tokenPrefix is not a prefix'],
    ['TOKEN_PREFIX', 'appflow-', 'tokenPrefix begins secretPrefix'],
    ['CLIENT_SECRET_PREFIX', 'appflow!', 'clientSecretPrefix is not a prefix'],
    ['ESCROW_PREFIX', '/aws/escrow/', 'escrowPrefix is not a path'],
    ['JWT_LIFETIME_SECONDS', '31536000', 'jwtLifetimeSeconds is not a whole number'],
    ['REFRESH_INTERVAL_SECONDS', '1h', 'refreshIntervalSeconds is not a whole number'],
    ['LOGIN_HOSTS', 'login.salesforce.com,http://127.0.0.1:*', 'entry 2 of loginHosts is a local stand-in'],
    ['LOGIN_HOSTS', '*.co.uk', 'entry 1 of loginHosts is a star before a public suffix'],
    ['INSTANCE_HOSTS', '*', 'entry 1 of instanceHosts is not a host'],
    ['INSTANCE_HOSTS', '*.com.au', 'entry 1 of instanceHosts is a star before a public suffix'],
    ['RERUN_FLOWS', 'yes', 'rerunFlows is not true or false'],
    ['TICK_SECONDS', '120', 'tickSeconds is not one of 60, 300, 600, 900'],
  ])('are refused where %s would be %o', async (name, value, said) => {
    const problems = await withEnvironment({ [name]: value });
    expect(problems.find((problem) => problem.startsWith(said))).toBeDefined();
  });

  test.each([
    [{ AlarmTopicArn: 'alarms' }, 'alarmTopicArn does not match'],
    [{ AlarmTopicArn: 'arn:aws:sns:eu-central-1:111122223333:alarms:6bd4ed1c' }, 'alarmTopicArn does not match'],
    [{ SubnetIds: 'subnet-0123456789abcdef0' }, 'subnetIds and securityGroupIds go together'],
    [{ SecurityGroupIds: 'sg-0123456789abcdef0' }, 'subnetIds and securityGroupIds go together'],
    [{ SubnetIds: 'subnet-0123456789abcdef0,*', SecurityGroupIds: 'sg-0123456789abcdef0' }, 'subnetIds does not match'],
    [{ SubnetIds: 'subnet-0123456789abcdef0', SecurityGroupIds: 'sg' }, 'securityGroupIds does not match'],
  ])('are refused where the template would get %o', async (defaults, said) => {
    const problems = await withParameters(defaults);
    expect(problems).toEqual([expect.stringContaining(said)]);
  });

  test('may name a topic, subnets and security groups', async () => {
    const problems = await withParameters({
      AlarmTopicArn: 'arn:aws-us-gov:sns:us-gov-west-1:111122223333:alarms',
      SubnetIds: 'subnet-0123456789abcdef0, subnet-12345678',
      SecurityGroupIds: 'sg-0123456789abcdef0',
    });
    expect(problems).toEqual([]);
  });

  test('are refused where nobody declares them', async () => {
    const names = { declared: ['secretPrefix'], given: ['secretPrefix', 'secretPrefx'] };
    expect(await parameterProblems(service, names)).toEqual(['there is no parameter secretPrefx']);
  });

  test('stop osls package with everything that is wrong, and leave no zip', async () => {
    const said = await refusalOf(['secretPrefix=*', 'loginHosts=*.co.uk', 'tickSeconds=120', 'secretPrefx=a/']);
    expect(said).toContain('The parameters of this deployment are wrong');
    for (const problem of [
      'secretPrefix is not',
      'entry 1 of loginHosts',
      'tickSeconds is not',
      'no parameter secretPrefx',
    ])
      expect(said).toContain(`  - ${problem.replace('no parameter', 'there is no parameter')}`);
    expect(said).not.toContain('.zip');
    expect(said).not.toMatch(/^\s+at /m);
  }, 120_000);

  test('stop osls package where AWS would refuse the numbers in the template', async () => {
    const said = await refusalOf(['maximumConcurrency=1', 'logRetentionDays=91']);
    expect(said).toContain("'functions.refresh.events.0.sqs.maximumConcurrency': must be >= 2");
    expect(said).toContain("'provider.logRetentionInDays': must be equal to one of the allowed values");
    expect(said).not.toContain('.zip');
  }, 120_000);
});
