import { beforeAll, describe, expect, it } from 'vitest';
import { parseFlowEvent } from '../../functions/runtime/flow-event.ts';
import { parseRotationEvent } from '../../functions/runtime/rotation-event.ts';
import type { FunctionName } from '../../infra/local/deployment.ts';
import { captureOutput } from '../../infra/local/output.ts';
import { type TestWorld, testWorld } from '../support/world.ts';

/** What must not be seen again: no word of ours has a piece of it. */
const MARKER = 'q7Xw2Zk9Jv4Qy8Rt1Mn6';
const FUNCTIONS = ['dispatch', 'refresh', 'rotate', 'heal'] as const;

const deep = (depth: number): unknown => JSON.parse(`${'['.repeat(depth)}"${MARKER}"${']'.repeat(depth)}`);
const EVENTS: readonly (readonly [string, unknown])[] = [
  ['a bare string', MARKER],
  ['an empty string', ''],
  ['a number', 5123456789012345],
  ['null', null],
  ['true', true],
  ['a list', [{ connections: [MARKER] }]],
  ['an empty list', []],
  ['JSON as a string', JSON.stringify({ connections: [MARKER], scheduledTime: MARKER, Step: MARKER, detail: MARKER })],
  ['a string of 1 MB', MARKER.repeat(50_000)],
  ['1,000 lists in each other', deep(1_000)],
  ['an unknown key', { [MARKER]: MARKER }],
  ['the key __proto__', JSON.parse(`{"__proto__": {"connections": ["${MARKER}"]}}`)],
  ['the key constructor', { constructor: { name: MARKER } }],
  ['a message with a long id', { Records: [{ eventSource: 'aws:sqs', messageId: `${MARKER} `, body: '{}' }] }],
  ['too many names', { connections: Array.from({ length: 1_001 }, (_, n) => `sf-${n}`) }],
  [
    'values of the wrong kinds',
    {
      connections: MARKER,
      dryRun: MARKER,
      force: MARKER,
      scheduledTime: MARKER,
      Step: MARKER,
      SecretId: [MARKER],
      ClientRequestToken: { a: MARKER },
      id: [MARKER],
      time: MARKER,
      'detail-type': MARKER,
      detail: MARKER,
    },
  ],
  [
    'keys in small letters',
    { step: MARKER, secretId: MARKER, clientRequestToken: MARKER, scheduledtime: MARKER, Connections: [MARKER] },
  ],
  [
    'keys in capitals',
    { STEP: MARKER, SECRETID: MARKER, FORCE: MARKER, CONNECTIONS: MARKER, DETAIL: { 'FLOW-NAME': MARKER } },
  ],
  ['an event around the event', { Payload: { Step: 'createSecret', SecretId: MARKER, connections: [MARKER] } }],
  ['an event in a list', [{ Step: 'createSecret', SecretId: MARKER, ClientRequestToken: MARKER }]],
  ['records that are no messages', { Records: [{ body: MARKER }, MARKER, null, [MARKER]] }],
  ['no records', { Records: [], [MARKER]: MARKER }],
  [
    'parts as JSON text',
    {
      id: 'x',
      time: '2026-11-24T03:00:00Z',
      'detail-type': 'AppFlow Event Flow Deactivated',
      detail: JSON.stringify({ 'flow-name': MARKER }),
      connections: JSON.stringify([MARKER]),
      Step: JSON.stringify('createSecret'),
    },
  ],
  [
    'a flow whose parts are of the wrong kinds',
    {
      id: 'x',
      time: '2026-11-24T03:00:00Z',
      'detail-type': 'AppFlow End Flow Run Report',
      detail: {
        'flow-name': `${MARKER} ${MARKER}`,
        error: { message: MARKER },
        status: [MARKER],
        'start-time': MARKER,
      },
    },
  ],
  [
    'lists for objects',
    {
      connections: [[MARKER]],
      force: [MARKER],
      Step: [MARKER],
      SecretId: [MARKER],
      id: [MARKER],
      time: [MARKER],
      detail: [MARKER],
    },
  ],
  [
    '5,000 wrong names',
    {
      connections: Array.from({ length: 5_000 }, () => `${MARKER} `),
      force: MARKER,
      Step: MARKER,
      'detail-type': MARKER,
    },
  ],
];

describe.each(FUNCTIONS)('%s', (name: FunctionName) => {
  let world: TestWorld;
  beforeAll(() => {
    process.env['POWERTOOLS_LOG_LEVEL'] = 'DEBUG';
  });

  it('refuses whatever is no event of its own, at once, and repeats nothing of it', async () => {
    world = await testWorld();
    for (const [what, event] of EVENTS) {
      const { result, lines } = await captureOutput(() =>
        world.invoke(name, event).then(
          () => undefined,
          (thrown: Error) => thrown,
        ),
      );
      expect(result?.name, `${what}: ${result?.message}`).toBe('INPUT_INVALID');
      expect(result?.message.length, what).toBeLessThanOrEqual(1_000);
      const said = `${lines.join('\n')}\n${result?.stack}`;
      expect(said.includes(MARKER.slice(0, 12)) || said.includes('5123456789012345'), what).toBe(false);
    }
    expect(world.aws.calls).toEqual([]);
  });
});

describe('the refusal of an event', () => {
  const refusal = async (name: FunctionName, event: unknown): Promise<string> => {
    const world = await testWorld();
    return world.invoke(name, event).then(
      () => '',
      (thrown: Error) => thrown.message,
    );
  };

  it('names every key that is unknown, and what is wrong with the others', async () => {
    const event = { conections: ['a'], dryrun: true, connections: 7, [MARKER]: 1 };
    expect(await refusal('refresh', event)).toBe(
      'connections must be a list of names; conections is not a key of this event; dryrun is not a key of this event; a key whose name is not shown is not a key of this event.',
    );
    expect(await refusal('refresh', {})).toBe('connections is missing.');
    expect(await refusal('rotate', MARKER)).toBe('the event must be a JSON object, and is of type string.');
    expect(await refusal('rotate', { step: 'createSecret', secretId: MARKER, clientRequestToken: MARKER })).toBe(
      'Step is missing; SecretId is missing; ClientRequestToken is missing.',
    );
    expect(await refusal('dispatch', [])).toBe('the event must be a JSON object, and is a list.');
    expect(await refusal('dispatch', '{}')).toBe('the event must be a JSON object, and is of type string.');
  });

  it('says so where a part of it is text that should be an object', () => {
    const event = { id: 'x', time: '2026-11-24T03:00:00Z', 'detail-type': 'AppFlow End Flow Run Report' };
    expect(() => parseFlowEvent({ ...event, detail: '{"flow-name":"x"}' })).toThrow(
      /^detail must be a JSON object, and is of type string\.$/,
    );
    expect(() => parseFlowEvent({ ...event, detail: [] })).toThrow(/^detail must be a JSON object, and is a list\.$/);
    expect(() => parseFlowEvent({ ...event, detail: deep(100_000) })).toThrow(
      /^detail must be a JSON object, and is a list\.$/,
    );
    expect(() => parseFlowEvent(null)).toThrow(/^the event must be a JSON object, and is null\.$/);
    expect(() => parseRotationEvent({ Step: 'createSecret' }, 'x/')).toThrow(
      /^SecretId is missing; ClientRequestToken is missing\.$/,
    );
  });
});

describe('an event of a rotation', () => {
  const PREFIX = 'appflow-token-refresher-tokens/';
  const parsed = (SecretId: string) =>
    parseRotationEvent({ Step: 'createSecret', SecretId, ClientRequestToken: 'a'.repeat(32) }, PREFIX);

  it.each(['', '-x', '--all', 'two words', 'x'.repeat(401)])(
    'names no connection where the rest of its secret is %o',
    (rest) => {
      expect(() => parsed(PREFIX + rest)).toThrow(
        expect.objectContaining({ code: 'INPUT_INVALID', message: 'SecretId names no connection.' }),
      );
    },
  );

  it.each([PREFIX, `arn:aws:secretsmanager:eu-central-1:123456789012:secret:${PREFIX}`])(
    'names it by name or ARN: %s',
    (before) => {
      expect(parsed(`${before}eu/sf-prod${before === PREFIX ? '' : '-a1B2c3'}`).connection).toBe('eu/sf-prod');
    },
  );
});
