import { systemClock } from '../../functions/runtime/clock.ts';
import { loadSamples } from './samples.ts';
import { startWorld } from './world.ts';

/** `npm run stack`: the local services alone, with the sample connections, until Ctrl-C. */
const world = await startWorld({ clock: systemClock });
await loadSamples(world, systemClock);
const say = (text: string) => process.stdout.write(`${text}\n`);

say(
  '# AppFlow, Secrets Manager, Parameter Store, KMS, the queue, Lambda, CloudWatch Logs, EventBridge, CloudTrail and Salesforce, on loopback until Ctrl-C.',
);
say('# Paste this into another terminal: aws, any SDK and the functions then talk to them.');
for (const [name, value] of Object.entries(world.env)) say(`export ${name}='${value}'`);
say(`export SALESFORCE='${world.salesforce.url}'`);
say(
  '# Salesforce, for a browser and for --login-url. POST client_id and certificate to $SALESFORCE/setup/certificate to upload one.',
);

// The loop that stands for Lambda's event source mapping and for EventBridge: what dispatch sends is served, and events reach their targets.
let told = 0;
const polling = setInterval(() => {
  void world.serveQueue();
  void world.deliverEvents();
  const messages = world.aws.events.messages();
  for (const { at, text } of messages.slice(told))
    say(`# To the alarms' topic, ${at.toISOString().slice(0, 19)}Z: ${text}`);
  told = messages.length;
}, 1_000);
process.once('SIGINT', stop);
process.once('SIGTERM', stop);

function stop(): void {
  clearInterval(polling);
  // A delivery may still wait for its next attempt.
  void world.close().then(() => process.exit());
}
