/** Connections served or asked about at once: no call rate of AppFlow's is published. */
export const AT_ONCE = 5;

/** Does something with each item, a few at once. @returns the results in the order of the items */
export async function inTurns<T, R>(items: readonly T[], act: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const rest = items.entries();
  const worker = async () => {
    for (const [index, item] of rest) results[index] = await act(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}
