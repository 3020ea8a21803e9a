import type { World } from './world.ts';

/** Who sends a request, as far as the services and the checks of them need it. */
export interface Sender {
  readonly run: number;
  /** The server time until which the lease of this invocation holds: nothing that it sends arrives later. */
  readonly until: number;
  /** Whether a run lives that has this refresh token in memory and whose lease still holds. */
  readonly isHeld: (token: string) => boolean;
}

/** What a request has done. */
export interface Applied {
  readonly world: World;
  readonly answer: string;
  /** A promise that was broken by it. */
  readonly violation?: string | undefined;
}
