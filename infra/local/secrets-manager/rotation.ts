/** RotateSecret: the empty pending version, and the four calls of the rotation function that follow on their own time. */
import { randomUUID } from 'node:crypto';
import { invalidRequest, type Secret, type SecretStore } from './store.ts';
import { addPending, versionWith } from './versions.ts';

const STEPS = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'] as const;

/** One rotation as it went. `error` says which step threw what, or what was left undone. */
export interface Rotation {
  readonly secretName: string;
  readonly versionId: string;
  readonly steps: string[];
  outcome: 'running' | 'rotated' | 'failed';
  error?: string;
}

export type InvokeFunction = (functionName: string, event: unknown) => Promise<unknown>;

export class Rotations {
  /** Every rotation so far, in the order in which they began. */
  readonly list: Rotation[] = [];
  readonly #now: () => Date;
  readonly #store: SecretStore;
  readonly #invoke: InvokeFunction;
  readonly #running = new Set<Promise<void>>();

  constructor(now: () => Date, store: SecretStore, invoke: InvokeFunction) {
    this.#now = now;
    this.#store = store;
    this.#invoke = invoke;
  }

  /** @throws InvalidRequestException where a rotation is not set up, or the last one never ended. */
  start(secret: Secret, versionId: string): void {
    if (secret.rotationFunction === undefined) {
      throw invalidRequest('No Lambda rotation function ARN is associated with this secret.');
    }
    if (versionWith(secret.versions, 'AWSCURRENT')?.id === versionId) return;
    const pending = versionWith(secret.versions, 'AWSPENDING');
    if (pending !== undefined && !pending.stages.has('AWSCURRENT')) {
      throw invalidRequest("A previous rotation isn't complete. That rotation will be reattempted.");
    }
    if (secret.versions.has(versionId)) {
      throw invalidRequest(`Version ${versionId} already exists and is not pending.`);
    }
    addPending(secret.versions, versionId, this.#now());
    this.#store.changed(secret);
    const running = this.#run(secret, versionId, secret.rotationFunction.replace(/^.*:function:/, ''));
    this.#running.add(running);
    running.finally(() => this.#running.delete(running));
  }

  /** Resolves when no rotation is running any more. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #run(secret: Secret, versionId: string, functionName: string): Promise<void> {
    const rotation: Rotation = { secretName: secret.name, versionId, steps: [], outcome: 'running' };
    this.list.push(rotation);
    const fail = (error: string) => Object.assign(rotation, { outcome: 'failed', error });
    for (const Step of STEPS) {
      rotation.steps.push(Step);
      const event = { Step, SecretId: secret.arn, ClientRequestToken: versionId, RotationToken: randomUUID() };
      try {
        await this.#invoke(functionName, event);
      } catch (error) {
        // The pending version stays where it is: only a person, or the next run with the same token, clears it.
        fail(`${Step}: ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`);
        return;
      }
    }
    if (versionWith(secret.versions, 'AWSCURRENT')?.id !== versionId) {
      fail(`Pending secret version ${versionId} was not made AWSCURRENT.`);
      return;
    }
    secret.rotatedAt = this.#now();
    this.#store.changed(secret);
    rotation.outcome = 'rotated';
  }
}
