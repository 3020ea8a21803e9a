/** Parameter Store: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html and its neighbours */
import { randomBytes } from 'node:crypto';
import * as v from 'valibot';
import type { Need } from '../wire/access.ts';
import type { Environment } from '../wire/environment.ts';
import { AwsError, integer, list, operation, page, type Service, seconds, text } from '../wire/wire.ts';
import { checkName, refused, type Tier, tierFor } from './limits.ts';

type ParameterType = 'String' | 'StringList' | 'SecureString';

export interface Parameter {
  readonly name: string;
  readonly type: ParameterType;
  readonly value: string;
  readonly tier: Tier;
  readonly version: number;
  readonly modifiedAt: Date;
}

/** For tests: no permissions, no faults. */
export interface ParameterState {
  read(name: string): Parameter | undefined;
  all(): readonly Parameter[];
  /** A new SecureString, or a new version of one. */
  put(name: string, value: string): void;
  remove(name: string): void;
}

export interface ParameterStore {
  readonly service: Service;
  readonly state: ParameterState;
}

const Name = text({ min: 1, max: 2048 });
const filters = v.optional(
  v.array(
    v.object({
      Key: text({ min: 1, max: 132, pattern: /tag:.+|Name|Type|KeyId|Path|Label|Tier|DataType/ }),
      Option: v.optional(text({ min: 1, max: 10 })),
      Values: v.optional(list(text({ min: 1, max: 1024 }), 50, 1), []),
    }),
  ),
  [],
);
const NextToken = v.optional(v.string());

const shapes = {
  put: v.object({
    Name,
    Value: v.string(),
    Type: v.optional(v.picklist(['String', 'StringList', 'SecureString'])),
    Overwrite: v.optional(v.boolean(), false),
    Tier: v.optional(v.picklist(['Standard', 'Advanced', 'Intelligent-Tiering']), 'Standard'),
    Tags: v.optional(list(v.object({ Key: v.string(), Value: v.string() }), 1000), []),
  }),
  get: v.object({ Name, WithDecryption: v.optional(v.boolean(), false) }),
  getByPath: v.object({
    Path: Name,
    Recursive: v.optional(v.boolean(), false),
    WithDecryption: v.optional(v.boolean(), false),
    MaxResults: v.optional(integer(1, 10), 10),
    NextToken,
  }),
  remove: v.object({ Name }),
  describe: v.object({ ParameterFilters: filters, MaxResults: v.optional(integer(1, 50), 10), NextToken }),
};

export function createParameterStore(env: Environment): ParameterStore {
  const parameters = new Map<string, Parameter>();
  const arnOf = (name: string) => env.arn('ssm', `parameter${name.startsWith('/') ? '' : '/'}${name}`);
  const need = (action: string, name: string): readonly Need[] => [
    { action: `ssm:${action}`, resource: name.startsWith('arn:') ? name : arnOf(name) },
  ];

  function find(nameOrArn: string): Parameter {
    const [name = '', version] = (
      nameOrArn.startsWith('arn:') ? nameOrArn.replace(/^(?:[^:]*:){5}parameter/, '') : nameOrArn
    ).split(':');
    const parameter = parameters.get(name) ?? parameters.get(name.replace(/^\//, ''));
    if (parameter === undefined) throw new AwsError('ParameterNotFound', '');
    if (version !== undefined && version !== String(parameter.version)) {
      throw new AwsError('ParameterVersionNotFound', `Systems Manager could not find version ${version} of ${name}.`);
    }
    return parameter;
  }

  function keep(name: string, value: string, type: ParameterType, tier: Tier): Parameter {
    const version = (parameters.get(name)?.version ?? 0) + 1;
    const parameter: Parameter = { name, type, value, tier, version, modifiedAt: env.now() };
    parameters.set(name, parameter);
    return parameter;
  }

  /** Without decryption the caller gets the ciphertext, not an error. */
  const seen = (parameter: Parameter, decrypted: boolean) => ({
    Name: parameter.name,
    Type: parameter.type,
    Value:
      parameter.type === 'SecureString' && !decrypted ? `AQICAH${randomBytes(96).toString('base64')}` : parameter.value,
    Version: parameter.version,
    LastModifiedDate: seconds(parameter.modifiedAt),
    ARN: arnOf(parameter.name),
    DataType: 'text',
  });

  const sorted = () => [...parameters.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));

  const operations: Service['operations'] = {
    PutParameter: operation(
      shapes.put,
      (input) => need('PutParameter', input.Name),
      (input) => {
        checkName(input.Name, arnOf(input.Name));
        if (input.Value === '') throw refused("Parameter value can't be empty.");
        const existing = parameters.get(input.Name);
        if (existing !== undefined && !input.Overwrite) {
          throw new AwsError(
            'ParameterAlreadyExists',
            'The parameter already exists. To overwrite this value, set the overwrite option in the request to true.',
          );
        }
        if (input.Overwrite && input.Tags.length > 0) {
          throw refused("Invalid request: tags and overwrite can't be used together.");
        }
        const type = input.Type ?? existing?.type;
        if (type === undefined) throw refused('A parameter type is required when you create a parameter.');
        if (existing !== undefined && existing.type !== type) {
          throw new AwsError('HierarchyTypeMismatchException', "You can't change the type of a parameter.");
        }
        const tier = tierFor(input.Value, input.Tier, existing?.tier);
        const { version } = keep(input.Name, input.Value, type, tier);
        return { Version: version, Tier: tier };
      },
    ),
    GetParameter: operation(
      shapes.get,
      (input) => need('GetParameter', input.Name),
      (input) => ({ Parameter: seen(find(input.Name), input.WithDecryption) }),
    ),
    GetParametersByPath: operation(
      shapes.getByPath,
      (input) => need('GetParametersByPath', input.Path),
      ({ Path, Recursive, WithDecryption, MaxResults, NextToken: token }) => {
        if (!Path.startsWith('/')) throw refused('The parameter path must begin with a slash.');
        const inside = sorted().filter(({ name }) => isUnder(name, Path, Recursive));
        const request = { size: MaxResults, token, scope: ['GetParametersByPath', Path, Recursive] };
        const found = page(inside, request, badToken);
        return { Parameters: found.items.map((one) => seen(one, WithDecryption)), NextToken: found.nextToken };
      },
    ),
    DeleteParameter: operation(
      shapes.remove,
      (input) => need('DeleteParameter', input.Name),
      (input) => {
        parameters.delete(find(input.Name).name);
      },
    ),
    DescribeParameters: operation(
      shapes.describe,
      () => [{ action: 'ssm:DescribeParameters', resource: env.arn('ssm', '*') }],
      ({ ParameterFilters, MaxResults, NextToken: token }) => {
        const matching = sorted().filter((parameter) => ParameterFilters.every((filter) => passes(parameter, filter)));
        const found = page(
          matching,
          { size: MaxResults, token, scope: ['DescribeParameters', ParameterFilters] },
          badToken,
        );
        const details = found.items.map(({ name, type, tier, version, modifiedAt }) => ({
          Name: name,
          ARN: arnOf(name),
          Type: type,
          ...(type === 'SecureString' && { KeyId: 'alias/aws/ssm' }),
          LastModifiedDate: seconds(modifiedAt),
          Version: version,
          Tier: tier,
          Policies: [],
          DataType: 'text',
        }));
        return { Parameters: details, NextToken: found.nextToken };
      },
    ),
  };

  return {
    service: { name: 'ssm', protocol: 'json1.1', operations },
    state: {
      read: (name) => parameters.get(name),
      all: sorted,
      put: (name, value) => void keep(name, value, 'SecureString', tierFor(value, 'Intelligent-Tiering', undefined)),
      remove: (name) => void parameters.delete(name),
    },
  };
}

function isUnder(name: string, path: string, recursive: boolean): boolean {
  const prefix = path.endsWith('/') ? path : `${path}/`;
  return name.startsWith(prefix) && (recursive || !name.slice(prefix.length).includes('/'));
}

function passes(parameter: Parameter, filter: NonNullable<v.InferOutput<typeof filters>>[number]): boolean {
  const { Key, Option, Values } = filter;
  if (Key === 'Path') {
    if (Option !== undefined && Option !== 'OneLevel' && Option !== 'Recursive') throw badOption();
    return Values.some((value) => isUnder(parameter.name, value, Option === 'Recursive'));
  }
  if (Key === 'Name' && Option === 'BeginsWith') return Values.some((value) => parameter.name.startsWith(value));
  if (Key === 'Name' && Option === 'Contains') return Values.some((value) => parameter.name.includes(value));
  if (Option !== undefined && Option !== 'Equals') throw badOption();
  if (Key === 'Name') return Values.includes(parameter.name);
  if (Key === 'Type') return Values.includes(parameter.type);
  if (Key === 'Tier') return Values.includes(parameter.tier);
  throw new AwsError('InvalidFilterKey', `The filter key ${Key} is not kept by this stand-in.`);
}

function badOption(): AwsError {
  return new AwsError('InvalidFilterOption', "The filter option isn't valid for this key.");
}

function badToken(): AwsError {
  return new AwsError('InvalidNextToken', "The specified token isn't valid.");
}
