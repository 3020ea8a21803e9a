/** Event patterns: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html, but for `cidr`. */
import * as v from 'valibot';

export type Pattern = Readonly<Record<string, unknown>>;

const Text = v.string();
const Few = <const Item extends v.GenericSchema<unknown, string | number>>(item: Item) =>
  v.pipe(
    v.union([v.array(item), item]),
    v.transform((given) => (Array.isArray(given) ? given : [given])),
  );
const IgnoringCase = v.strictObject({ 'equals-ignore-case': Text });
/** What `anything-but` may hold in place of values. */
const Words = v.union([
  v.strictObject({ prefix: Few(Text) }),
  v.strictObject({ suffix: Few(Text) }),
  v.strictObject({ 'equals-ignore-case': Few(Text) }),
  v.strictObject({ wildcard: Few(Text) }),
]);
const Comparison = v.picklist(['=', '<', '<=', '>', '>=']);
const Condition = v.union([
  v.string(),
  v.number(),
  v.boolean(),
  v.null(),
  v.strictObject({ exists: v.boolean() }),
  v.strictObject({ prefix: v.union([Text, IgnoringCase]) }),
  v.strictObject({ suffix: v.union([Text, IgnoringCase]) }),
  v.strictObject({ wildcard: Text }),
  IgnoringCase,
  v.strictObject({ 'anything-but': v.union([Few(v.string()), Few(v.number()), Words]) }),
  v.strictObject({
    numeric: v.union([
      v.strictTuple([Comparison, v.number()]),
      v.strictTuple([Comparison, v.number(), Comparison, v.number()]),
    ]),
  }),
]);
type Condition = v.InferOutput<typeof Condition>;
/** A pattern compares with what has no parts: texts, numbers, `true`, `false` and null. */
type Leaf = string | number | boolean | null;

/**
 * Whether an event is one that the pattern selects. Every field of the pattern counts, and of a field's conditions any. A list in the event matches by
 * any of its items.
 *
 * @throws Error for a pattern that EventBridge would refuse
 */
export function matches(pattern: Pattern, event: unknown): boolean {
  return Object.entries(pattern).every(([name, wanted]) => {
    if (name === '$or') return alternatives(wanted).some((one) => matches(one, event));
    const found = isObject(event) && Object.hasOwn(event, name) ? event[name] : undefined;
    const nodes: unknown[] = Array.isArray(found) ? found.flat(Number.POSITIVE_INFINITY) : [found];
    if (Array.isArray(wanted)) return conditions(name, wanted).some((one) => holds(one, nodes.filter(isLeaf)));
    if (!isObject(wanted)) throw refused(name, 'a field is matched by a list, or by the fields below it');
    // What is not there has no fields either, which is what `exists: false` further down asks for.
    return (nodes.length === 0 ? [undefined] : nodes).some((node) => matches(wanted, node));
  });
}

function alternatives(wanted: unknown): Pattern[] {
  if (Array.isArray(wanted) && wanted.length > 1 && wanted.every(isObject)) return wanted;
  throw refused('$or', 'it takes two patterns or more');
}

function conditions(name: string, wanted: readonly unknown[]): Condition[] {
  const parsed = v.safeParse(v.pipe(v.array(Condition), v.minLength(1)), wanted);
  if (!parsed.success) throw refused(name, 'one of its conditions is unknown, or there is none');
  return parsed.output;
}

/** `exists` looks at leaves too: a field that has fields of its own does not exist for it. */
function holds(condition: Condition, leaves: readonly Leaf[]): boolean {
  if (isObject(condition) && 'exists' in condition) return leaves.length > 0 === condition.exists;
  return leaves.some((leaf) => fits(condition, leaf));
}

function fits(condition: Exclude<Condition, { exists: boolean }>, leaf: Leaf): boolean {
  if (!isObject(condition)) return condition === leaf;
  if ('anything-but' in condition) {
    const but = condition['anything-but'];
    if (Array.isArray(but)) return !but.some((one) => one === leaf);
    return !wordsOf(but).some((one) => fits(one, leaf));
  }
  if ('numeric' in condition) {
    const [one, bound, other, further] = condition.numeric;
    if (typeof leaf !== 'number') return false;
    return compare(leaf, one, bound) && (other === undefined || further === undefined || compare(leaf, other, further));
  }
  if (typeof leaf !== 'string') return false;
  if ('equals-ignore-case' in condition) return same(leaf, condition['equals-ignore-case']);
  if ('wildcard' in condition) return isLike(leaf, condition.wildcard);
  if ('prefix' in condition) {
    const { prefix } = condition;
    if (typeof prefix === 'string') return leaf.startsWith(prefix);
    return same(leaf.slice(0, prefix['equals-ignore-case'].length), prefix['equals-ignore-case']);
  }
  const { suffix } = condition;
  if (typeof suffix === 'string') return leaf.endsWith(suffix);
  return same(leaf.slice(-suffix['equals-ignore-case'].length), suffix['equals-ignore-case']);
}

function wordsOf(words: v.InferOutput<typeof Words>): Exclude<Condition, { exists: boolean }>[] {
  if ('prefix' in words) return words.prefix.map((prefix) => ({ prefix }));
  if ('suffix' in words) return words.suffix.map((suffix) => ({ suffix }));
  if ('wildcard' in words) return words.wildcard.map((wildcard) => ({ wildcard }));
  return words['equals-ignore-case'].map((text) => ({ 'equals-ignore-case': text }));
}

function compare(value: number, how: v.InferOutput<typeof Comparison>, bound: number): boolean {
  if (how === '=') return value === bound;
  if (how.endsWith('=') && value === bound) return true;
  return how.startsWith('<') ? value < bound : value > bound;
}

function same(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

function isLike(text: string, wildcard: string): boolean {
  const escaped = wildcard.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  return new RegExp(`^${escaped}$`, 's').test(text);
}

function isLeaf(node: unknown): node is Leaf {
  return node === null || ['string', 'number', 'boolean'].includes(typeof node);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refused(name: string, why: string): Error {
  return new Error(`Event pattern is not valid. Reason: ${name}: ${why}.`);
}
