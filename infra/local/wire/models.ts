/** What AWS's own API models say of a request. The data is made by models/extract.py. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';

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
const Models = v.object({
  services: v.record(
    v.string(),
    v.object({
      operations: v.record(v.string(), v.object({ input: v.string() })),
      shapes: v.record(v.string(), Shape),
    }),
  ),
});

export type Shape = v.InferOutput<typeof Shape>;

export interface RequestModel {
  readonly root: string;
  shape(name: string): Shape;
}

const { services } = v.parse(
  Models,
  JSON.parse(readFileSync(join(import.meta.dirname, 'models/requests.json'), 'utf8')),
);

export function requestModel(service: string, operation: string): RequestModel {
  const model = services[service];
  const root = model?.operations[operation]?.input;
  if (model === undefined || root === undefined) throw new Error(`There is no model of ${service}:${operation}.`);
  return {
    root,
    shape(name) {
      const shape = model.shapes[name];
      if (shape === undefined) throw new Error(`The model of ${service} has no shape ${name}.`);
      return shape;
    },
  };
}
