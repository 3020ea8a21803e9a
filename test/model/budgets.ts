/** What an order may hold at most. Each is a number from 0 to 7. */
export interface Bounds {
  /** How often a run may be left that could go on; `undefined` for as often as there is a way. */
  readonly switches?: number;
  /** Runs that die. */
  readonly crashes?: number;
  /** Calls that are refused, or applied without their answer coming through. */
  readonly faults?: number;
  /** Requests that arrive when their run has given them up, or is dead. */
  readonly lates?: number;
  /** Calls that take nine seconds. */
  readonly slows?: number;
  /** Pauses of 200 seconds: longer than any lease. */
  readonly pauses?: number;
  /** New seeds. */
  readonly seeds?: number;
  /** Runs whose clock is two minutes off. */
  readonly clocks?: number;
}

export type Lane = keyof Bounds;

const LANES: readonly Lane[] = ['switches', 'crashes', 'faults', 'lates', 'slows', 'pauses', 'seeds', 'clocks'];
const UNIT: Readonly<Record<Lane, number>> = {
  switches: 1,
  crashes: 1 << 4,
  faults: 1 << 8,
  lates: 1 << 12,
  slows: 1 << 16,
  pauses: 1 << 20,
  seeds: 1 << 24,
  clocks: 1 << 28,
};

/** Bounds in one number, four bits each: what is left is compared millions of times. */
export function packed(bounds: Bounds): number {
  let sum = 0;
  for (const lane of LANES) sum += (bounds[lane] ?? 0) * UNIT[lane];
  return sum;
}

export function has(left: number, lane: Lane): boolean {
  return ((left / UNIT[lane]) & 7) > 0;
}

export function spent(left: number, lane: Lane): number {
  return left - UNIT[lane];
}

const TOPS = 0x8888_8888 | 0;

/** Whether each of the first is at least its counterpart: the fourth bit of a lane is free, and survives the subtraction where it is. */
export function covers(left: number, other: number): boolean {
  return (((left | TOPS) - other) & TOPS) === TOPS;
}
