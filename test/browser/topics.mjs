// Publish and subscribe from a page. A browser opens six connections to a host at
// most over plain HTTP, and every subscription holds one, so there are never more
// than four here.
import assert from 'node:assert/strict';
import {cache, topicClient} from './lib/connect.mjs';
import {bytes, check, eventually, finish, fresh, is, refused} from '../node/lib/check.mjs';

const client = topicClient();
const publisher = topicClient();

async function subscribe(topic, from = client) {
  const seen = {items: [], heartbeats: 0, discontinuities: [], errors: []};
  seen.subscription = is(
    await from.subscribe(cache, topic, {
      onItem: item => seen.items.push(item),
      onHeartbeat: () => seen.heartbeats++,
      onDiscontinuity: d => seen.discontinuities.push(d),
      onError: e => seen.errors.push(e),
    }),
    'Subscription',
  );
  seen.wait = n => eventually(`item ${n} on ${topic}, ${seen.items.length} have come`, () => seen.items.length >= n);
  seen.end = () => {
    seen.subscription.unsubscribe();
    assert.deepEqual(seen.errors, []);
    assert.deepEqual(seen.discontinuities, []);
  };
  return seen;
}

async function publish(topic, value) {
  is(await publisher.publish(cache, topic, value), 'Success');
}

await check('text arrives as text', async () => {
  const topic = fresh('topic');
  const seen = await subscribe(topic);
  await publish(topic, 'héllo 日本 🦟');
  await seen.wait(1);
  assert.equal(seen.items[0].value(), 'héllo 日本 🦟');
  assert.equal(seen.items[0].sequenceNumber(), 1);
  seen.end();
});

await check('bytes arrive as bytes', async () => {
  const topic = fresh('topic');
  const seen = await subscribe(topic);
  await publish(topic, bytes(0, 255, 128, 10));
  await seen.wait(1);
  assert.deepEqual([...seen.items[0].valueUint8Array()], [0, 255, 128, 10]);
  seen.end();
});

await check('two hundred items arrive in order, numbered without a gap', async () => {
  const topic = fresh('topic');
  const seen = await subscribe(topic);
  const values = Array.from({length: 200}, (_, i) => `item ${i}`);
  for (const value of values) await publish(topic, value);
  await seen.wait(200);
  assert.deepEqual(seen.items.map(i => i.value()), values);
  assert.deepEqual(seen.items.map(i => i.sequenceNumber()), values.map((_, i) => i + 1));
  seen.end();
});

await check('items of every length up to a few quartets', async () => {
  const topic = fresh('topic');
  const seen = await subscribe(topic);
  const values = Array.from({length: 40}, (_, i) => 'x'.repeat(i + 1));
  for (const value of values) await publish(topic, value);
  await seen.wait(values.length);
  assert.deepEqual(seen.items.map(i => i.value()), values);
  seen.end();
});

await check('four subscribers see one order', async () => {
  const topic = fresh('topic');
  const all = await Promise.all(Array.from({length: 4}, () => subscribe(topic)));
  await Promise.all(Array.from({length: 100}, (_, i) => publish(topic, `item ${i}`)));
  for (const seen of all) await seen.wait(100);
  const order = all[0].items.map(i => i.value());
  for (const seen of all) {
    assert.deepEqual(seen.items.map(i => i.value()), order);
    seen.end();
  }
});

await check('a fresh subscriber gets no history', async () => {
  const topic = fresh('topic');
  const early = await subscribe(topic);
  for (let i = 0; i < 5; i++) await publish(topic, `before ${i}`);
  await early.wait(5);
  const late = await subscribe(topic);
  await publish(topic, 'after');
  await late.wait(1);
  assert.deepEqual(late.items.map(i => i.value()), ['after']);
  early.end();
  late.end();
});

await check('an unsubscribed topic frees its connection', async () => {
  for (let i = 0; i < 20; i++) (await subscribe(fresh('topic'))).end();
});

await check('an item of a hundred kilobytes', async () => {
  const topic = fresh('topic');
  const seen = await subscribe(topic);
  const value = 'k'.repeat(100_000);
  await publish(topic, value);
  await seen.wait(1);
  assert.equal(seen.items[0].value(), value);
  seen.end();
});

await check('a stream that the page has had enough of goes on in another', async () => {
  const topic = fresh('topic');
  const seen = await subscribe(topic);
  const value = 'm'.repeat(500_000);
  for (let i = 0; i < 20; i++) {
    await publish(topic, `${i} ${value}`);
    await seen.wait(i + 1);
  }
  assert.deepEqual(seen.items.map(i => i.sequenceNumber()), Array.from({length: 20}, (_, i) => i + 1));
  seen.end();
});

await check('heartbeats begin at once and go on', async () => {
  const seen = await subscribe(fresh('topic'));
  await eventually('a second heartbeat', () => seen.heartbeats > 1);
  seen.end();
});

await check('a topic of a cache that is not there', async () => {
  refused(await client.subscribe(fresh('cache'), 't', {}), 'CACHE_NOT_FOUND_ERROR');
  refused(await publisher.publish(fresh('cache'), 't', 'x'), 'CACHE_NOT_FOUND_ERROR');
});

finish();
