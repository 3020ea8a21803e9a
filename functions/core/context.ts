import type { BindingRules } from './connection/belonging.ts';
import type { ConnectionRules } from './connection/connection.ts';
import type { TargetRules } from './connection/target.ts';
import type { Ports } from './ports.ts';
import type { Run } from './run.ts';

/** What a deployment has settled, durations in seconds. */
export interface Rules extends ConnectionRules, TargetRules, BindingRules {
  /** Token secrets are named `<tokenPrefix><connection>`. */
  readonly tokenPrefix: string;
  readonly tickSeconds: number;
  readonly jwtLifetimeSeconds: number;
  /** The roles of this deployment that update profiles: what they do is no overwriting. */
  readonly ownRoleArns: readonly string[];
  /** Whether `heal` starts flows again. */
  readonly rerunFlows: boolean;
}

/** All that a use case needs besides what it was asked: the rules, the neighbours, and this invocation. */
export interface Context {
  readonly rules: Rules;
  readonly ports: Ports;
  readonly run: Run;
}
