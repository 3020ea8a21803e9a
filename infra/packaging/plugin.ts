import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { functionZip } from './function-zip.ts';
import { parameterProblems, Service } from './parameters.ts';

/** What is used of the framework. */
interface Framework {
  readonly serviceDir: string;
  readonly service: { readonly functions: Record<string, { handler: string; package?: { artifact?: string } }> };
  readonly configurationInput: unknown;
  readonly classes: { readonly Error: new (message: string, code: string) => Error };
}

const Parameters = v.optional(v.record(v.string(), v.record(v.string(), v.unknown())), {});
const Configuration = v.object({ params: Parameters });
const Options = v.object({ stage: v.optional(v.string()), param: v.optional(v.array(v.string()), []) });

/** Stops the packaging where a parameter is wrong, and makes the zip of each function. */
export default class Packaging {
  readonly hooks: Readonly<Record<string, () => Promise<void>>>;

  constructor(framework: Framework, options: unknown) {
    const check = () => checkParameters(framework, options);
    const make = () => makeZips(framework);
    this.hooks = {
      'before:package:initialize': check,
      'before:package:createDeploymentArtifacts': make,
      'before:deploy:function:initialize': check,
      'before:deploy:function:packageFunction': make,
    };
  }
}

async function checkParameters({ service, configurationInput, classes }: Framework, options: unknown): Promise<void> {
  const { params } = v.parse(Configuration, configurationInput);
  const { param } = v.parse(Options, options);
  const declared = Object.keys(params['default'] ?? {});
  const given = [...Object.values(params).flatMap(Object.keys), ...param.map((one) => one.split('=')[0] ?? '')];
  const problems = await parameterProblems(v.parse(Service, service), { declared, given });
  if (problems.length === 0) return;
  const lines = problems.map((problem) => `  - ${problem}`);
  throw new classes.Error(
    `The parameters of this deployment are wrong; docs/settings.md describes them.\n${lines.join('\n')}`,
    'PARAMETERS_INVALID',
  );
}

/** Leaves `.serverless/<function>.zip` for each function. */
async function makeZips({ serviceDir, service, classes }: Framework): Promise<void> {
  mkdirSync(join(serviceDir, '.serverless'), { recursive: true });
  for (const [name, lambda] of Object.entries(service.functions)) {
    try {
      const artifact = `.serverless/${name}.zip`;
      writeFileSync(join(serviceDir, artifact), await functionZip(serviceDir, lambda.handler.replace(/\.\w+$/, '')));
      lambda.package = { artifact };
    } catch (error) {
      throw new classes.Error(`${name}: ${error instanceof Error ? error.message : String(error)}`, 'PACKAGING_FAILED');
    }
  }
}
