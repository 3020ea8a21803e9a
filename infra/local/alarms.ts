/** The alarms of the deployment, worked out from what the functions and queues measure at each tick, as CloudWatch does. */
import * as v from 'valibot';
import { template } from './deployment.ts';

const Alarm = v.object({
  Properties: v.object({
    AlarmName: v.string(),
    MetricName: v.string(),
    Statistic: v.picklist(['Maximum', 'Sum', 'SampleCount']),
    EvaluationPeriods: v.number(),
    DatapointsToAlarm: v.optional(v.number()),
    Threshold: v.number(),
    ComparisonOperator: v.picklist(['GreaterThanThreshold', 'LessThanThreshold']),
    TreatMissingData: v.picklist(['ignore', 'breaching', 'notBreaching']),
  }),
});
const Resources = v.object({ Resources: v.record(v.string(), v.looseObject({ Type: v.string() })) });

/** What one tick measured: values by the names of alarms or metrics; what is missing was not measured. */
export type Measured = ReadonlyMap<string, number>;

export interface AlarmChange {
  /** Without service and stage: `overdue-connections`. */
  readonly name: string;
  readonly state: 'ALARM' | 'OK';
}

/** Follows all alarms of the template from tick to tick. */
export class Alarms {
  readonly #alarms = Object.values(v.parse(Resources, template('infra/aws/alarms.yml')).Resources).flatMap(
    (resource) =>
      v.is(Alarm, resource) ? [{ ...resource.Properties, name: nameOf(resource.Properties.AlarmName) }] : [],
  );
  readonly #points = new Map<string, (number | undefined)[]>();
  readonly #ringing = new Set<string>();

  get ringing(): readonly string[] {
    return [...this.#ringing];
  }

  /** @returns the alarms whose state has changed, in the order of the template */
  tick(measured: Measured): readonly AlarmChange[] {
    return this.#alarms.flatMap((alarm): AlarmChange[] => {
      const { name, MetricName, EvaluationPeriods } = alarm;
      const points = [...(this.#points.get(name) ?? []), measured.get(name) ?? measured.get(MetricName)];
      this.#points.set(name, points.slice(-EvaluationPeriods));
      const isRinging = isBreached(alarm, points.slice(-EvaluationPeriods)) ?? this.#ringing.has(name);
      if (isRinging === this.#ringing.has(name)) return [];
      if (isRinging) this.#ringing.add(name);
      else this.#ringing.delete(name);
      return [{ name, state: isRinging ? 'ALARM' : 'OK' }];
    });
  }
}

/** @returns `undefined` where missing data leaves the state as it is */
function isBreached(
  alarm: v.InferOutput<typeof Alarm>['Properties'],
  points: readonly (number | undefined)[],
): boolean | undefined {
  const { EvaluationPeriods, DatapointsToAlarm = EvaluationPeriods, Threshold, ComparisonOperator } = alarm;
  const { Statistic, TreatMissingData } = alarm;
  if (TreatMissingData === 'ignore' && points.every((point) => point === undefined)) return undefined;
  const breaching = points.filter((point) => {
    if (point === undefined) return TreatMissingData === 'breaching';
    const value = Statistic === 'SampleCount' ? 1 : point;
    return ComparisonOperator === 'GreaterThanThreshold' ? value > Threshold : value < Threshold;
  });
  return breaching.length >= DatapointsToAlarm;
}

function nameOf(alarmName: string): string {
  return alarmName.replace(/^\$\{self:service\}-\$\{sls:stage\}-/, '');
}

const Embedded = v.object({
  _aws: v.object({
    CloudWatchMetrics: v.array(v.object({ Metrics: v.array(v.object({ Name: v.string() })) })),
  }),
});

/** The metrics that a function wrote into its log: CloudWatch's embedded metric format. Of several values the greatest counts. */
export function metricsIn(lines: readonly string[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const line of lines) {
    if (!line.startsWith('{"_aws"') && !line.includes('"CloudWatchMetrics"')) continue;
    const values: unknown = JSON.parse(line);
    const embedded = v.safeParse(Embedded, values);
    if (!embedded.success) continue;
    const names = embedded.output._aws.CloudWatchMetrics.flatMap(({ Metrics }) => Metrics.map(({ Name }) => Name));
    for (const name of names) {
      const parsed = v.safeParse(v.object({ [name]: v.union([v.number(), v.array(v.number())]) }), values);
      if (!parsed.success) continue;
      const value = parsed.output[name] ?? 0;
      found.set(name, Math.max(found.get(name) ?? 0, ...[value].flat()));
    }
  }
  return found;
}
