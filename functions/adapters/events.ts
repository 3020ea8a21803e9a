import type { EventBridgeClient, PutEventsResultEntry } from '@aws-sdk/client-eventbridge';
import { RefreshError } from '../core/errors.ts';
import type { Notice, Notices } from '../core/ports.ts';
import type { Run } from '../core/run.ts';
import { publicName } from '../core/wording.ts';
import { type AwsCall, callAws } from './aws-call.ts';

/** The `source` of all events of ours. */
export const SOURCE = 'appflow-token-refresher';

/** The most entries that PutEvents takes. Ten of ours, each bounded, stay far below its 256 KB. */
const BATCH = 10;

const CALL: AwsCall = {
  action: 'events:PutEvents',
  resource: 'event-bus/default',
  // The contract has no code of its own for the bus; nothing waits for it.
  unavailable: 'APPFLOW_UNAVAILABLE',
};

/** EventBridge's default bus. @param load makes the client; asked only where there is something to tell */
export function eventsAdapter(load: () => Promise<EventBridgeClient>): Notices {
  async function putBatch(notices: readonly Notice[], run: Run): Promise<void> {
    const { PutEventsCommand } = await import('@aws-sdk/client-eventbridge');
    const client = await load();
    const Entries = notices.map(({ kind, detail }) => ({
      Source: SOURCE,
      DetailType: kind,
      Detail: JSON.stringify(detail),
    }));
    // It answers 200 also where it took nothing.
    const answer = await callAws(CALL, run, (options) => client.send(new PutEventsCommand({ Entries }), options));
    const refused = (answer.Entries ?? []).filter(({ ErrorCode }) => ErrorCode !== undefined);
    if (refused.length > 0) throw notTaken(refused);
  }

  return {
    async put(notices, run) {
      for (let at = 0; at < notices.length; at += BATCH) await putBatch(notices.slice(at, at + BATCH), run);
    },
  };
}

function notTaken(refused: readonly PutEventsResultEntry[]): RefreshError {
  return new RefreshError(
    'APPFLOW_UNAVAILABLE',
    `EventBridge did not take ${refused.length} of our events (${publicName(refused[0]?.ErrorCode)}).`,
    'Nothing to do for the refresh, which is done. See whether the default event bus of this account takes events.',
  );
}
