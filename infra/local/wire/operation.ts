/** What a local service offers: its operations, the IAM actions that each takes, and the model that its requests are held against. */
import * as v from 'valibot';
import type { Access, Need } from './access.ts';
import type { Forms } from './forms.ts';
import type { AwsError, Dialect } from './replies.ts';
import { checkRequest, requestModel, type Wire } from './validation.ts';

/** The account that all local services live in. */
export interface Environment {
  readonly now: () => Date;
  readonly region: string;
  readonly accountId: string;
  readonly access: Access;
  readonly forms: Forms;
  /** `arn('sqs', 'name')` → `arn:aws:sqs:us-east-1:123456789012:name` */
  arn(service: string, resource: string): string;
}

export interface Service extends Dialect {
  /** By name: each checks the request and the permissions it takes, and applies it. Nothing as the answer is an empty body. */
  readonly operations: ReadonlyMap<string, (input: unknown) => unknown>;
}

/** What each operation does, typed by the commands of the service's SDK. */
type Table<Sdk> = {
  [Command in keyof Sdk & `${string}Command` as Command extends `${infer Name}Command` ? Name : never]?: (
    input: Wire<RequestOf<Sdk[Command]>>,
  ) => unknown;
};
type RequestOf<Command> = Command extends new (...input: never) => { readonly input: infer Request } ? Request : never;

/** `needs` tells which IAM actions an operation takes, on which resources. */
export function serviceOf<Sdk>(
  { access }: Environment,
  dialect: Dialect,
  needs: (operation: string, input: object) => readonly Need[],
  table: Table<Sdk>,
): Service {
  const operations = Object.entries<((input: never) => unknown) | undefined>(table).map(([name, run]) => {
    const model = requestModel(dialect.name, name);
    const handle = (input: unknown) => {
      checkRequest(model, input);
      for (const need of needs(name, input)) access.check(need);
      // What keeps to the model is of the SDK's type, which is made from it.
      return run?.(input as never);
    };
    return [name, handle] as const;
  });
  return { ...dialect, operations: new Map(operations) };
}

/** The member of that name if it is a text: what an operation's resource is called. */
export function textIn(input: object, name: string): string | undefined {
  const value: unknown = Object.entries(input).find(([key]) => key === name)?.[1];
  return typeof value === 'string' ? value : undefined;
}

/**
 * One page of a list. The token is bound to `scope` (the operation and its filters), so that a token of another query is
 * refused, as AWS does; `refuse` is the error for that. Where the forms want it, each page follows on an empty one.
 */
export function page<T>(
  items: readonly T[],
  request: {
    readonly size: number;
    readonly token: string | undefined;
    readonly scope: readonly unknown[];
    readonly forms: Pick<Forms, 'emptyPages'>;
  },
  refuse: () => AwsError,
): { items: readonly T[]; nextToken: string | undefined } {
  const scope = JSON.stringify(request.scope);
  let start = 0;
  let isAfterEmpty = false;
  if (request.token !== undefined) {
    const decoded = v.safeParse(
      v.pipe(v.string(), v.parseJson(), v.tuple([v.literal(scope), v.number(), v.boolean()])),
      Buffer.from(request.token, 'base64url').toString(),
    );
    if (!decoded.success) throw refuse();
    [, start, isAfterEmpty] = decoded.output;
  }
  const token = (at: number, after: boolean) => Buffer.from(JSON.stringify([scope, at, after])).toString('base64url');
  if (request.forms.emptyPages && !isAfterEmpty) return { items: [], nextToken: token(start, true) };
  const end = start + request.size;
  return { items: items.slice(start, end), nextToken: end < items.length ? token(end, false) : undefined };
}
