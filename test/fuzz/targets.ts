import { APPFLOW_REPLY } from './appflow.ts';
import { HANDLERS } from './handlers.ts';
import { PURE } from './pure.ts';
import { TOKEN_REPLY } from './salesforce.ts';
import type { Target } from './target.ts';

/** All kinds of input that come from outside, the slow ones first. */
export const TARGETS: readonly Target[] = [...HANDLERS, TOKEN_REPLY, APPFLOW_REPLY, ...PURE];
