import * as v from 'valibot';
import { parse } from '../core/parsing.ts';
import { publicName } from '../core/wording.ts';
import { type AwsCall, unreadable } from './aws-call.ts';

/**
 * What is read of answers. The SDK hands on whatever came over the wire as if it were of its types, and AWS leaves open much of the rest: a member
 * without a value may be null or absent, so may a list without entries, and a page without entries may have a token.
 */
export const text = v.nullish(v.string());
export const date = v.nullish(v.date());

/** An error's code as one among many is given, without the namespace before it and the address behind it that some of AWS's protocols add. */
export function codeOf(code: string | null | undefined): string {
  return publicName(
    code
      ?.trim()
      .replace(/^[^#]{0,100}#/, '')
      .replace(/:.*$/s, ''),
  );
}

/** A list, or the empty one where there is none. Entries that are null are left out. */
export function list<S extends v.GenericSchema>(entry: S) {
  const isThere = (one: v.InferOutput<S> | null | undefined): one is NonNullable<v.InferOutput<S>> =>
    one !== null && one !== undefined;
  return v.pipe(
    v.nullish(v.array(v.nullish(entry)), []),
    v.transform((entries) => entries.filter(isThere)),
  );
}

/** @throws RefreshError the neighbour's code where the answer is none of the service */
export function readable<S extends v.GenericSchema>(schema: S, answer: unknown, call: AwsCall): v.InferOutput<S> {
  const result = parse(schema, answer);
  if ('output' in result) return result.output;
  throw unreadable(call);
}

/**
 * All pages of a list.
 *
 * @param get one page, from its token on
 * @throws RefreshError the neighbour's code where a token comes twice: the list would never end, and what there is of it is not the whole
 */
export async function pages<P>(
  call: AwsCall,
  get: (token: string | undefined) => Promise<P>,
  tokenOf: (page: P) => string | null | undefined,
): Promise<P[]> {
  const tokens = new Set<string>();
  const found: P[] = [];
  let token: string | undefined;
  for (;;) {
    const page = await get(token);
    found.push(page);
    const next = tokenOf(page) ?? '';
    if (next === '') return found;
    if (tokens.has(next)) throw unreadable(call);
    tokens.add(next);
    token = next;
  }
}

/** What an ARN says behind that part of it; `undefined` for what is no such ARN. */
export function behindArn(id: string | null | undefined, part: string): string | undefined {
  const at = id?.startsWith('arn:') === true ? id.indexOf(part) : -1;
  return at === -1 ? undefined : id?.slice(at + part.length);
}
