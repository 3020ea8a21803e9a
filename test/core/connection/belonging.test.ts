import { describe, expect, it } from 'vitest';
import {
  belonging,
  checkBinding,
  profileFor,
  profileNotFound,
  profileShared,
} from '../../../functions/core/connection/belonging.ts';
import type { ListedTarget } from '../../../functions/core/connection/target.ts';
import type { Profile } from '../../../functions/core/ports.ts';
import { thrownBy } from '../../support/rules.ts';
import { notingProfile } from '../../support/serving.ts';
import { CODE_CONNECTION } from '../../support/token-services.ts';

const RULES = { secretPrefix: 'appflow-token-refresher/', instanceHosts: ['*.salesforce.com'] };

function target(connection: string, connectorProfileName: string, created = 0): ListedTarget {
  return {
    connection,
    connectorProfileName,
    intervalSeconds: 3_600,
    secretChangedAt: new Date(0),
    secretCreatedAt: new Date(created),
  };
}

describe('a profile', () => {
  const early = target('z', 'p', 1);
  const late = target('a', 'p', 2);
  const latest = target('b', 'p', 3);
  const other = target('o', 'q');

  it('belongs to the connection whose secret was created first, in whatever order they come', () => {
    const all = [latest, early, late, other];
    expect(belonging(all)).toEqual(
      new Map([
        ['p', { owner: early, others: [late, latest] }],
        ['q', { owner: other, others: [] }],
      ]),
    );
    expect(belonging(all.toReversed())).toEqual(belonging(all));
  });

  it('belongs to the connection whose name comes first where two were created at once', () => {
    const [one, two] = [target('a', 'p'), target('b', 'p')];
    expect(belonging([one, two]).get('p')?.owner).toBe(one);
    expect(belonging([two, one]).get('p')?.owner).toBe(one);
  });
});

describe('the profile that a connection gives to', () => {
  const mine = target('sf-eu', 'p');
  const find = (some: Partial<Profile>, belongs = belonging([mine])) =>
    profileFor(mine, belongs, new Map([['p', notingProfile({ connectorProfileName: 'p', ...some })]]), RULES);

  it('is the one of its name', () => {
    expect(find({}).connectorProfileName).toBe('p');
    expect(find({}, new Map()).connectorProfileName).toBe('p');
  });

  it('is none that belongs to another connection', () => {
    expect(thrownBy(() => find({}, belonging([target('first', 'p', -1), mine])))).toMatchObject({
      code: 'PROFILE_SHARED',
      message: 'The connector profile p belongs to first, whose secret was created first; not served for it: sf-eu.',
      hint: 'Delete the secret of sf-eu, or give it a profile of its own: connectorProfileName in the value, and the tag connector-profile-name.',
    });
    expect(profileShared('p', target('first', 'p'), [target('a', 'p'), target('b', 'p')]).message).toMatch(
      /not served for it: a, b\.$/,
    );
  });

  it('must exist', () => {
    const said = {
      code: 'PROFILE_NOT_FOUND',
      message: 'AppFlow has no Salesforce connector profile p in this account and Region.',
      hint: 'Create the profile, or correct connectorProfileName in the secret of sf-eu and its tag connector-profile-name.',
    };
    expect(thrownBy(() => profileFor(mine, belonging([mine]), new Map(), RULES))).toMatchObject(said);
    expect(profileNotFound(mine)).toMatchObject(said);
  });

  it('must be of Salesforce', () => {
    expect(thrownBy(() => find({ isSalesforce: false }))).toMatchObject({
      code: 'PROFILE_NOT_SALESFORCE',
      message: 'The connector profile p is not a Salesforce profile.',
      hint: 'Correct connectorProfileName in the secret of sf-eu, and its tag connector-profile-name.',
    });
  });

  it.each([
    undefined,
    '',
    'https://acme.my.salesforce.com',
    'https://acme.my.salesforce.com/',
    'https://acme.my.salesforce.com/services/data-1.0/x_y',
    'acme.my.salesforce.com',
    'ACME.my.salesforce.com',
  ])('may point to a listed host: %s', (instanceUrl) => {
    expect(find({ instanceUrl }).connectorProfileName).toBe('p');
  });

  it.each([
    'https://evil.example',
    'http://acme.my.salesforce.com',
    'https://acme.my.salesforce.com:8443',
    'https://evil.example/acme.my.salesforce.com',
    'https://acme.my.salesforce.com?x',
    'https://acme.my.salesforce.com/?x',
    'https://acme.my.salesforce.com\\@evil.example',
    'https://user@acme.my.salesforce.com',
    'ftp://acme.my.salesforce.com',
    'xhttps://acme.my.salesforce.com',
    ' https://acme.my.salesforce.com',
    'https://acme.my.salesforce.com ',
    'https://',
  ])('may not point anywhere else, nor be spelt in a way that is read differently: %s', (instanceUrl) => {
    expect(thrownBy(() => find({ instanceUrl }))).toMatchObject({
      code: 'INSTANCE_HOST_REFUSED',
      message: 'The instance URL of the connector profile p is not at one of INSTANCE_HOSTS.',
      hint: 'Find out who set the instance URL of p, and correct it; or add its host to INSTANCE_HOSTS of the functions if it is yours. sf-eu gives it nothing until then.',
    });
  });

  it('may point to a local stand-in that is listed, at its port alone', () => {
    const local = (instanceUrl: string) => () =>
      profileFor(mine, belonging([mine]), new Map([['p', notingProfile({ instanceUrl })]]), {
        ...RULES,
        instanceHosts: ['http://localhost:12345'],
      });
    expect(local('http://localhost:12345')).not.toThrow();
    expect(thrownBy(local('http://localhost:12346')).code).toBe('INSTANCE_HOST_REFUSED');
    expect(thrownBy(local('localhost:12345')).code).toBe('INSTANCE_HOST_REFUSED');
  });
});

describe('where a credential goes', () => {
  it('is what the value of the secret says, whatever a tag, message or event names', () => {
    expect(() => checkBinding(CODE_CONNECTION, target('sf-eu', 'sf-eu'), RULES)).not.toThrow();
    expect(thrownBy(() => checkBinding(CODE_CONNECTION, target('sf-eu', 'payroll'), RULES))).toMatchObject({
      code: 'PROFILE_MISMATCH',
      message:
        'The value of appflow-token-refresher/sf-eu is for another connector profile than payroll, which its tag, or what asked for this refresh, names.',
      hint: 'If payroll is right, put "connectorProfileName": "payroll" into the value of appflow-token-refresher/sf-eu; if not, correct its tag connector-profile-name. Until then sf-eu is not refreshed.',
    });
  });
});
