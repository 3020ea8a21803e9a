/**
 * The arrows of the house, folder by folder: entries → runtime → (core, adapters); adapters → core, never each other; core → core.
 * Imports of types count as well: a file that only names another one still has to be read beside it.
 */

/** What every room of core may stand on: the vocabulary of the rules. */
const VOCABULARY =
  '^functions/core/(access-token-end|context|credentials|errors|hint|parsing|ports|redacted|retry|run|schedule|secret-text|wording)\\.ts$';
/** Hashing and parsing: all that the rules take from outside. */
const PURE = ['^(node:)?crypto$', 'node_modules/(valibot|uuid)/'];

module.exports = {
  forbidden: [
    {
      name: 'no-circles',
      comment: 'Type-only imports are no exception.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'core-knows-only-core',
      comment: 'The rules have no SDK, no environment, no clock and no I/O.',
      severity: 'error',
      from: { path: '^functions/core/' },
      to: { pathNot: ['^functions/core/', ...PURE] },
    },
    {
      name: 'connection-stands-on-the-vocabulary',
      comment: 'What a secret and its tags say, and whom a profile belongs to, depends on no grant and no use case.',
      severity: 'error',
      from: { path: '^functions/core/connection/' },
      to: { pathNot: ['^functions/core/connection/', VOCABULARY, ...PURE] },
    },
    {
      name: 'token-rotation-stands-on-connection',
      comment: 'The protocol knows tokens and stores. It does not know who asks, nor what the tokens are for.',
      severity: 'error',
      from: { path: '^functions/core/token-rotation/' },
      to: { pathNot: ['^functions/core/(token-rotation|connection)/', VOCABULARY, ...PURE] },
    },
    {
      name: 'grants-stand-on-token-rotation',
      comment: 'A grant obtains credentials. What becomes of them is the business of the use cases.',
      severity: 'error',
      from: { path: '^functions/core/grants/' },
      to: { pathNot: ['^functions/core/(grants|token-rotation|connection)/', VOCABULARY, ...PURE] },
    },
    {
      name: 'one-grant-knows-no-other',
      severity: 'error',
      from: { path: '^functions/core/grants/(jwt-bearer|client-credentials|authorization-code)\\.ts$' },
      to: { path: '^functions/core/grants/(jwt-bearer|client-credentials|authorization-code|grant-of)\\.ts$' },
    },
    {
      name: 'only-token-rotation-opens-its-inner-rooms',
      comment: 'The doors are protocol.ts, the context it wants, and the record that it keeps.',
      severity: 'error',
      from: { path: '^functions/core/', pathNot: '^functions/core/token-rotation/' },
      to: { path: '^functions/core/token-rotation/lease\\.ts$' },
    },
    {
      name: 'adapters-know-core-and-their-neighbour',
      comment:
        'They share one AWS call and its errors; the token endpoint has the table of its refusals beside it, the signer what reads keys.',
      severity: 'error',
      from: { path: '^functions/adapters/' },
      to: {
        path: '^(functions/|infra/|test/)',
        pathNot: [
          VOCABULARY,
          '^functions/core/connection/connection\\.ts$',
          '^functions/adapters/(aws-answer|aws-call|kept-tags|secret-call|salesforce-(cures|outcome|refusal|reply)|key-material|pem|pem-text|foreign-keys)\\.ts$',
        ],
      },
    },
    {
      name: 'only-compose-joins-adapters',
      severity: 'error',
      from: { path: '^functions/', pathNot: ['^functions/runtime/compose\\.ts$', '^functions/adapters/'] },
      to: { path: '^functions/adapters/' },
    },
    {
      name: 'entries-come-first',
      comment: 'Nothing below knows an entry, and no entry knows another.',
      severity: 'error',
      from: { path: '^functions/' },
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
      name: 'the-command-line-asks-the-use-cases',
      comment:
        'It is another entry: it reads settings and composes as the functions do, and words refusals of log-ins of its own.',
      severity: 'error',
      from: { path: '^infra/cli/' },
      to: {
        path: '^(functions/|infra/|test/)',
        pathNot: [
          '^infra/(cli/|(install|node24)\\.mjs$)',
          '^functions/core/',
          '^functions/runtime/(clock|compose|settings)\\.ts$',
          '^functions/adapters/(aws-answer|aws-call|salesforce-(outcome|refusal|reply))\\.ts$',
        ],
      },
    },
    {
      name: 'the-stand-ins-know-no-rules',
      comment:
        'They stand for AWS and Salesforce. Only the local Lambda loads the handlers, by the clock of the runtime.',
      severity: 'error',
      from: { path: '^infra/local/' },
      to: {
        path: '^(functions/|infra/|test/)',
        pathNot: [
          '^infra/local/',
          '^functions/[^/]+\\.ts$',
          '^functions/runtime/clock\\.ts$',
          '^functions/core/run\\.ts$',
        ],
      },
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
