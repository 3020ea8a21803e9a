/** The most that one sentence names. */
const MOST = 5;

/** Names for one sentence: five of them, and how many more there are. */
export function listed(names: readonly string[]): string {
  const more = names.length - MOST;
  return more <= 0 ? names.join(', ') : `${names.slice(0, MOST).join(', ')} and ${more} more`;
}
