// Every scalar call of the SDK.
import assert from 'node:assert/strict';
import {ItemType} from '@gomomento/sdk';
import {cache, cacheClient, largest} from './lib/connect.mjs';
import {bytes, check, expires, finish, fresh, is, refused} from './lib/check.mjs';

const client = cacheClient();

async function scalar(value, options) {
  const key = fresh('key');
  is(await client.set(cache, key, value, options), 'Success');
  return key;
}

async function holds(key, value) {
  const response = await client.get(cache, key);
  if (value === undefined) is(response, 'Miss');
  else assert.equal(is(response, 'Hit').valueString(), value);
}

const remaining = async key => is(await client.itemGetTtl(cache, key), 'Hit').remainingTtlMillis();

await check('set, get, replace, delete', async () => {
  const key = await scalar('one');
  await holds(key, 'one');
  is(await client.set(cache, key, 'two'), 'Success');
  await holds(key, 'two');
  is(await client.delete(cache, key), 'Success');
  await holds(key, undefined);
  is(await client.delete(cache, key), 'Success');
});

await check('a key that never was is a miss', async () => {
  await holds(fresh('key'), undefined);
});

await check('bytes as key and value', async () => {
  const key = bytes(0, 255, 1, ...Buffer.from(fresh('key')));
  is(await client.set(cache, key, bytes(255, 0, 254)), 'Success');
  assert.deepEqual([...is(await client.get(cache, key), 'Hit').valueUint8Array()], [255, 0, 254]);
});

await check('text of many languages', async () => {
  const text = 'žluťoučký 日本語 🦟 \u0000 end';
  await holds(await scalar(text), text);
});

await check('an empty value is a hit', async () => {
  await holds(await scalar(bytes()), '');
});

await check('a value as large as the SDK can send', async () => {
  const value = Buffer.alloc(Math.min(largest, 4_000_000), 'm');
  const key = await scalar(value);
  assert.deepEqual(Buffer.from(is(await client.get(cache, key), 'Hit').valueUint8Array()), value);
});

// Each condition against a missing key, an equal value and a different value:
// does it store?
const conditions = {
  setIfAbsent: [(key, value) => client.setIfAbsent(cache, key, value), 'Stored', 'NotStored', 'NotStored'],
  setIfNotExists: [(key, value) => client.setIfNotExists(cache, key, value), 'Stored', 'NotStored', 'NotStored'],
  setIfPresent: [(key, value) => client.setIfPresent(cache, key, value), 'NotStored', 'Stored', 'Stored'],
  setIfEqual: [(key, value, than) => client.setIfEqual(cache, key, value, than), 'NotStored', 'Stored', 'NotStored'],
  setIfNotEqual: [(key, value, than) => client.setIfNotEqual(cache, key, value, than), 'Stored', 'NotStored', 'Stored'],
  setIfPresentAndNotEqual: [(key, value, than) => client.setIfPresentAndNotEqual(cache, key, value, than), 'NotStored', 'NotStored', 'Stored'],
  setIfAbsentOrEqual: [(key, value, than) => client.setIfAbsentOrEqual(cache, key, value, than), 'Stored', 'Stored', 'NotStored'],
};
for (const [call, [set, onMissing, onEqual, onDifferent]] of Object.entries(conditions)) {
  const cases = {missing: [undefined, onMissing], equal: ['same', onEqual], different: ['other', onDifferent]};
  for (const [state, [before, want]] of Object.entries(cases)) {
    await check(`${call} with the key ${state}: ${want}`, async () => {
      const key = before === undefined ? fresh('key') : await scalar(before);
      is(await set(key, 'new', 'same'), want);
      await holds(key, want === 'Stored' ? 'new' : before);
    });
  }
}

const hashConditions = {
  setIfPresentAndHashEqual: ['NotStored', 'Stored', 'NotStored'],
  setIfPresentAndHashNotEqual: ['NotStored', 'NotStored', 'Stored'],
  setIfAbsentOrHashEqual: ['Stored', 'Stored', 'NotStored'],
  setIfAbsentOrHashNotEqual: ['Stored', 'NotStored', 'Stored'],
};
for (const [call, [onMissing, onEqual, onDifferent]] of Object.entries(hashConditions)) {
  const cases = {missing: [undefined, onMissing], equal: ['same', onEqual], different: ['other', onDifferent]};
  for (const [state, [before, want]] of Object.entries(cases)) {
    await check(`${call} with the key ${state}: ${want}`, async () => {
      const sample = is(await client.setWithHash(cache, fresh('key'), 'same'), 'Stored').hashUint8Array();
      const key = before === undefined ? fresh('key') : await scalar(before);
      const answer = is(await client[call](cache, key, 'new', sample), want);
      await holds(key, want === 'Stored' ? 'new' : before);
      if (want === 'Stored') {
        const found = is(await client.getWithHash(cache, key), 'Hit');
        assert.equal(answer.hashString(), found.hashString());
      }
    });
  }
}

await check('a hash belongs to the value', async () => {
  const key = fresh('key');
  is(await client.getWithHash(cache, key), 'Miss');
  const first = is(await client.setWithHash(cache, key, 'a'), 'Stored').hashString();
  const found = is(await client.getWithHash(cache, key), 'Hit');
  assert.equal(found.valueString(), 'a');
  assert.equal(found.hashString(), first);
  assert.notEqual(first, '');
  const second = is(await client.setWithHash(cache, key, 'b'), 'Stored').hashString();
  assert.notEqual(second, first);
  assert.equal(is(await client.setWithHash(cache, fresh('key'), 'a'), 'Stored').hashString(), first);
});

await check('batches answer in order, hits and misses', async () => {
  const [a, b, c] = [fresh('key'), fresh('key'), fresh('key')];
  is(await client.setBatch(cache, new Map([[a, '1'], [c, '3']])), 'Success');
  const answer = is(await client.getBatch(cache, [c, b, a, c]), 'Success');
  assert.deepEqual(answer.results().map(r => r.type), ['Hit', 'Miss', 'Hit', 'Hit']);
  assert.deepEqual(answer.values(), {[a]: '1', [c]: '3'});
});

await check('a batch of two hundred', async () => {
  const items = Array.from({length: 200}, () => [fresh('key'), fresh('value')]);
  is(await client.setBatch(cache, new Map(items), {ttl: 90}), 'Success');
  const answer = is(await client.getBatch(cache, items.map(([key]) => key)), 'Success');
  assert.deepEqual(answer.results().map(r => r.valueString()), items.map(([, value]) => value));
  const left = await remaining(items[117][0]);
  assert(left > 60_000 && left <= 90_000, `${left} ms left`);
});

await check('keys exist, in order', async () => {
  const [a, b, list] = [await scalar('1'), fresh('key'), fresh('list')];
  is(await client.listPushBack(cache, list, 'x'), 'Success');
  assert.deepEqual(is(await client.keysExist(cache, [b, a, list, b]), 'Success').exists(), [false, true, true, false]);
  assert.equal(is(await client.keyExists(cache, a), 'Success').exists(), true);
  assert.equal(is(await client.keyExists(cache, b), 'Success').exists(), false);
});

await check('no keys, no answers', async () => {
  assert.deepEqual(is(await client.keysExist(cache, []), 'Success').exists(), []);
});

await check('the type of an item', async () => {
  const list = fresh('list');
  is(await client.itemGetType(cache, list), 'Miss');
  is(await client.listPushBack(cache, list, 'x'), 'Success');
  assert.equal(is(await client.itemGetType(cache, list), 'Hit').itemType(), ItemType.LIST);
  assert.equal(is(await client.itemGetType(cache, await scalar('x')), 'Hit').itemType(), ItemType.SCALAR);
});

await check('set over a list replaces it', async () => {
  const name = fresh('list');
  is(await client.listPushBack(cache, name, 'x'), 'Success');
  is(await client.set(cache, name, 'scalar now'), 'Success');
  await holds(name, 'scalar now');
});

await check('a list is not a scalar', async () => {
  const name = fresh('list');
  is(await client.listPushBack(cache, name, 'x'), 'Success');
  refused(await client.get(cache, name), 'FAILED_PRECONDITION_ERROR');
  refused(await client.getWithHash(cache, name), 'FAILED_PRECONDITION_ERROR');
  refused(await client.increment(cache, name, 1), 'FAILED_PRECONDITION_ERROR');
});

await check('increment counts from nothing, up and down', async () => {
  const key = fresh('counter');
  assert.equal(is(await client.increment(cache, key, 5), 'Success').valueNumber(), 5);
  assert.equal(is(await client.increment(cache, key, -7), 'Success').valueNumber(), -2);
  assert.equal(is(await client.increment(cache, key, 0), 'Success').valueNumber(), -2);
  await holds(key, '-2');
});

await check('increment goes on from text', async () => {
  const key = await scalar('41');
  assert.equal(is(await client.increment(cache, key, 1), 'Success').valueNumber(), 42);
  await holds(key, '42');
});

await check('increment refuses what is not a number', async () => {
  for (const text of ['abc', '1.5', '', ' 7', '9223372036854775808']) {
    const key = await scalar(text === '' ? bytes() : text);
    refused(await client.increment(cache, key, 1), 'FAILED_PRECONDITION_ERROR');
    await holds(key, text);
  }
});

await check('increment refuses to overflow', async () => {
  const key = await scalar('9223372036854775807');
  refused(await client.increment(cache, key, 1), 'FAILED_PRECONDITION_ERROR');
  await holds(key, '9223372036854775807');
});

await check('increment always renews the life', async () => {
  const key = fresh('counter');
  is(await client.increment(cache, key, 1, {ttl: 100}), 'Success');
  is(await client.increment(cache, key, 1, {ttl: 50}), 'Success');
  const left = await remaining(key);
  assert(left > 20_000 && left <= 50_000, `${left} ms left`);
});

await check('the life of a scalar', async () => {
  is(await client.itemGetTtl(cache, fresh('key')), 'Miss');
  const left = await remaining(await scalar('x', {ttl: 100}));
  assert(left > 70_000 && left <= 100_000, `${left} ms left`);
});

await check('update ttl', async () => {
  const key = await scalar('x', {ttl: 100});
  is(await client.updateTtl(cache, key, 200_000), 'Set');
  assert((await remaining(key)) > 150_000);
  is(await client.updateTtl(cache, key, 50_000), 'Set');
  assert((await remaining(key)) <= 50_000);
  is(await client.updateTtl(cache, fresh('key'), 50_000), 'Miss');
});

await check('increase ttl only makes it longer', async () => {
  const key = await scalar('x', {ttl: 100});
  is(await client.increaseTtl(cache, key, 200_000), 'Set');
  assert((await remaining(key)) > 150_000);
  is(await client.increaseTtl(cache, key, 50_000), 'NotSet');
  assert((await remaining(key)) > 150_000);
  is(await client.increaseTtl(cache, fresh('key'), 50_000), 'Miss');
});

await check('decrease ttl only makes it shorter', async () => {
  const key = await scalar('x', {ttl: 100});
  is(await client.decreaseTtl(cache, key, 50_000), 'Set');
  assert((await remaining(key)) <= 50_000);
  is(await client.decreaseTtl(cache, key, 80_000), 'NotSet');
  assert((await remaining(key)) <= 50_000);
  is(await client.decreaseTtl(cache, fresh('key'), 50_000), 'Miss');
});

await check('ttl calls work on lists', async () => {
  const name = fresh('list');
  is(await client.listPushBack(cache, name, 'x'), 'Success');
  is(await client.updateTtl(cache, name, 50_000), 'Set');
  assert((await remaining(name)) <= 50_000);
});

// Each write that may store, with a life of a second.
const shortLives = {
  set: key => client.set(cache, key, 'x', {ttl: 1}),
  setBatch: key => client.setBatch(cache, new Map([[key, 'x']]), {ttl: 1}),
  setIfAbsent: key => client.setIfAbsent(cache, key, 'x', {ttl: 1}),
  setWithHash: key => client.setWithHash(cache, key, 'x', {ttl: 1}),
  increment: key => client.increment(cache, key, 1, {ttl: 1}),
};
await Promise.all([
  ...Object.entries(shortLives).map(([call, write]) =>
    check(`${call}: gone on time, to the millisecond`, async () => {
      const key = fresh('key');
      const written = Date.now();
      const answer = await write(key);
      const acked = Date.now();
      assert.notEqual(answer.type, 'Error', String(answer));
      await expires({
        written, acked, ttlMs: 1000,
        exists: async () => (await client.get(cache, key)).type === 'Hit',
      });
      is(await client.itemGetTtl(cache, key), 'Miss');
      is(await client.itemGetType(cache, key), 'Miss');
      assert.deepEqual(is(await client.keysExist(cache, [key]), 'Success').exists(), [false]);
      is(await client.setIfPresent(cache, key, 'y'), 'NotStored');
    }),
  ),
  check('update ttl: gone on time', async () => {
    const key = await scalar('x', {ttl: 100});
    const written = Date.now();
    is(await client.updateTtl(cache, key, 700), 'Set');
    const acked = Date.now();
    await expires({
      written, acked, ttlMs: 700,
      exists: async () => (await client.get(cache, key)).type === 'Hit',
    });
  }),
]);

finish();
