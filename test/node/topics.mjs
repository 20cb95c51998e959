// Publish and subscribe.
import assert from 'node:assert/strict';
import {cache, topicClient} from './lib/connect.mjs';
import {bytes, check, eventually, finish, fresh, is} from './lib/check.mjs';

const publisher = topicClient();
const client = topicClient();

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
  return seen;
}

async function publish(topic, value) {
  is(await publisher.publish(cache, topic, value), 'Success');
}

await check('text arrives as text', async () => {
  const topic = fresh('topic');
  const seen = await subscribe(topic);
  const text = 'héllo 日本 🦟';
  await publish(topic, text);
  await seen.wait(1);
  assert.equal(seen.items[0].value(), text);
  assert.equal(seen.items[0].sequenceNumber(), 1);
  assert(!seen.items[0].tokenId(), 'nobody signed this item');
  seen.subscription.unsubscribe();
});

await check('bytes arrive as bytes', async () => {
  const topic = fresh('topic');
  const seen = await subscribe(topic);
  await publish(topic, bytes(0, 255, 128, 10));
  await seen.wait(1);
  assert(seen.items[0].value() instanceof Uint8Array);
  assert.deepEqual([...seen.items[0].valueUint8Array()], [0, 255, 128, 10]);
  seen.subscription.unsubscribe();
});

await check('two hundred items arrive in order, numbered without a gap', async () => {
  const topic = fresh('topic');
  const seen = await subscribe(topic);
  const values = Array.from({length: 200}, (_, i) => `item ${i}`);
  for (const value of values) await publish(topic, value);
  await seen.wait(200);
  assert.deepEqual(seen.items.map(i => i.value()), values);
  assert.deepEqual(seen.items.map(i => i.sequenceNumber()), values.map((_, i) => i + 1));
  seen.subscription.unsubscribe();
});

await check('two hundred items published all at once arrive once each', async () => {
  const topic = fresh('topic');
  const seen = await subscribe(topic);
  const values = Array.from({length: 200}, (_, i) => `item ${i}`);
  await Promise.all(values.map(value => publish(topic, value)));
  await seen.wait(200);
  assert.deepEqual(seen.items.map(i => i.value()).sort(), [...values].sort());
  assert.deepEqual(seen.items.map(i => i.sequenceNumber()), values.map((_, i) => i + 1));
  seen.subscription.unsubscribe();
});

await check('ten subscribers see one order', async () => {
  const topic = fresh('topic');
  const all = await Promise.all(Array.from({length: 10}, () => subscribe(topic)));
  await Promise.all(Array.from({length: 100}, (_, i) => publish(topic, `item ${i}`)));
  for (const seen of all) await seen.wait(100);
  const order = all[0].items.map(i => i.value());
  for (const seen of all) {
    assert.deepEqual(seen.items.map(i => i.value()), order);
    seen.subscription.unsubscribe();
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
  await early.wait(6);
  assert.deepEqual(late.items.map(i => i.value()), ['after']);
  assert.equal(late.items[0].sequenceNumber(), 6);
  early.subscription.unsubscribe();
  late.subscription.unsubscribe();
});

await check('topics do not hear each other', async () => {
  const [one, two] = [fresh('topic'), fresh('topic')];
  const seenOne = await subscribe(one);
  const seenTwo = await subscribe(two);
  await publish(one, 'for one');
  await publish(two, 'for two');
  await seenOne.wait(1);
  await seenTwo.wait(1);
  assert.deepEqual(seenOne.items.map(i => i.value()), ['for one']);
  assert.deepEqual(seenTwo.items.map(i => i.value()), ['for two']);
  seenOne.subscription.unsubscribe();
  seenTwo.subscription.unsubscribe();
});

await check('nothing comes after unsubscribe', async () => {
  const topic = fresh('topic');
  const leaver = await subscribe(topic);
  const stayer = await subscribe(topic);
  await publish(topic, 'first');
  await leaver.wait(1);
  leaver.subscription.unsubscribe();
  await publish(topic, 'second');
  await stayer.wait(2);
  await publish(topic, 'third');
  await stayer.wait(3);
  assert.deepEqual(leaver.items.map(i => i.value()), ['first']);
  assert.deepEqual(leaver.errors, []);
  stayer.subscription.unsubscribe();
});

await check('publishing to nobody is fine', async () => {
  await publish(fresh('topic'), 'is anybody there?');
});

await check('an item of a hundred kilobytes', async () => {
  const topic = fresh('topic');
  const seen = await subscribe(topic);
  const value = 'k'.repeat(100_000);
  await publish(topic, value);
  await seen.wait(1);
  assert.equal(seen.items[0].value(), value);
  seen.subscription.unsubscribe();
});

await check('heartbeats begin at once', async () => {
  const seen = await subscribe(fresh('topic'));
  await eventually('a heartbeat', () => seen.heartbeats > 0);
  seen.subscription.unsubscribe();
});

finish();
