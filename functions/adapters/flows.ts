import { type AppflowClient, ListFlowsCommand } from '@aws-sdk/client-appflow';
import * as v from 'valibot';
import { type Flow, type FlowInUse, type Flows, MOST_FLOWS_TOLD } from '../core/ports.ts';
import type { Run } from '../core/run.ts';
import { bounded } from '../core/wording.ts';
import { list, pages, readable, text } from './aws-answer.ts';
import { callAws } from './aws-call.ts';

/** The most flows on a page of ListFlows. */
const PAGE = 100;
/** Flows described at once: no call rate of AppFlow's is published. */
const AT_ONCE = 5;
/** Flows described in a run. An account has at most 1,000 unless its quota was raised. */
const MOST_FLOWS = 1_000;
/** Characters of a schedule, which anybody who makes a flow may choose. */
const MOST_SCHEDULE = 120;

const ListAnswer = v.object({
  nextToken: text,
  flows: list(v.object({ flowName: text, sourceConnectorType: text, destinationConnectorType: text })),
});

/**
 * Which flows use which Salesforce profile. What was found is kept for the run that asked, since many connections of a run may want to know.
 *
 * @param describe `DescribeFlow`, which alone names the profiles
 */
export function flowsInUse(client: AppflowClient, describe: Flows['flow']): Flows['inUse'] {
  let kept: { readonly runId: string; readonly uses: Promise<ReadonlyMap<string, readonly FlowInUse[]>> } | undefined;
  return async (connectorProfileNames, run) => {
    if (kept?.runId !== run.id) kept = { runId: run.id, uses: allUses(client, describe, run) };
    const uses = await kept.uses;
    return new Map(
      connectorProfileNames.flatMap((name) => {
        const found = uses.get(name);
        return found === undefined ? [] : [[name, found] as const];
      }),
    );
  };
}

/** The first of them, without what AppFlow says: for the notices. */
export function flowUses(inUse: Flows['inUse']): Flows['flowsOf'] {
  return async (connectorProfileNames, run) => {
    const all = await inUse(connectorProfileNames, run);
    return new Map(
      [...all].map(([name, flows]) => [
        name,
        flows.slice(0, MOST_FLOWS_TOLD).map(({ flowName, trigger }) => ({ flowName, trigger })),
      ]),
    );
  };
}

async function allUses(
  client: AppflowClient,
  describe: Flows['flow'],
  run: Run,
): Promise<ReadonlyMap<string, readonly FlowInUse[]>> {
  const names = await salesforceFlows(client, run);
  const flows = new Map<string, Flow>();
  const rest = names.values();
  const worker = async () => {
    for (const flowName of rest) {
      const flow = await describe(flowName, run);
      // It may have been deleted since it was listed.
      if (flow !== undefined) flows.set(flowName, flow);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const uses = new Map<string, FlowInUse[]>();
  for (const flowName of names) {
    const flow = flows.get(flowName);
    if (flow === undefined) continue;
    for (const profile of flow.connectorProfileNames) {
      const told = uses.get(profile) ?? [];
      told.push({ flowName, trigger: triggerOf(flow), flow });
      uses.set(profile, told);
    }
  }
  return uses;
}

/** The names of the flows with Salesforce at either end, sorted. */
async function salesforceFlows(client: AppflowClient, run: Run): Promise<string[]> {
  const asked = { action: 'appflow:ListFlows', resource: '*', unavailable: 'APPFLOW_UNAVAILABLE' } as const;
  const names: string[] = [];
  const get = async (nextToken: string | undefined) => {
    const page = await callAws(asked, run, async (options) =>
      readable(ListAnswer, await client.send(new ListFlowsCommand({ maxResults: PAGE, nextToken }), options), asked),
    );
    for (const { flowName, sourceConnectorType, destinationConnectorType } of page.flows) {
      const isSalesforce = sourceConnectorType === 'Salesforce' || destinationConnectorType === 'Salesforce';
      if (isSalesforce && typeof flowName === 'string') names.push(flowName);
    }
    return names.length < MOST_FLOWS ? page.nextToken : undefined;
  };
  await pages(asked, get, (next) => next);
  return names.slice(0, MOST_FLOWS).sort();
}

function triggerOf({ triggerType = 'OnDemand', schedule }: Flow): string {
  return schedule === undefined ? triggerType : bounded(`${triggerType} ${schedule}`, MOST_SCHEDULE);
}
