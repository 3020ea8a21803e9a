/** Holds a request against AWS's own model of it, which models/extract.py has extracted, and says what is wrong in AWS's words. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { AwsError } from './replies.ts';

const Shape = v.object({
  type: v.picklist(['structure', 'list', 'map', 'string', 'boolean', 'integer', 'long', 'blob', 'timestamp']),
  min: v.optional(v.number()),
  max: v.optional(v.number()),
  pattern: v.optional(v.string()),
  enum: v.optional(v.array(v.string())),
  members: v.optional(
    v.record(v.string(), v.object({ shape: v.string(), required: v.optional(v.boolean(), false) })),
    {},
  ),
  /** Of a list's items, of a map's keys and of its values. */
  member: v.optional(v.string(), ''),
  key: v.optional(v.string(), ''),
  value: v.optional(v.string(), ''),
});
type Shape = v.InferOutput<typeof Shape>;

const Models = v.object({
  services: v.record(
    v.string(),
    v.object({
      operations: v.record(v.string(), v.object({ input: v.string() })),
      shapes: v.record(v.string(), Shape),
    }),
  ),
});
const models = readFileSync(join(import.meta.dirname, 'models/requests.json'), 'utf8');
const { services } = v.parse(Models, JSON.parse(models));

interface RequestModel {
  readonly root: string;
  readonly shapes: Readonly<Record<string, Shape>>;
}

export function requestModel(service: string, operation: string): RequestModel {
  const { operations = {}, shapes = {} } = services[service] ?? {};
  const root = operations[operation]?.input;
  if (root === undefined) throw new Error(`There is no model of ${service}:${operation}.`);
  return { root, shapes };
}

/** A request as it goes over the wire: bytes are base64, times are seconds. What is required is there, the rest may be missing. */
export type Wire<T> = T extends Uint8Array
  ? string
  : T extends Date
    ? number
    : T extends readonly (infer Item)[]
      ? Wire<Item>[]
      : T extends object
        ? { [K in keyof T]: Wire<Exclude<T[K], undefined>> }
        : T;

/** Shapes whose limits the service states with an error of its own: they are checked there. */
const CHECKED_BY_THE_SERVICE: ReadonlySet<string> = new Set(['ClientRequestTokenType', 'QueueAttributeName']);

/**
 * A value of the wrong JSON type is a SerializationException, one outside its limits a ValidationException, as AWS has it. Members
 * that the model does not know are ignored, as AWS ignores them.
 * @throws SerializationException, ValidationException
 */
export function checkRequest(model: RequestModel, input: unknown): asserts input is object {
  const problems = problemsOf(model, model.root, input, '');
  if (problems.length === 0) return;
  const count = problems.length === 1 ? '1 validation error' : `${problems.length} validation errors`;
  throw new AwsError('ValidationException', `${count} detected: ${problems.join('; ')}`);
}

function problemsOf(model: RequestModel, name: string, value: unknown, place: string): string[] {
  const shape = model.shapes[name];
  if (shape === undefined) throw new Error(`The model has no shape ${name}.`);
  const inside = (child: string, of: string, one: unknown) => problemsOf(model, of, one, within(place, child));
  const limits = limitsOf(shape, value, place);
  const own = CHECKED_BY_THE_SERVICE.has(name) ? [] : limits.map((rule) => problem(place, rule));
  if (shape.type === 'list' && Array.isArray(value)) {
    return [...own, ...value.flatMap((item, index) => inside(`${index + 1}.member`, shape.member, item))];
  }
  if (!isObject(value)) return own;
  const given = Object.entries(value).filter(([, one]) => one !== null && one !== undefined);
  if (shape.type === 'map') {
    return [
      ...own,
      ...given.flatMap(([key, one]) => [...inside('key', shape.key, key), ...inside(`${key}.value`, shape.value, one)]),
    ];
  }
  const names = new Set(given.map(([key]) => key));
  const missing = Object.entries(shape.members)
    .filter(([key, { required }]) => required && !names.has(key))
    .map(([key]) => problem(within(place, key), 'Member must not be null'));
  const wrong = given.flatMap(([key, one]) => {
    const member = shape.members[key];
    return member === undefined ? [] : inside(key, member.shape, one);
  });
  return [...missing, ...wrong];
}

function limitsOf(shape: Shape, value: unknown, place: string): string[] {
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY, pattern } = shape;
  const size = sizeOf(shape, value, place);
  const measured = `Member must have ${typeof value === 'number' ? 'value' : 'length'}`;
  const rules: string[] = [];
  if (size !== undefined && size < min) rules.push(`${measured} greater than or equal to ${min}`);
  if (size !== undefined && size > max) rules.push(`${measured} less than or equal to ${max}`);
  if (typeof value !== 'string') return rules;
  if (pattern !== undefined && !wholePattern(pattern).test(value)) {
    rules.push(`Member must satisfy regular expression pattern: ${pattern}`);
  }
  if (shape.enum !== undefined && !shape.enum.includes(value)) {
    rules.push(`Member must satisfy enum value set: [${shape.enum.join(', ')}]`);
  }
  return rules;
}

/** What the limits count. @throws SerializationException for a value of another JSON type. */
function sizeOf({ type }: Shape, value: unknown, place: string): number | undefined {
  if (type === 'boolean' && typeof value === 'boolean') return undefined;
  if ((type === 'structure' || type === 'map') && isObject(value)) {
    return type === 'map' ? Object.keys(value).length : undefined;
  }
  if (type === 'list' && Array.isArray(value)) return value.length;
  if (type === 'timestamp' && typeof value === 'number') return undefined;
  if ((type === 'integer' || type === 'long') && Number.isInteger(value)) return Number(value);
  if (type === 'string' && typeof value === 'string') return value.length;
  if (type === 'blob' && typeof value === 'string' && /^[A-Za-z0-9+/]*={0,2}$/.test(value)) {
    return Buffer.from(value, 'base64').length;
  }
  throw new AwsError('SerializationException', `Unexpected value type in payload at '${place}'`);
}

/** AWS holds a pattern against the whole string, whether or not it is published with anchors. */
function wholePattern(pattern: string): RegExp {
  // Only a pattern with a class of Unicode wants the flag: under it, needless backslashes of the others would be errors.
  return new RegExp(`^(?:${pattern})$`, pattern.includes('\\p{') ? 'u' : '');
}

/** AWS spells the members' names with a small letter. */
function within(place: string, name: string): string {
  const small = name.charAt(0).toLowerCase() + name.slice(1);
  return place === '' ? small : `${place}.${small}`;
}

function problem(place: string, rule: string): string {
  return `Value at '${place}' failed to satisfy constraint: ${rule}`;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
