import * as v from 'valibot';
import { RefreshError } from '../../functions/core/errors.ts';
import { parseSettings } from '../../functions/runtime/settings.ts';

const Text = v.pipe(
  v.union([v.string(), v.number(), v.boolean()]),
  v.transform((value) => String(value)),
);
/** A variable that is no text, such as a reference, gets its value from the deployment, and the deployment makes it. */
const Variables = v.pipe(
  v.optional(v.record(v.string(), v.unknown()), {}),
  v.transform((all) =>
    Object.fromEntries(
      Object.entries(all).flatMap(([name, value]) => (v.is(Text, value) ? [[name, String(value)]] : [])),
    ),
  ),
);
const Parameter = v.object({ Type: v.string(), Default: v.optional(Text, ''), AllowedPattern: v.optional(v.string()) });

/** What is looked at of a service, once the framework has put the values in place of its variables. */
export const Service = v.object({
  custom: v.object({ rates: v.record(v.string(), v.string()) }),
  provider: v.object({ environment: Variables }),
  functions: v.record(v.string(), v.object({ environment: Variables })),
  resources: v.object({ Parameters: v.record(v.string(), Parameter) }),
});

/** The parameters of a deployment: those that the service declares, and those that were given for it. */
export interface Names {
  readonly declared: readonly string[];
  readonly given: readonly string[];
}

/**
 * Everything that is wrong with what a deployment is packaged with, one sentence each, in the names of its parameters.
 *
 * The settings go through the functions' own parser, as it works in Lambda. So what it would refuse there is never deployed.
 */
export async function parameterProblems(service: v.InferOutput<typeof Service>, names: Names): Promise<string[]> {
  const { custom, provider, functions, resources } = service;
  const problems = new Set<string>();
  for (const name of unknown(names)) problems.add(`there is no parameter ${name}`);
  for (const { environment } of Object.values(functions)) {
    const env = { ...provider.environment, ...environment, AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x' };
    for (const problem of await settingsProblems(env)) problems.add(problem);
  }
  const tick = provider.environment['TICK_SECONDS'];
  const ticks = Object.keys(custom.rates);
  if (tick !== undefined && !ticks.includes(tick)) problems.add(`tickSeconds is not one of ${ticks.join(', ')}`);
  for (const [name, { AllowedPattern, Type, Default }] of Object.entries(resources.Parameters)) {
    const values = Type === 'CommaDelimitedList' ? Default.split(',').map((value) => value.trim()) : [Default];
    if (AllowedPattern !== undefined && !values.every((value) => new RegExp(`^(?:${AllowedPattern})$`).test(value)))
      problems.add(`${parameterOf(name)} does not match ${AllowedPattern}`);
  }
  const empty = (name: string) => (resources.Parameters[name]?.Default ?? '') === '';
  if (empty('SubnetIds') !== empty('SecurityGroupIds'))
    problems.add('subnetIds and securityGroupIds go together: give both');
  return [...problems];
}

function unknown({ declared, given }: Names): string[] {
  return given.filter((name) => !declared.includes(name));
}

/** @param env as the functions will have it; QUEUE_URL comes with the deployment */
async function settingsProblems(env: Readonly<Record<string, string>>): Promise<string[]> {
  try {
    await parseSettings(env, false);
    return [];
  } catch (error) {
    if (!(error instanceof RefreshError)) throw error;
    // A parameter has the name of its setting, in the spelling of parameters.
    const said = error.message.replaceAll(/\b[A-Z]+(_[A-Z]+)+\b/g, (name) =>
      name.toLowerCase().replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
    );
    return said.replace(/\.$/, '').split('; ');
  }
}

/** `AlarmTopicArn` in CloudFormation is `alarmTopicArn` for the framework. */
function parameterOf(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1);
}
