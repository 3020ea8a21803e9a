/** Parameter Store: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html and its neighbours */
import { randomBytes } from 'node:crypto';
import type * as sdk from '@aws-sdk/client-ssm';
import { type Environment, page, serviceOf, textIn } from '../wire/operation.ts';
import { AwsError, errorOf, seconds } from '../wire/replies.ts';

type Tier = 'Standard' | 'Advanced';

interface Parameter {
  readonly name: string;
  readonly type: sdk.ParameterType;
  readonly value: string;
  readonly tier: Tier;
  readonly version: number;
  readonly modifiedAt: Date;
}

/** In bytes. */
const MAX_VALUE: Readonly<Record<Tier, number>> = { Standard: 4096, Advanced: 8192 };

const refused = errorOf('ValidationException');
const badFilter = errorOf('InvalidFilterKey');
const badToken = () => new AwsError('InvalidNextToken', "The specified token isn't valid.");

export function createParameterStore(env: Environment) {
  const parameters = new Map<string, Parameter>();
  const arnOf = (name: string) => env.arn('ssm', `parameter${name.startsWith('/') ? '' : '/'}${name}`);
  const all = () => [...parameters.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));

  function find(name: string): Parameter {
    const parameter = parameters.get(name);
    if (parameter === undefined) throw new AwsError('ParameterNotFound', '');
    return parameter;
  }

  function needs(operation: string, input: object) {
    const name = textIn(input, 'Name');
    return [{ action: `ssm:${operation}`, resource: name === undefined ? env.arn('ssm', '*') : arnOf(name) }];
  }

  const service = serviceOf<typeof sdk>(env, { name: 'ssm', protocol: 'json1.1' }, needs, {
    PutParameter({ Name: name, Value: value, Overwrite = false, Tier: wanted = 'Standard', Type, Tags }) {
      checkName(name, arnOf(name));
      if (value === '') throw refused("Parameter value can't be empty.");
      if (Tags !== undefined) throw refused('This stand-in keeps no tags of parameters.');
      const existing = parameters.get(name);
      if (existing !== undefined && !Overwrite) {
        throw new AwsError(
          'ParameterAlreadyExists',
          'The parameter already exists. To overwrite this value, set the overwrite option in the request to true.',
        );
      }
      const type = Type ?? existing?.type;
      if (type === undefined) throw refused('A parameter type is required when you create a parameter.');
      if (existing !== undefined && existing.type !== type) {
        throw new AwsError('HierarchyTypeMismatchException', "You can't change the type of a parameter.");
      }
      const tier = tierFor(value, wanted, existing?.tier);
      const version = (existing?.version ?? 0) + 1;
      parameters.set(name, { name, type, value, tier, version, modifiedAt: env.now() });
      return { Version: version, Tier: tier };
    },

    GetParameter({ Name, WithDecryption = false }) {
      const parameter = find(Name);
      // Without decryption the caller gets the ciphertext, not an error.
      const isHidden = parameter.type === 'SecureString' && !WithDecryption;
      const Value = isHidden ? `AQICAH${randomBytes(96).toString('base64')}` : parameter.value;
      return { Parameter: { ...described(parameter), Value } };
    },

    DeleteParameter(input) {
      parameters.delete(find(input.Name).name);
    },

    DescribeParameters({ ParameterFilters = [], MaxResults: size = 10, NextToken: token }) {
      const matching = all().filter(({ name }) =>
        ParameterFilters.every(({ Key, Option, Values = [] }) => {
          if (Key !== 'Path' || Option !== 'OneLevel') throw badFilter('This stand-in filters by one level of a path.');
          return Values.includes(name.slice(0, name.lastIndexOf('/')));
        }),
      );
      const { items, nextToken } = page(
        matching,
        { size, token, scope: [ParameterFilters], forms: env.forms },
        badToken,
      );
      const list = items.map((one) => ({ ...described(one), Tier: one.tier, KeyId: 'alias/aws/ssm', Policies: [] }));
      return { Parameters: list, NextToken: nextToken };
    },
  });

  function described({ name, type, version, modifiedAt }: Parameter) {
    const LastModifiedDate = seconds(modifiedAt);
    return { Name: name, ARN: arnOf(name), Type: type, Version: version, LastModifiedDate, DataType: 'text' };
  }

  /** For tests: no permissions, no faults. */
  return { service, state: { all: all as () => readonly Parameter[] } };
}

/** @throws ValidationException, HierarchyLevelLimitExceededException */
function checkName(name: string, arn: string): void {
  if (!/^[a-zA-Z0-9_.\-/]+$/.test(name)) {
    throw refused('Parameter name: can only contain the following symbols: a-zA-Z0-9_.-/');
  }
  if (name.includes('/') && !name.startsWith('/')) throw refused('Parameter name must be a fully qualified name.');
  if (name.endsWith('/') || name.includes('//')) throw refused('Parameter name: a level of the hierarchy is empty.');
  if (/^\/?(?:aws|ssm)/i.test(name)) {
    throw refused(`Parameter name: can't be prefixed with "aws" or "ssm" (case-insensitive).`);
  }
  // Counted with the ARN around it.
  if (arn.length > 1011) throw refused('Parameter name is too long: 1011 characters at most, the ARN included.');
  if (name.split('/').length > 16) {
    throw new AwsError('HierarchyLevelLimitExceededException', 'A hierarchy can have a maximum of 15 levels.');
  }
}

/** The tier that a value ends in. @throws ValidationException */
function tierFor(value: string, wanted: sdk.ParameterTier, current: Tier | undefined): Tier {
  const bytes = Buffer.byteLength(value);
  if (wanted === 'Standard' && current === 'Advanced') {
    throw refused("You can't downgrade a parameter from the advanced-parameter tier to the standard-parameter tier.");
  }
  const needed = bytes > MAX_VALUE.Standard || current === 'Advanced' ? 'Advanced' : 'Standard';
  const tier = wanted === 'Intelligent-Tiering' ? needed : wanted;
  if (bytes <= MAX_VALUE[tier]) return tier;
  throw refused(
    tier === 'Standard'
      ? 'Standard tier parameters support a maximum parameter value of 4096 characters. To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier.'
      : 'Advanced tier parameters support a maximum parameter value of 8192 characters.',
  );
}
