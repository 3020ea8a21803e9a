// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the texts are source code, found and put as they are.
import type { Day } from './day.ts';
import type { Scenario } from './scenarios.ts';

/** One text of the code and what stands there instead. The text must be found exactly once. */
export interface Edit {
  readonly file: string;
  readonly text: string;
  readonly instead: string;
}

/** A fault that the code had once or could have, and scenarios that hold without it. */
export interface Mutant {
  readonly name: string;
  readonly edits: readonly Edit[];
  readonly scenarios: readonly Scenario[];
  /** A day on which nothing succeeds, for faults that show in the number of versions. */
  readonly day?: Day;
  /** Why nothing breaks, where it is known that nothing does. */
  readonly harmless?: string;
}

const LEASE = 'token-rotation/lease.ts';
const HELD = 'token-rotation/lease-held.ts';
const PROTOCOL = 'token-rotation/protocol.ts';

const EVERYTHING = { crashes: 1, faults: 1, lates: 1, pauses: 1 };
const TAKEOVER: readonly Scenario[] = [
  { start: 'stored', runs: ['queue', 'hand'], rotates: true, bounds: { lates: 1, pauses: 1, slows: 1, crashes: 1 } },
];
const TWO_TAKEOVERS: readonly Scenario[] = [
  {
    start: 'stored',
    runs: ['queue', 'hand', 'retry'],
    rotates: true,
    bounds: { lates: 1, pauses: 1, slows: 1, switches: 2 },
  },
];
const PAIR: readonly Scenario[] = [
  { start: 'stored', runs: ['queue', 'hand'], rotates: true, bounds: EVERYTHING },
  { start: 'stored', runs: ['queue', 'hand'], rotates: false, bounds: EVERYTHING },
];
const SLOW: readonly Scenario[] = [
  { start: 'stored', runs: ['queue'], rotates: true, bounds: { slows: 7 } },
  { start: 'a lease left', runs: ['queue'], rotates: true, bounds: { slows: 7 } },
];

const READ_BEFORE: readonly Edit[] = [
  {
    file: LEASE,
    text: '  const last = stages.get(LEASE);\n',
    instead: '  const before = await store.current(tokenSecret, run);\n  const last = stages.get(LEASE);\n',
  },
  {
    file: LEASE,
    text: 'await follow(last, { releasedId, followsRelease, currentId }, rotation)',
    instead: 'await follow(last, { releasedId, followsRelease, currentId, before }, rotation)',
  },
  {
    file: HELD,
    text: 'const current = await ports.store.current(tokenSecret, run);',
    instead: 'const current = this.#lease.before;',
  },
];

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'the id of a lease follows from AWSCURRENT too, which is read before it',
    edits: [
      ...READ_BEFORE,
      {
        file: LEASE,
        text: "lease after ${last ?? 'none'}`",
        instead: "lease after ${last ?? 'none'} on ${rest.before?.versionId}`",
      },
    ],
    scenarios: TAKEOVER,
  },
  { name: 'AWSCURRENT is read before the lease', edits: READ_BEFORE, scenarios: TAKEOVER },
  {
    name: 'the id of a lease follows from AWSCURRENT too, which is read under it',
    edits: [
      {
        file: LEASE,
        text: "lease after ${last ?? 'none'}`",
        instead: "lease after ${last ?? 'none'} on ${rest.on}`",
      },
      {
        file: LEASE,
        text: 'await follow(last, { releasedId, followsRelease, currentId }, rotation)',
        instead: 'await follow(last, { releasedId, followsRelease, currentId, on: currentId }, rotation)',
      },
    ],
    scenarios: TWO_TAKEOVERS,
  },
  {
    name: 'the time that is left is looked at before the lease alone',
    edits: [
      {
        file: PROTOCOL,
        text: 'if (run.deadline - run.now() < EXCHANGE_RESERVE_MS)\n',
        instead: 'if (run.deadline < 0)\n',
      },
    ],
    scenarios: SLOW,
  },
  {
    name: 'the time that is left before an exchange need only be 15 s',
    edits: [
      {
        file: PROTOCOL,
        text: 'if (run.deadline - run.now() < EXCHANGE_RESERVE_MS)\n',
        instead: 'if (run.deadline - run.now() < 15_000)\n',
      },
    ],
    scenarios: SLOW,
  },
  {
    name: 'a lease is released although an exchange was not answered',
    edits: [
      {
        file: PROTOCOL,
        text: 'if (!isSettled) held.mayStillArrive();',
        instead: "if (!isSettled && error.code !== 'SALESFORCE_UNAVAILABLE') held.mayStillArrive();",
      },
    ],
    scenarios: PAIR,
  },
  {
    name: 'a lease is released although a hand-over was not answered',
    edits: [
      {
        file: PROTOCOL,
        text: 'if (!isSettled) held.mayStillArrive();',
        instead: "if (!isSettled && error.code !== 'APPFLOW_UNAVAILABLE') held.mayStillArrive();",
      },
      {
        file: HELD,
        text: 'if (error instanceof Unanswered) this.mayStillArrive();\n      if (this.#notPersisted',
        instead: 'if (this.#notPersisted',
      },
    ],
    scenarios: PAIR,
  },
  {
    name: 'a lease is released although putting into escrow was not answered',
    edits: [
      {
        file: HELD,
        text: "if (error instanceof Unanswered) this.mayStillArrive();\n      this.#warn('the new refresh token could not",
        instead: "this.#warn('the new refresh token could not",
      },
    ],
    scenarios: PAIR,
  },
  {
    name: 'a lease is released although emptying escrow was not answered',
    edits: [
      {
        file: HELD,
        text: 'this.mayStillArrive();\n      this.#warn(\n',
        instead: 'this.#warn(\n',
      },
    ],
    scenarios: PAIR,
  },
  {
    name: 'a change of the secret counts as taken in by any later hand-over',
    edits: [{ file: 'schedule.ts', text: 'const UNDER_WAY_MS = 120_000;', instead: 'const UNDER_WAY_MS = 0;' }],
    scenarios: [{ start: 'stored', runs: ['queue'], rotates: true, bounds: { seeds: 1, slows: 1 } }],
  },
  {
    name: "a lease ends at a moment of its owner's clock",
    edits: [
      {
        file: LEASE,
        text: 'Math.ceil((lastRequestAt - run.now() + LATENESS_MS) / 1000)',
        instead: 'Math.ceil((lastRequestAt + LATENESS_MS) / 1000)',
      },
      {
        file: LEASE,
        text: 'return version.readAt.getTime() - version.createdAt.getTime() <= heldSeconds * 1000 + AGE_ERROR;',
        instead: 'return run.now() <= heldSeconds * 1000 + AGE_ERROR;',
      },
    ],
    scenarios: [{ start: 'stored', runs: ['queue', 'hand'], rotates: true, bounds: { clocks: 1, crashes: 1 } }],
  },
  {
    name: 'a lease does not outlast its run',
    edits: [
      {
        file: LEASE,
        text: '(lastRequestAt - run.now() + LATENESS_MS)',
        instead: '(lastRequestAt - run.now())',
      },
    ],
    scenarios: TAKEOVER,
  },
  {
    name: 'escrow is emptied only where a keep was answered',
    edits: [
      { file: HELD, text: '      this.#isEscrowTouched = true;\n', instead: '' },
      {
        file: HELD,
        text: 'this.#place = await keepInEscrow(escrowed, this.#rotation);',
        instead: 'this.#place = await keepInEscrow(escrowed, this.#rotation); this.#isEscrowTouched = true;',
      },
    ],
    scenarios: PAIR,
    harmless: 'the lease of such a run is left to run out, and whoever takes over looks into escrow and empties it',
  },
  {
    name: 'escrow is never emptied by the run that has filled it',
    edits: [{ file: HELD, text: 'if (this.#isEscrowTouched) await this.#emptyEscrow();', instead: '' }],
    scenarios: PAIR,
  },
  {
    name: 'escrow is not looked at after a takeover',
    edits: [
      { file: HELD, text: 'if (!this.#lease.followsRelease) {', instead: 'if (this.#lease.leaseId.length === 0) {' },
    ],
    scenarios: [{ start: 'escrow left', runs: ['queue'], rotates: true, bounds: {} }],
  },
  {
    name: 'no escrow beside a put that is slow',
    edits: [
      {
        file: HELD,
        text: 'if (await this.#isSlow(attempt)) await this.#keep(this.#record);',
        instead: 'await this.#isSlow(attempt);',
      },
    ],
    scenarios: [{ start: 'stored', runs: ['queue'], rotates: true, bounds: { slows: 7, faults: 1 } }],
  },
  {
    name: 'a lease is released although its token is in escrow alone',
    edits: [
      {
        file: HELD,
        text: "if (this.#state === 'unsafe' || !this.#isReleasable || this.#isOver()) return;",
        instead: 'if (!this.#isReleasable || this.#isOver()) return;',
      },
    ],
    scenarios: [{ start: 'stored', runs: ['queue'], rotates: true, bounds: { faults: 1, slows: 4 } }],
  },
  {
    name: 'setSecret hands over tokens that are older than what AppFlow was given',
    edits: [
      {
        file: 'rotate-secret.ts',
        text: 'if (tokens.storedAt !== undefined && serving.profile.updatedAt >= tokens.storedAt) return;',
        instead: '',
      },
    ],
    scenarios: [{ start: 'stored', runs: ['rotate', 'hand'], rotates: false, bounds: { slows: 1 } }],
  },
  {
    name: "the operator's secret is not read again before a seed is sent",
    edits: [
      {
        file: PROTOCOL,
        text: "if (now === undefined || !holdsSeed(now.value, connection.seed)) return 'outdated';",
        instead: '',
      },
    ],
    scenarios: [{ start: 'stored', runs: ['queue', 'hand'], rotates: true, bounds: { seeds: 1 } }],
  },
  {
    name: 'a hand-over after the deadline',
    edits: [
      {
        file: 'hand-over.ts',
        text: 'if (run.now() >= run.deadline) throw outOfTime(`the refresh of',
        instead: 'if (run.now() < 0) throw outOfTime(`the refresh of',
      },
    ],
    scenarios: [{ start: 'stored', runs: ['hand', 'queue'], rotates: false, bounds: { pauses: 1 }, wakes: true }],
  },
  {
    name: 'repetitions make as many versions as they like',
    edits: [{ file: 'token-rotation/versions.ts', text: ' <= KEPT_FREE;', instead: ' <= -1_000;' }],
    scenarios: [],
    day: { rotates: true, trouble: 'Salesforce down', heals: true },
  },
  {
    name: 'a run that slept beyond its lease goes on writing',
    edits: [{ file: HELD, text: 'if (!this.#isOver()) return true;', instead: 'return true;' }],
    scenarios: [
      { start: 'first use', runs: ['hand', 'queue'], rotates: true, bounds: { faults: 1, pauses: 1 }, wakes: true },
    ],
  },
  {
    name: 'setSecret hands over tokens of an old seed',
    edits: [{ file: PROTOCOL, text: 'const isDemanded = !isReauthorised && ', instead: 'const isDemanded = ' }],
    scenarios: [
      { start: 'stored', runs: ['queue', 'rotate'], rotates: true, bounds: { seeds: 1, lates: 1, pauses: 1 } },
    ],
  },
  {
    name: 'the first version of an empty secret moves AWSCURRENT from whoever has it',
    edits: [{ file: LEASE, text: 'value: box(record), stages: [FIRST] }', instead: 'value: box(record) }' }],
    scenarios: [{ start: 'an empty secret', runs: ['queue', 'hand'], rotates: true, bounds: { seeds: 1 } }],
  },
  {
    name: 'setSecret may begin its hand-over long after it has read the seed',
    edits: [
      { file: 'rotate-secret.ts', text: 'HAND_OVER_WITHIN_MS = 58_000;', instead: 'HAND_OVER_WITHIN_MS = 118_000;' },
    ],
    scenarios: [
      { start: 'stored', runs: ['queue', 'rotate'], rotates: true, bounds: { seeds: 1, lates: 1, pauses: 1 } },
    ],
  },
  {
    name: 'a stored token is handed over although AppFlow was given another since',
    edits: [
      {
        file: 'grants/authorization-code.ts',
        text: 'if (!lasts || (await wasUpdatedSince(tokens.storedAt, serving))) throw new Stale();',
        instead: 'if (!lasts) throw new Stale();',
      },
    ],
    scenarios: [
      { start: 'stored', runs: ['queue', 'retry', 'hand'], rotates: false, bounds: { faults: 1, switches: 2 } },
    ],
  },
];
