/** The filters of ListSecrets and BatchGetSecretValue. */
import type { Filter } from '@aws-sdk/client-secrets-manager';
import type { Wire } from '../wire/validation.ts';
import type { SecretEntry } from './store.ts';

/** All filters must hold, one of each filter's values is enough, and a value with `!` in front means the contrary. */
export function passes(entry: SecretEntry, filters: readonly Wire<Filter>[]): boolean {
  return filters.every(({ Key, Values = [] }) =>
    Values.some((value) => (value.startsWith('!') ? !holds(entry, Key, value.slice(1)) : holds(entry, Key, value))),
  );
}

/** Prefixes, in the letters' case; only `description` and `all` do not mind the case. */
function holds(entry: SecretEntry, key: Filter['Key'], value: string): boolean {
  switch (key) {
    case 'name':
      return entry.Name.startsWith(value);
    case 'tag-key':
      return entry.Tags.some((tag) => tag.Key.startsWith(value));
    case 'tag-value':
      return entry.Tags.some((tag) => tag.Value.startsWith(value));
    case 'description':
      return entry.Description?.toLowerCase().startsWith(value.toLowerCase()) ?? false;
    case 'all': {
      const words = value
        .toLowerCase()
        .split(/[ /_+=.@-]+/)
        .filter((word) => word !== '');
      const attributes = [entry.Name, entry.Description ?? '', ...entry.Tags.flatMap((tag) => [tag.Key, tag.Value])];
      return words.some((word) => attributes.some((attribute) => attribute.toLowerCase().includes(word)));
    }
    default:
      // Neither replicas nor secrets of other services live here.
      return false;
  }
}
