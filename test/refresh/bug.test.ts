import { expect, it } from 'vitest';
import { Redacted } from '../../functions/core/redacted.ts';
import { captureOutput } from '../../infra/local/output.ts';
import { testWorld } from '../support/world.ts';

it('a bug in serving one connection spares the others and keeps its message out of log and error', async () => {
  process.env['POWERTOOLS_LOG_LEVEL'] = 'DEBUG';
  process.env['POWERTOOLS_METRICS_DISABLED'] = 'false';
  const world = await testWorld();
  for (const name of ['a', 'b', 'c']) world.addJwt(name);
  // Stands for a bug of ours: what opens the box of one connection's secret throws with the secret in its message.
  const reveal = Redacted.prototype.reveal;
  let count = 0;
  Redacted.prototype.reveal = function patched() {
    const value = reveal.call(this);
    if (value.includes('grantType') && count++ === 1) throw new TypeError(`cannot read ${value}`);
    return value;
  };
  try {
    const { result: error, lines } = await captureOutput(() =>
      world.invoke('refresh', { connections: ['a', 'b', 'c'] }).then(
        () => undefined,
        (thrown: Error) => thrown,
      ),
    );
    const text = lines.join('\n');
    expect(text.match(/: refreshed/g)).toHaveLength(2);
    expect(text.match(/a bug of appflow-token-refresher/g)).toHaveLength(1);
    expect(text).not.toContain('grantType\\"');
    expect(text).not.toContain('PRIVATE KEY');
    expect(error?.name).toBe('TypeError');
    expect(`${error?.message}${error?.stack}${JSON.stringify(error)}`).not.toContain('PRIVATE KEY');
    expect(error?.cause).toBeUndefined();
  } finally {
    Redacted.prototype.reveal = reveal;
  }
});
