/** The arrows of the house: entries → runtime → (core, adapters); adapters → core, never each other; core → core. */
module.exports = {
  forbidden: [
    {
      name: 'core-knows-only-core',
      comment:
        'The rules have no SDK, no environment, no clock and no I/O: hashing and parsing alone come from outside.',
      severity: 'error',
      from: { path: '^functions/core/' },
      to: { pathNot: ['^functions/core/', '^(node:)?crypto$', 'node_modules/(valibot|uuid)/'] },
    },
    {
      name: 'adapters-know-core-and-their-neighbour',
      severity: 'error',
      from: { path: '^functions/adapters/' },
      to: { path: '^(functions/(adapters|runtime)/|functions/[^/]+\\.ts$|infra/|test/)' },
    },
    {
      name: 'only-compose-joins-adapters',
      severity: 'error',
      from: { path: '^functions/', pathNot: ['^functions/runtime/compose\\.ts$', '^functions/adapters/'] },
      to: { path: '^functions/adapters/' },
    },
    {
      name: 'nothing-below-knows-the-entries',
      severity: 'error',
      from: { path: '^functions/[^/]+/' },
      to: { path: '^functions/[^/]+\\.ts$' },
    },
    {
      name: 'functions-ship-alone',
      comment: 'Nothing local and no development dependency may end in a bundle.',
      severity: 'error',
      from: { path: '^functions/' },
      to: { path: '^(infra|test)/' },
    },
    {
      name: 'functions-use-shipped-dependencies',
      severity: 'error',
      from: { path: '^functions/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-cycles-in-local',
      comment: 'Types alone make a circle too.',
      severity: 'error',
      from: { path: '^infra/local/' },
      to: { circular: true },
    },
    {
      name: 'the-wire-knows-no-service',
      severity: 'error',
      from: { path: '^infra/local/wire/' },
      to: { path: '^infra/local/', pathNot: '^infra/local/wire/' },
    },
    {
      name: 'local-services-stand-alone',
      comment:
        'Only aws.ts and world.ts join them; but an event source mapping is what lies between Lambda and a queue.',
      severity: 'error',
      from: { path: '^infra/local/([^/]+)/', pathNot: '^infra/local/(wire/|lambda/event-source-mapping)' },
      to: { path: '^infra/local/', pathNot: '^infra/local/($1|wire)/' },
    },
    { name: 'no-orphans-in-functions', severity: 'error', from: { orphan: true, path: '^functions/' }, to: {} },
    {
      name: 'resolvable',
      comment: 'aws-lambda is types alone.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '^aws-lambda$' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.mjs', '.js', '.json'],
    },
  },
};
