/** What SQS's three batch operations have in common. */
import { AwsError } from '../wire/wire.ts';

const MAX_BATCH = 10;

/** Each entry on its own: one that is refused leaves the others alone. */
export function batch<E extends { readonly Id: string }>(
  entries: readonly E[],
  name: string,
  apply: (entry: E) => object,
) {
  checkBatch(entries, name);
  const Successful: object[] = [];
  const Failed: object[] = [];
  for (const entry of entries) {
    try {
      Successful.push({ Id: entry.Id, ...apply(entry) });
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      Failed.push({ Id: entry.Id, SenderFault: true, Code: error.code, Message: error.message });
    }
  }
  return { Successful, Failed };
}

export function checkBatch(entries: readonly { readonly Id: string }[], name: string): void {
  if (entries.length === 0)
    throw batchError('EmptyBatchRequest', `There should be at least one ${name} in the request.`);
  if (entries.length > MAX_BATCH) {
    const message = `Maximum number of entries per request are ${MAX_BATCH}. You have sent ${entries.length}.`;
    throw batchError('TooManyEntriesInBatchRequest', message);
  }
  const seen = new Set<string>();
  for (const { Id } of entries) {
    if (!/^[A-Za-z0-9_-]{1,80}$/.test(Id)) {
      const message =
        'A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.';
      throw batchError('InvalidBatchEntryId', message);
    }
    if (seen.has(Id)) throw batchError('BatchEntryIdsNotDistinct', `Id ${Id} repeated.`);
    seen.add(Id);
  }
}

export function batchError(code: string, message: string): AwsError {
  return new AwsError(code, message, 400, `AWS.SimpleQueueService.${code}`);
}
