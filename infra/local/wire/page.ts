import * as v from 'valibot';
import type { AwsError } from './error.ts';

/**
 * One page of a list. The token is bound to `scope` (the operation and its filters), so that a token of another query is
 * refused, as AWS does; `refuse` is the error for that.
 */
export function page<T>(
  items: readonly T[],
  request: { readonly size: number; readonly token: string | undefined; readonly scope: unknown },
  refuse: () => AwsError,
): { items: readonly T[]; nextToken: string | undefined } {
  const scope = JSON.stringify(request.scope);
  let start = 0;
  if (request.token !== undefined) {
    const decoded = v.safeParse(
      v.pipe(v.string(), v.parseJson(), v.tuple([v.literal(scope), v.number()])),
      Buffer.from(request.token, 'base64url').toString(),
    );
    if (!decoded.success) throw refuse();
    start = decoded.output[1];
  }
  const end = start + request.size;
  const more = end < items.length;
  return {
    items: items.slice(start, end),
    nextToken: more ? Buffer.from(JSON.stringify([scope, end])).toString('base64url') : undefined,
  };
}
