import { resolve } from 'node:path';
import { type BuildOptions, build, type Plugin } from 'esbuild';

/** What goes into the zip of a function, and which files it was made of. */
export interface Bundle {
  /** Contents by path in the zip. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Absolute paths of the modules of which something is in the files. */
  readonly modules: ReadonlySet<string>;
}

/**
 * Packages that few containers ever load, and that `import()` names, with what is used of them: each lies beside the function in a file of its own.
 * Otherwise its text would be parsed at each cold start.
 */
const BESIDE: ReadonlyMap<string, string> = new Map([
  ['tldts-icann', '*'],
  ['@aws-sdk/client-eventbridge', '{ EventBridgeClient, PutEventsCommand }'],
]);

/**
 * @param root the folder of the project
 * @param entry the function's file without its ending, such as `functions/refresh`
 */
export async function bundle(root: string, entry: string): Promise<Bundle> {
  const main = await built(root, { entryPoints: [`${entry}.ts`], outfile: `${entry}.js`, plugins: [beside] });
  const parts = [main];
  for (const [name, used] of BESIDE) {
    if (!main.imports.has(`./${name}.js`)) continue;
    const stdin = { contents: `export ${used} from '${name}';`, resolveDir: root };
    parts.push(await built(root, { stdin, outfile: entry.replace(/[^/]*$/, `${name}.js`) }));
  }
  return {
    files: new Map(parts.map(({ path, content }) => [path, content])),
    modules: new Set(parts.flatMap(({ modules }) => modules)),
  };
}

const beside: Plugin = {
  name: 'beside',
  setup({ onResolve }) {
    for (const name of BESIDE.keys())
      onResolve({ filter: new RegExp(`^${name}$`) }, ({ kind }) =>
        kind === 'dynamic-import' ? { path: `./${name}.js`, external: true } : undefined,
      );
  },
};

async function built(root: string, options: BuildOptions & { readonly outfile: string }) {
  const { outputFiles, metafile } = await build({
    ...options,
    absWorkingDir: root,
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    target: 'node24',
    // Nothing is left out, not even the AWS SDK: the runtime's own copy changes without a deploy.
    // Node starts a CommonJS bundle faster than a module. No package.json lies in the zip, so that is what .js means there.
    format: 'cjs',
    // A package that ships both forms is taken as modules: esbuild can then leave out what nobody calls.
    mainFields: ['module', 'main'],
    // Names and lines stay as they were written, so that the place which is logged of a bug can be read in the Lambda console. Minified, a
    // bundle would start hardly faster; a source map would be as large as the bundle and slow down every error.
    keepNames: true,
    // The bundle names its modules by path: by the one in the project, wherever node_modules really lies.
    preserveSymlinks: true,
    logLevel: 'silent',
  });
  const [file] = outputFiles;
  const [output] = Object.values(metafile.outputs);
  if (file === undefined || output === undefined) throw new Error(`esbuild made nothing of ${options.outfile}.`);
  return {
    path: options.outfile,
    content: file.contents,
    imports: new Set(output.imports.map(({ path }) => path)),
    modules: Object.entries(output.inputs).flatMap(([path, { bytesInOutput }]) =>
      bytesInOutput > 0 ? [resolve(root, path)] : [],
    ),
  };
}
