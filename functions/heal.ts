import { heal } from './core/heal.ts';
import { parseFlowEvent } from './runtime/flow-event.ts';
import { lambda } from './runtime/lambda.ts';
import { record } from './runtime/telemetry.ts';

/** Refreshes the connection of a flow that failed to log in, and starts the flow again if RERUN_FLOWS says so. */
export const create = lambda(async (event, world) => {
  const { rules, settings, ports, run, log } = world;
  const { report, served } = await heal(parseFlowEvent(event), { ...rules, ...settings }, ports, run);
  // Lambda invokes this again after an error; it is logged on its way out.
  const worthRetrying = served.find(({ error }) => error?.retryable === true)?.error;
  if (worthRetrying !== undefined) throw worthRetrying;
  record(served, world);
  const { connections: _logged, ...line } = report;
  log.info(`${report.flow}: ${report.message}`, line);
  return report;
});

export const handler = create();
