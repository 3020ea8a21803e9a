import type { Clock } from '../../functions/runtime/lambda.ts';

/** A clock that stands still until it is turned. Who sleeps by it turns it. */
export class TurnableClock implements Clock {
  #now: number;

  constructor(start: Date) {
    this.#now = start.getTime();
  }

  readonly now = (): number => this.#now;

  readonly sleep = async (milliseconds: number): Promise<void> => {
    this.#now += milliseconds;
  };

  turn(seconds: number): void {
    this.#now += seconds * 1000;
  }
}
