import { it } from 'vitest';
import { testWorld } from './support/world.ts';
it('x', async () => {
  const out: string[] = [];
  for (let k = 0; k < 3; k++) {
    let t = performance.now();
    const world = await testWorld({ rotation: true });
    await world.addCode('sf');
    out.push(`world ${performance.now() - t}`);
    for (let n = 0; n < 6; n++) {
      t = performance.now();
      world.aws.forget(); world.salesforce.forget();
      await world.refresh(['sf']);
      out.push(`refresh ${performance.now() - t} ${world.aws.calls.length + world.salesforce.calls.length} ${world.aws.calls.map(c=>c.operation).join()}`);
    }
    for (let n = 0; n < 3; n++) {
      world.clock.turn(3600);
      t = performance.now();
      world.aws.forget(); world.salesforce.forget();
      await world.tick();
      out.push(`tick ${performance.now() - t} ${world.aws.calls.length} ${world.aws.calls.map(c=>c.operation).join()}`);
    }
    await world.close();
  }
  process.stderr.write(out.join('\n') + '\n');
});
