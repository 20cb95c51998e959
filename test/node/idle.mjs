// The SDK cuts the first stream of each subscription by its own deadline of
// five seconds and comes back. Nothing that was published around that moment
// may be lost, on topics that were silent until then and on busy ones.
import assert from 'node:assert/strict';
import {cache, topicClient} from './lib/connect.mjs';
import {at, check, eventually, finish, fresh, is} from './lib/check.mjs';

const publisher = topicClient();
const clients = [topicClient(), topicClient()];

async function subscribe(topic, i = 0) {
  const items = [];
  const errors = [];
  is(
    await clients[i % clients.length].subscribe(cache, topic, {
      onItem: item => items.push(item.value()),
      onError: e => errors.push(`${e.errorCode()}: ${e.message()}`),
    }),
    'Subscription',
  );
  return {topic, items, errors, began: performance.now()};
}

async function publish(topic, value) {
  is(await publisher.publish(cache, topic, value), 'Success');
}

await Promise.all([
  check('silent until one item, at sixty moments around the deadline', async () => {
    const seen = await Promise.all(Array.from({length: 60}, (_, i) => subscribe(fresh('silent'), i)));
    await Promise.all(
      seen.map(async ({topic, began}, i) => {
        await at(began + 3500 + 50 * i); // 3.5 s to 6.45 s
        await publish(topic, `only ${i}`);
      }),
    );
    await eventually('every item', () => seen.every(s => s.items.length > 0), 10)
      .catch(e => assert.fail(`${e.message}; lost: ${seen.map((s, i) => (s.items.length ? '' : 3500 + 50 * i)).filter(Boolean)}`));
    seen.forEach((s, i) => {
      assert.deepEqual(s.items, [`only ${i}`]);
      assert.deepEqual(s.errors, []);
    });
  }),

  check('silent through the deadline, then an item', async () => {
    const seen = await subscribe(fresh('silent'));
    await at(seen.began + 8000);
    await publish(seen.topic, 'at last');
    await eventually('the item', () => seen.items.length > 0);
    assert.deepEqual(seen.items, ['at last']);
    assert.deepEqual(seen.errors, []);
  }),

  check('an item right after subscribing', async () => {
    const seen = await subscribe(fresh('eager'));
    await publish(seen.topic, 'first');
    await at(seen.began + 7000);
    await publish(seen.topic, 'second');
    await eventually('both items', () => seen.items.length > 1);
    assert.deepEqual(seen.items, ['first', 'second']);
  }),

  check('busy all the way across', async () => {
    const seen = await subscribe(fresh('busy'));
    const sent = [];
    while (performance.now() < seen.began + 7500) {
      const value = `item ${sent.length}`;
      await publish(seen.topic, value);
      sent.push(value);
      await at(performance.now() + 5);
    }
    await eventually('all items', () => seen.items.length >= sent.length);
    assert.deepEqual(seen.items, sent);
    assert.deepEqual(seen.errors, []);
  }),
]);

finish();
