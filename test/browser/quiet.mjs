// Five subscriptions on which nothing happens for long. A browser opens six connections
// to a host over HTTP/1, so the sixth is left for publishing.
import assert from 'node:assert/strict';
import {cache, topicClient} from './lib/connect.mjs';
import {check, eventually, finish, fresh, is} from '../node/lib/check.mjs';

/** As many as there are in ten minutes, with the pause that a broker has by default. */
const HEARTBEATS = 600 / 5;

const subscriber = topicClient();
const publisher = topicClient();

await check('five idle subscriptions get their first message', async () => {
  const seen = await Promise.all(Array.from({length: 5}, async () => {
    const s = {topic: fresh('topic'), items: [], heartbeats: 0, others: []};
    is(await subscriber.subscribe(cache, s.topic, {
      onItem: item => s.items.push(item.value()),
      onHeartbeat: () => s.heartbeats++,
      onDiscontinuity: d => s.others.push(d),
      onError: error => s.others.push(error),
    }), 'Subscription');
    return s;
  }));
  const heard = () => seen.map(s => s.heartbeats);
  await eventually('the last heartbeat', () => heard().every(n => n >= HEARTBEATS), 60)
    .catch(e => assert.fail(`${e.message}; heard ${heard()}`));
  for (const s of seen) is(await publisher.publish(cache, s.topic, `first on ${s.topic}`), 'Success');
  await eventually('every first message', () => seen.every(s => s.items.length > 0));
  for (const s of seen) {
    assert.deepEqual(s.items, [`first on ${s.topic}`]);
    assert.deepEqual(s.others, []);
  }
});

finish();
