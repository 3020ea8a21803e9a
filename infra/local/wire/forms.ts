import type { Call } from './traffic.ts';

/** The forms of an answer that AWS leaves open: which of them the local services give. A test changes them while they run. */
export interface Forms {
  /** How an error of one among many names what was asked for by name. */
  ids: 'as asked' | 'ARN' | 'ARN without suffix' | 'null';
  /** What stands for a member without a value and for an empty list: nothing and `[]`, nothing at all, or null. */
  empty: 'plain' | 'left out' | 'null';
  /** Whether each page of a list follows on an empty one with a token. */
  emptyPages: boolean;
  /**
   * What is sent instead of an answer's body, which is undefined where the answer is an error; a RawReply goes out as it is, and nothing leaves
   * the answer alone. For answers that are not of AWS at all.
   */
  retell: ((call: Call, body: unknown) => unknown) | undefined;
}

export function plainForms(): Forms {
  return { ids: 'as asked', empty: 'plain', emptyPages: false, retell: undefined };
}

/** The body of an answer with what is empty in it in the form that was chosen. */
export function formed(body: unknown, { empty }: Pick<Forms, 'empty'>): unknown {
  if (empty === 'plain') return body;
  if (Array.isArray(body)) return body.map((item) => formed(item, { empty }));
  if (typeof body !== 'object' || body === null) return body;
  const members = Object.entries(body).map(([name, value]: [string, unknown]) => {
    const isEmpty = value === undefined || (Array.isArray(value) && value.length === 0);
    return [name, isEmpty ? (empty === 'null' ? null : undefined) : formed(value, { empty })];
  });
  return Object.fromEntries(members);
}
