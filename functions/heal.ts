import { heal } from './core/heal.ts';
import { parseFlowEvent } from './runtime/flow-event.ts';
import { lambda } from './runtime/lambda.ts';
import { record, throwWhatMayPass } from './runtime/telemetry.ts';

/** Refreshes the connection of a flow that failed to log in, and starts the flow again if RERUN_FLOWS says so. */
export const create = lambda(async (event, world) => {
  const { report, refreshed, isUnknown } = await heal(parseFlowEvent(event), world);
  record(refreshed, world);
  world.log[isUnknown ? 'warn' : 'info'](`${report.flow}: ${report.message}`, {
    flow: report.flow,
    outcome: report.outcome,
  });
  // Lambda invokes this again after an error.
  throwWhatMayPass(refreshed);
  return report;
});

export const handler = create();
