// As many subscriptions on one page as the SDK allows, which takes HTTP/2: over
// HTTP/1 a browser opens six connections to a host at most.
import assert from 'node:assert/strict';
import {cache, topicClient} from './lib/connect.mjs';
import {check, eventually, finish, fresh, is} from '../node/lib/check.mjs';

const subscriber = topicClient();
const publisher = topicClient();
const topics = Array.from({length: 100}, () => fresh('topic'));

await check('a hundred subscriptions on one page', async () => {
  const seen = new Map(topics.map(topic => [topic, []]));
  const errors = [];
  const subscriptions = await Promise.all(topics.map(topic => subscriber.subscribe(cache, topic, {
    onItem: item => seen.get(topic).push(item.value()),
    onError: error => errors.push(error),
  })));
  subscriptions.forEach(s => is(s, 'Subscription'));
  for (let round = 0; round < 3; round++) {
    await Promise.all(topics.map(async topic => is(await publisher.publish(cache, topic, `${topic} ${round}`), 'Success')));
    await eventually(`round ${round}`, () => [...seen.values()].every(items => items.length > round));
  }
  for (const [topic, items] of seen) assert.deepEqual(items, [0, 1, 2].map(round => `${topic} ${round}`));
  assert.deepEqual(errors, []);
});

finish();
