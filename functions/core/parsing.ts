import * as v from 'valibot';
import { unknownKey } from './wording.ts';

/** One thing that is wrong with an input, in our own words: none of them is taken from the input. */
export interface Problem {
  /** Where: keys of the schema and places in lists. Empty for the input itself. */
  readonly at: readonly string[];
  /** What, as the end of a sentence; of an unknown key how it is called, which is the beginning of one. */
  readonly says: string;
  readonly isUnknownKey?: true;
}

/** How a schema's own words for a kind of value begin where it has none. */
const MUST_BE: Readonly<Record<string, string>> = {
  string: 'must be a string',
  number: 'must be a number',
  boolean: 'must be true or false',
  array: 'must be a list',
};

/**
 * Parses what comes from outside, and says everything that is wrong with it. It is the one place that looks at the issues of the library (a lint
 * rule says so): the library's own texts quote what it received, here none of them is ever made.
 */
export function parse<S extends v.GenericSchema>(
  schema: S,
  input: unknown,
): { readonly output: v.InferOutput<S> } | { readonly problems: readonly Problem[] } {
  // To the library a list is an object too.
  if (Array.isArray(input) && /object$/.test(schema.type)) return { problems: [{ at: [], says: mustBeObject(input) }] };
  const result = v.safeParse(schema, input, {
    abortPipeEarly: true,
    message: ({ type }) => (Object.hasOwn(MUST_BE, type) ? MUST_BE[type] : undefined) ?? 'is not what it should be',
  });
  if (result.success) return { output: result.output };
  const problems = new Map<string, Problem>();
  for (const problem of result.issues.flatMap((issue) => problemsOf(issue, schema))) {
    const which = JSON.stringify([problem.at, problem.says]);
    if (!problems.has(which)) problems.set(which, problem);
  }
  return { problems: [...problems.values()] };
}

function problemsOf(issue: v.BaseIssue<unknown>, schema: v.GenericSchema): readonly Problem[] {
  const path = issue.path ?? [];
  // Keys of a record are the input's own.
  const at = path.map(({ key }) => (typeof key === 'number' ? String(key) : unknownKey(String(key))));
  if (issue.kind !== 'schema' || !/object$/.test(issue.type)) return [{ at, says: issue.message }];
  const last = path.at(-1);
  const holder: unknown = last?.input;
  const above = at.slice(0, -1);
  if (issue.expected === 'never') {
    // The library stops at the first unknown key.
    const known = path.length === 1 && 'entries' in schema && isObject(schema.entries) ? schema.entries : undefined;
    const keys = known === undefined || !isObject(holder) ? [String(last?.key)] : Object.keys(holder);
    return keys
      .filter((key) => known === undefined || !Object.hasOwn(known, key))
      .map((key) => ({ at: above, says: unknownKey(key), isUnknownKey: true }));
  }
  if (last === undefined || last.origin !== 'key') return [{ at, says: mustBeObject(issue.input) }];
  return Array.isArray(holder) ? [{ at: above, says: mustBeObject(holder) }] : [{ at, says: 'is missing' }];
}

function mustBeObject(input: unknown): string {
  const found = input === null ? 'null' : Array.isArray(input) ? 'a list' : `of type ${typeof input}`;
  return `must be a JSON object, and is ${found}`;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
