/** Parameter Store: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html and its neighbours */
import { randomBytes } from 'node:crypto';
import type {
  DeleteParameterRequest,
  DescribeParametersRequest,
  GetParameterRequest,
  GetParametersByPathRequest,
  ParameterStringFilter,
  PutParameterRequest,
} from '@aws-sdk/client-ssm';
import type { Environment } from '../wire/environment.ts';
import { AwsError } from '../wire/error.ts';
import { operationsOf, type Service, textIn } from '../wire/operation.ts';
import { page } from '../wire/page.ts';
import { seconds } from '../wire/replies.ts';
import type { Wire } from '../wire/validation.ts';
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
  remove(name: string): void;
}

export interface ParameterStore {
  readonly service: Service;
  readonly state: ParameterState;
}

interface Requests {
  PutParameter: PutParameterRequest;
  GetParameter: GetParameterRequest;
  GetParametersByPath: GetParametersByPathRequest;
  DeleteParameter: DeleteParameterRequest;
  DescribeParameters: DescribeParametersRequest;
}

export function createParameterStore(env: Environment): ParameterStore {
  const parameters = new Map<string, Parameter>();
  const arnOf = (name: string) => env.arn('ssm', `parameter${name.startsWith('/') ? '' : '/'}${name}`);
  const on = operationsOf<Requests>('ssm', (operation, input) => {
    const name = textIn(input, 'Name') ?? textIn(input, 'Path');
    const resource = name === undefined ? env.arn('ssm', '*') : name.startsWith('arn:') ? name : arnOf(name);
    return [{ action: `ssm:${operation}`, resource }];
  });

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

  const operations = [
    on('PutParameter', ({ Name, Value, Overwrite = false, Tags = [], Tier: wanted = 'Standard', ...input }) => {
      checkName(Name, arnOf(Name));
      if (Value === '') throw refused("Parameter value can't be empty.");
      const existing = parameters.get(Name);
      if (existing !== undefined && !Overwrite) {
        throw new AwsError(
          'ParameterAlreadyExists',
          'The parameter already exists. To overwrite this value, set the overwrite option in the request to true.',
        );
      }
      if (Overwrite && Tags.length > 0) throw refused("Invalid request: tags and overwrite can't be used together.");
      const type = input.Type ?? existing?.type;
      if (type === undefined) throw refused('A parameter type is required when you create a parameter.');
      if (existing !== undefined && existing.type !== type) {
        throw new AwsError('HierarchyTypeMismatchException', "You can't change the type of a parameter.");
      }
      const { version, tier } = keep(Name, Value, type, tierFor(Value, wanted, existing?.tier));
      return { Version: version, Tier: tier };
    }),
    on('GetParameter', ({ Name, WithDecryption = false }) => ({ Parameter: seen(find(Name), WithDecryption) })),
    on('GetParametersByPath', (input) => {
      const { Path, Recursive = false, WithDecryption = false, MaxResults: size = 10, NextToken: token } = input;
      if (!Path.startsWith('/')) throw refused('The parameter path must begin with a slash.');
      const inside = sorted().filter(({ name }) => isUnder(name, Path, Recursive));
      const found = page(inside, { size, token, scope: ['GetParametersByPath', Path, Recursive] }, badToken);
      return { Parameters: found.items.map((one) => seen(one, WithDecryption)), NextToken: found.nextToken };
    }),
    on('DeleteParameter', (input) => {
      parameters.delete(find(input.Name).name);
    }),
    on('DescribeParameters', ({ ParameterFilters = [], MaxResults: size = 10, NextToken: token }) => {
      const matching = sorted().filter((parameter) => ParameterFilters.every((filter) => passes(parameter, filter)));
      const found = page(matching, { size, token, scope: ['DescribeParameters', ParameterFilters] }, badToken);
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
    }),
  ];

  return {
    service: { name: 'ssm', protocol: 'json1.1', operations },
    state: {
      read: (name) => parameters.get(name),
      all: sorted,
      remove: (name) => void parameters.delete(name),
    },
  };
}

function isUnder(name: string, path: string, recursive: boolean): boolean {
  const prefix = path.endsWith('/') ? path : `${path}/`;
  return name.startsWith(prefix) && (recursive || !name.slice(prefix.length).includes('/'));
}

function passes(parameter: Parameter, filter: Wire<ParameterStringFilter>): boolean {
  const { Key, Option, Values = [] } = filter;
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
