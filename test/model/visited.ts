import { covers } from './budgets.ts';

/**
 * The states that were visited, each with what was left of the bounds: a table of numbers, since there are millions. A state is known by 62 bits
 * of a hash, so two states are taken for one in about one of a hundred thousand explorations of ten million.
 */
export class Visited {
  #size = 1 << 16;
  #high = new Int32Array(this.#size);
  #low = new Int32Array(this.#size);
  #left = new Int32Array(this.#size);
  count = 0;

  /** @returns false where the state was visited with no less left */
  add(key: string, left: number): boolean {
    let low = 0x811c_9dc5 | 0;
    let high = 0x1234_5679 | 0;
    for (let n = 0; n < key.length; n++) {
      const code = key.charCodeAt(n);
      low = Math.imul(low ^ code, 0x0100_0193);
      high = Math.imul(high ^ code, 0x5bd1_e995) ^ (high >>> 15);
    }
    low ^= low >>> 16;
    // Zero in both stands for an empty place.
    if (low === 0 && high === 0) low = 1;
    if (!this.#put(low, high, left)) return false;
    this.count += 1;
    if (this.count * 2 > this.#size) this.#grow();
    return true;
  }

  #put(low: number, high: number, left: number): boolean {
    const mask = this.#size - 1;
    for (let at = (low ^ (high << 7)) & mask; ; at = (at + 1) & mask) {
      const [thisLow = 0, thisHigh = 0] = [this.#low[at], this.#high[at]];
      if (thisLow === 0 && thisHigh === 0) {
        this.#low[at] = low;
        this.#high[at] = high;
        this.#left[at] = left;
        return true;
      }
      if (thisLow === low && thisHigh === high && covers(this.#left[at] ?? 0, left)) return false;
    }
  }

  #grow(): void {
    const [low, high, left, size] = [this.#low, this.#high, this.#left, this.#size];
    this.#size = size * 2;
    this.#low = new Int32Array(this.#size);
    this.#high = new Int32Array(this.#size);
    this.#left = new Int32Array(this.#size);
    for (let at = 0; at < size; at++) {
      const [thisLow = 0, thisHigh = 0] = [low[at], high[at]];
      if (thisLow !== 0 || thisHigh !== 0) this.#put(thisLow, thisHigh, left[at] ?? 0);
    }
  }
}
