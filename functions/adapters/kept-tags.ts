import type { Tagged } from '../core/ports.ts';

/**
 * Keeps tags that were looked up, as long as the container lives. An answer is used again only where it will do, so that a tag which was set since
 * is seen at once, and one which was taken away when the container is replaced.
 */
export function keptTags() {
  const kept = new Map<string, Tagged>();
  return async (id: string, willDo: (tagged: Tagged) => boolean, lookUp: () => Promise<Tagged>): Promise<Tagged> => {
    const known = kept.get(id);
    if (known !== undefined && willDo(known)) return known;
    const tagged = await lookUp();
    kept.set(id, tagged);
    return tagged;
  };
}
