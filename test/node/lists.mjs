// Every list call of the SDK.
import assert from 'node:assert/strict';
import {CollectionTtl, ItemType} from '@gomomento/sdk';
import {cache, cacheClient} from './lib/connect.mjs';
import {bytes, check, expires, finish, fresh, is, refused} from './lib/check.mjs';

const client = cacheClient();
const digits = [...'0123456789'];

async function list(...values) {
  const name = fresh('list');
  if (values.length > 0) is(await client.listConcatenateBack(cache, name, values), 'Success');
  return name;
}

async function holds(name, ...values) {
  const response = await client.listFetch(cache, name);
  if (values.length === 0) {
    is(response, 'Miss');
    is(await client.listLength(cache, name), 'Miss');
    is(await client.itemGetType(cache, name), 'Miss');
    assert.deepEqual(is(await client.keysExist(cache, [name]), 'Success').exists(), [false]);
    return;
  }
  assert.deepEqual(is(response, 'Hit').valueListString(), values);
  assert.equal(is(await client.listLength(cache, name), 'Hit').length(), values.length);
}

await check('push back appends and answers the length', async () => {
  const name = await list();
  assert.equal(is(await client.listPushBack(cache, name, 'a'), 'Success').listLength(), 1);
  assert.equal(is(await client.listPushBack(cache, name, 'b'), 'Success').listLength(), 2);
  await holds(name, 'a', 'b');
});

await check('push front puts at the head', async () => {
  const name = await list();
  assert.equal(is(await client.listPushFront(cache, name, 'a'), 'Success').listLength(), 1);
  assert.equal(is(await client.listPushFront(cache, name, 'b'), 'Success').listLength(), 2);
  await holds(name, 'b', 'a');
});

await check('push back truncates the front, and answers the length after that', async () => {
  const name = await list('a', 'b', 'c');
  const pushed = await client.listPushBack(cache, name, 'd', {truncateFrontToSize: 2});
  assert.equal(is(pushed, 'Success').listLength(), 2);
  await holds(name, 'c', 'd');
});

await check('push front truncates the back', async () => {
  const name = await list('a', 'b', 'c');
  const pushed = await client.listPushFront(cache, name, 'd', {truncateBackToSize: 2});
  assert.equal(is(pushed, 'Success').listLength(), 2);
  await holds(name, 'd', 'a');
});

await check('truncation to more than there is drops nothing', async () => {
  const name = await list('a');
  is(await client.listPushBack(cache, name, 'b', {truncateFrontToSize: 5}), 'Success');
  await holds(name, 'a', 'b');
});

await check('the last hundred messages of a chat', async () => {
  const name = await list();
  for (let i = 0; i < 130; i++) {
    const pushed = is(await client.listPushBack(cache, name, `m${i}`, {truncateFrontToSize: 100}), 'Success');
    assert.equal(pushed.listLength(), Math.min(i + 1, 100));
  }
  await holds(name, ...Array.from({length: 100}, (_, i) => `m${i + 30}`));
});

await check('concatenate back appends in order', async () => {
  const name = await list('a', 'b');
  assert.equal(is(await client.listConcatenateBack(cache, name, ['c', 'd']), 'Success').listLength(), 4);
  await holds(name, 'a', 'b', 'c', 'd');
});

await check('concatenate front keeps the order of the batch', async () => {
  const name = await list('a', 'b');
  assert.equal(is(await client.listConcatenateFront(cache, name, ['c', 'd']), 'Success').listLength(), 4);
  await holds(name, 'c', 'd', 'a', 'b');
});

await check('concatenate back truncates the front', async () => {
  const name = await list('a', 'b', 'c', 'd', 'e');
  const answer = await client.listConcatenateBack(cache, name, ['f', 'g', 'h'], {truncateFrontToSize: 3});
  assert.equal(is(answer, 'Success').listLength(), 3);
  await holds(name, 'f', 'g', 'h');
});

await check('concatenate front truncates the back', async () => {
  const name = await list('a', 'b', 'c');
  const answer = await client.listConcatenateFront(cache, name, ['d', 'e', 'f'], {truncateBackToSize: 4});
  assert.equal(is(answer, 'Success').listLength(), 4);
  await holds(name, 'd', 'e', 'f', 'a');
});

await check('truncation below the size of the batch keeps the pushed end', async () => {
  const back = await list('a');
  is(await client.listConcatenateBack(cache, back, ['b', 'c', 'd'], {truncateFrontToSize: 2}), 'Success');
  await holds(back, 'c', 'd');
  const front = await list('a');
  is(await client.listConcatenateFront(cache, front, ['b', 'c', 'd'], {truncateBackToSize: 2}), 'Success');
  await holds(front, 'b', 'c');
});

await check('bytes stay bytes', async () => {
  const name = await list();
  const values = [bytes(0), bytes(255, 0, 128), bytes(10, 13)];
  is(await client.listConcatenateBack(cache, name, values), 'Success');
  is(await client.listPushBack(cache, name, bytes(1, 2, 3)), 'Success');
  const found = is(await client.listFetch(cache, name), 'Hit').valueListUint8Array();
  assert.deepEqual(found.map(v => [...v]), [[0], [255, 0, 128], [10, 13], [1, 2, 3]]);
  const popped = is(await client.listPopFront(cache, name), 'Hit');
  assert.deepEqual([...popped.valueUint8Array()], [0]);
});

await check('an empty value is a value', async () => {
  const name = await list('a');
  is(await client.listPushBack(cache, name, bytes()), 'Success');
  await holds(name, 'a', '');
});

await check('pop front and back until nothing is left', async () => {
  const name = await list('a', 'b', 'c');
  assert.equal(is(await client.listPopFront(cache, name), 'Hit').valueString(), 'a');
  assert.equal(is(await client.listPopBack(cache, name), 'Hit').valueString(), 'c');
  assert.equal(is(await client.listPopBack(cache, name), 'Hit').valueString(), 'b');
  is(await client.listPopBack(cache, name), 'Miss');
  is(await client.listPopFront(cache, name), 'Miss');
  await holds(name);
});

await check('a list that never was is a miss', async () => {
  await holds(fresh('list'));
});

// What the SDK can say: an end of 0 is sent as "no end" by this SDK.
const slices = [
  [5, undefined, '56789'],
  [-5, undefined, '56789'],
  [undefined, 5, '01234'],
  [undefined, -5, '01234'],
  [2, 6, '2345'],
  [2, -6, '23'],
  [-7, -2, '34567'],
  [-2, -6, ''],
  [0, undefined, '0123456789'],
  [undefined, 100, '0123456789'],
  [-100, 3, '012'],
  [9, undefined, '9'],
  [10, undefined, ''],
];
const tenDigits = await list(...digits);
for (const [startIndex, endIndex, want] of slices) {
  await check(`fetch of ten entries from ${startIndex} to ${endIndex}`, async () => {
    const response = await client.listFetch(cache, tenDigits, {startIndex, endIndex});
    if (want === '') is(response, 'Miss');
    else assert.deepEqual(is(response, 'Hit').valueListString(), [...want]);
  });
  await check(`retain of ten entries from ${startIndex} to ${endIndex}`, async () => {
    const name = await list(...digits);
    is(await client.listRetain(cache, name, {startIndex, endIndex}), 'Success');
    await holds(name, ...want);
  });
}

await check('slices of a single entry', async () => {
  const name = await list('x');
  assert.deepEqual(is(await client.listFetch(cache, name, {startIndex: -1, endIndex: 1}), 'Hit').valueListString(), ['x']);
  is(await client.listFetch(cache, name, {startIndex: 1, endIndex: -1}), 'Miss');
  is(await client.listFetch(cache, name, {startIndex: 0, endIndex: -1}), 'Miss');
});

await check('retain of a missing list succeeds', async () => {
  const name = fresh('list');
  is(await client.listRetain(cache, name, {startIndex: 1}), 'Success');
  await holds(name);
});

await check('remove value drops every equal entry', async () => {
  const name = await list('a', 'b', 'a', 'c', 'a');
  is(await client.listRemoveValue(cache, name, 'a'), 'Success');
  await holds(name, 'b', 'c');
  is(await client.listRemoveValue(cache, name, 'zebra'), 'Success');
  await holds(name, 'b', 'c');
});

await check('remove value of the last entries ends the list', async () => {
  const name = await list('a', 'a');
  is(await client.listRemoveValue(cache, name, 'a'), 'Success');
  await holds(name);
  is(await client.listRemoveValue(cache, name, 'a'), 'Success');
});

await check('a list is a key like any other', async () => {
  const name = await list('a');
  assert.equal(is(await client.itemGetType(cache, name), 'Hit').itemType(), ItemType.LIST);
  is(await client.delete(cache, name), 'Success');
  await holds(name);
});

await check('a scalar is not a list', async () => {
  const name = fresh('scalar');
  is(await client.set(cache, name, 'x'), 'Success');
  for (const answer of [
    await client.listPushBack(cache, name, 'a'),
    await client.listPushFront(cache, name, 'a'),
    await client.listConcatenateBack(cache, name, ['a']),
    await client.listConcatenateFront(cache, name, ['a']),
    await client.listPopBack(cache, name),
    await client.listPopFront(cache, name),
    await client.listFetch(cache, name),
    await client.listLength(cache, name),
    await client.listRemoveValue(cache, name, 'a'),
    await client.listRetain(cache, name, {startIndex: 1}),
  ]) {
    refused(answer, 'FAILED_PRECONDITION_ERROR');
  }
  assert.equal(is(await client.get(cache, name), 'Hit').valueString(), 'x');
});

const remaining = async name => is(await client.itemGetTtl(cache, name), 'Hit').remainingTtlMillis();
const writes = {
  listPushBack: (name, ttl) => client.listPushBack(cache, name, 'x', {ttl}),
  listPushFront: (name, ttl) => client.listPushFront(cache, name, 'x', {ttl}),
  listConcatenateBack: (name, ttl) => client.listConcatenateBack(cache, name, ['x', 'y'], {ttl}),
  listConcatenateFront: (name, ttl) => client.listConcatenateFront(cache, name, ['x', 'y'], {ttl}),
  listRetain: (name, ttl) => client.listRetain(cache, name, {startIndex: 0, endIndex: 1, ttl}),
};
for (const [call, write] of Object.entries(writes)) {
  const born = async () => {
    const name = fresh('list');
    is(await client.listPushBack(cache, name, 'a', {ttl: CollectionTtl.of(100)}), 'Success');
    return name;
  };
  await check(`${call} with refresh gives a longer life`, async () => {
    const name = await born();
    is(await write(name, CollectionTtl.of(300)), 'Success');
    const left = await remaining(name);
    assert(left > 200_000 && left <= 300_000, `${left} ms left`);
  });
  await check(`${call} with refresh gives a shorter life`, async () => {
    const name = await born();
    is(await write(name, CollectionTtl.of(50)), 'Success');
    const left = await remaining(name);
    assert(left > 20_000 && left <= 50_000, `${left} ms left`);
  });
  await check(`${call} without refresh keeps the life`, async () => {
    const name = await born();
    is(await write(name, CollectionTtl.of(300).withNoRefreshTtlOnUpdates()), 'Success');
    is(await write(name, CollectionTtl.of(10).withNoRefreshTtlOnUpdates()), 'Success');
    const left = await remaining(name);
    assert(left > 70_000 && left <= 100_000, `${left} ms left`);
  });
}

await check('pops and removes leave the life alone', async () => {
  const name = await list();
  is(await client.listConcatenateBack(cache, name, ['a', 'b', 'c', 'd'], {ttl: CollectionTtl.of(100)}), 'Success');
  is(await client.listPopBack(cache, name), 'Hit');
  is(await client.listPopFront(cache, name), 'Hit');
  is(await client.listRemoveValue(cache, name, 'b'), 'Success');
  const left = await remaining(name);
  assert(left > 70_000 && left <= 100_000, `${left} ms left`);
});

await Promise.all([
  check('a list without refresh ends at the life it was born with', async () => {
    const name = fresh('list');
    const ttl = CollectionTtl.of(1).withNoRefreshTtlOnUpdates();
    const written = Date.now();
    is(await client.listPushBack(cache, name, 'a', {ttl}), 'Success');
    const acked = Date.now();
    is(await client.listPushBack(cache, name, 'b', {ttl: CollectionTtl.of(60).withNoRefreshTtlOnUpdates()}), 'Success');
    await expires({
      written, acked, ttlMs: 1000,
      exists: async () => (await client.listFetch(cache, name)).type === 'Hit',
    });
    await holds(name);
    assert.equal(is(await client.listPushBack(cache, name, 'c'), 'Success').listLength(), 1, 'a new list begins');
  }),
  check('a list with refresh lives on from each push', async () => {
    const name = fresh('list');
    is(await client.listPushBack(cache, name, 'a', {ttl: CollectionTtl.of(1)}), 'Success');
    const written = Date.now();
    is(await client.listPushBack(cache, name, 'b', {ttl: CollectionTtl.of(2)}), 'Success');
    const acked = Date.now();
    await expires({
      written, acked, ttlMs: 2000,
      exists: async () => (await client.listLength(cache, name)).type === 'Hit',
    });
  }),
]);

finish();
