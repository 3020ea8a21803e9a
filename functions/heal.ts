import { heal } from './core/heal.ts';
import { noticesOf } from './core/notices.ts';
import { answerChange } from './core/profile-change.ts';
import { parseFlowEvent } from './runtime/flow-event.ts';
import { lambda, type World } from './runtime/lambda.ts';
import { isCallEvent, parseProfileEvent } from './runtime/profile-event.ts';
import { announce, record, throwWhatMayPass } from './runtime/telemetry.ts';

/** A flow failed to log in: refreshes its connection, and starts the flow again if RERUN_FLOWS says so. */
async function healFlow(event: unknown, world: World) {
  const { report, refreshed, isUnknown } = await heal(parseFlowEvent(event), world);
  record(refreshed, world);
  world.log[isUnknown ? 'warn' : 'info'](`${report.flow}: ${report.message}`, {
    flow: report.flow,
    outcome: report.outcome,
  });
  await announce(await noticesOf(refreshed.served, world), world);
  // Lambda invokes this again after an error.
  throwWhatMayPass(refreshed);
  return report;
}

/** Somebody changed a profile: puts our credential back, and tells people. */
async function answerCall(event: unknown, world: World) {
  const { report, refreshed, told } = await answerChange(parseProfileEvent(event), world);
  record(refreshed, world);
  const { outcome, message, connections } = report;
  const fields = connections[0] === undefined ? {} : { connection: connections[0].connection };
  world.log.info(message, { outcome, ...fields });
  await announce(told, world);
  throwWhatMayPass(refreshed);
  return report;
}

/** Refreshes the connection of a flow that failed to log in, or of a profile that somebody else has changed. */
export const create = lambda(async (event, world) =>
  isCallEvent(event) ? await answerCall(event, world) : await healFlow(event, world),
);

export const handler = create();
