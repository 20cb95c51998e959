// Every set call of the SDK.
import assert from 'node:assert/strict';
import {ItemType} from '@gomomento/sdk';
import {cache, cacheClient} from './lib/connect.mjs';
import {bytes, check, finish, fresh, is, refused} from './lib/check.mjs';
import {checkLives} from './lib/lives.mjs';

const client = cacheClient();

async function set(...elements) {
  const name = fresh('set');
  if (elements.length > 0) is(await client.setAddElements(cache, name, elements), 'Success');
  return name;
}

async function holds(name, ...elements) {
  const response = await client.setFetch(cache, name);
  if (elements.length === 0) {
    is(response, 'Miss');
    is(await client.setLength(cache, name), 'Miss');
    is(await client.itemGetType(cache, name), 'Miss');
    return;
  }
  assert.deepEqual([...is(response, 'Hit').valueSet()].sort(), elements);
  assert.equal(is(response, 'Hit').valueArray().length, elements.length, 'an element came twice');
  assert.equal(is(await client.setLength(cache, name), 'Hit').length(), elements.length);
  assert.equal(is(await client.itemGetType(cache, name), 'Hit').itemType(), ItemType.SET);
}

await check('add elements, those already there as well', async () => {
  const name = await set('b', 'a', 'b');
  is(await client.setAddElement(cache, name, 'c'), 'Success');
  is(await client.setAddElement(cache, name, 'a'), 'Success');
  is(await client.setAddElements(cache, name, ['a', 'd']), 'Success');
  await holds(name, 'a', 'b', 'c', 'd');
});

await check('bytes stay bytes', async () => {
  const name = await set(bytes(0), bytes(255, 128));
  is(await client.setAddElement(cache, name, bytes(1, 2)), 'Success');
  const found = is(await client.setFetch(cache, name), 'Hit').valueArrayUint8Array();
  assert.deepEqual(found.map(e => [...e]).sort(), [[0], [1, 2], [255, 128]]);
});

await check('contains', async () => {
  const name = await set('a', 'b');
  assert.equal(is(await client.setContainsElement(cache, name, 'a'), 'Hit').containsElement(), true);
  assert.equal(is(await client.setContainsElement(cache, name, 'none'), 'Hit').containsElement(), false);
  const many = is(await client.setContainsElements(cache, name, ['none', 'b', 'a']), 'Hit').containsElements();
  assert.deepEqual(many, {none: false, b: true, a: true});
  is(await client.setContainsElement(cache, fresh('set'), 'a'), 'Miss');
  is(await client.setContainsElements(cache, fresh('set'), ['a']), 'Miss');
});

await check('remove elements, present or not', async () => {
  const name = await set('a', 'b', 'c', 'd');
  is(await client.setRemoveElement(cache, name, 'a'), 'Success');
  is(await client.setRemoveElement(cache, name, 'a'), 'Success');
  is(await client.setRemoveElements(cache, name, ['b', 'none']), 'Success');
  await holds(name, 'c', 'd');
  is(await client.setRemoveElements(cache, name, ['c', 'd']), 'Success');
  await holds(name);
  is(await client.setRemoveElement(cache, name, 'a'), 'Success');
  is(await client.setRemoveElements(cache, name, ['a']), 'Success');
});

await check('sample takes some, all different, and removes none', async () => {
  const name = await set('a', 'b', 'c', 'd');
  for (const [limit, want] of [[1, 1], [3, 3], [4, 4], [100, 4]]) {
    const sample = is(await client.setSample(cache, name, limit), 'Hit').valueArray();
    assert.equal(new Set(sample).size, want);
    assert(sample.every(e => 'abcd'.includes(e)), `sampled ${sample}`);
  }
  await holds(name, 'a', 'b', 'c', 'd');
});

await check('a sample of none is a hit', async () => {
  assert.deepEqual(is(await client.setSample(cache, await set('a'), 0), 'Hit').valueArray(), []);
  is(await client.setSample(cache, fresh('set'), 0), 'Miss');
  is(await client.setSample(cache, fresh('set'), 5), 'Miss');
});

await check('pop takes some out, and the set with the last', async () => {
  const name = await set('a', 'b', 'c', 'd');
  const popped = is(await client.setPop(cache, name, 3), 'Hit').valueArray();
  assert.equal(new Set(popped).size, 3);
  const left = [...'abcd'].filter(e => !popped.includes(e));
  await holds(name, ...left);
  assert.deepEqual(is(await client.setPop(cache, name, 10), 'Hit').valueArray(), left);
  await holds(name);
  is(await client.setPop(cache, name, 1), 'Miss');
});

await check('what never was', async () => {
  await holds(fresh('set'));
});

await check('a scalar is no set, and a set is nothing else', async () => {
  const scalar = fresh('scalar');
  is(await client.set(cache, scalar, 'x'), 'Success');
  for (const answer of [
    await client.setAddElement(cache, scalar, 'a'),
    await client.setAddElements(cache, scalar, ['a']),
    await client.setFetch(cache, scalar),
    await client.setLength(cache, scalar),
    await client.setContainsElement(cache, scalar, 'a'),
    await client.setContainsElements(cache, scalar, ['a']),
    await client.setRemoveElement(cache, scalar, 'a'),
    await client.setRemoveElements(cache, scalar, ['a']),
    await client.setSample(cache, scalar, 1),
    await client.setPop(cache, scalar, 1),
  ]) {
    refused(answer, 'FAILED_PRECONDITION_ERROR');
  }
  assert.equal(is(await client.get(cache, scalar), 'Hit').valueString(), 'x');
  const name = await set('a');
  refused(await client.get(cache, name), 'FAILED_PRECONDITION_ERROR');
  refused(await client.listPushBack(cache, name, 'b'), 'FAILED_PRECONDITION_ERROR');
  refused(await client.dictionaryFetch(cache, name), 'FAILED_PRECONDITION_ERROR');
  refused(await client.sortedSetLength(cache, name), 'FAILED_PRECONDITION_ERROR');
  await holds(name, 'a');
});

await check('names that are none, and caches that are not there', async () => {
  refused(await client.setFetch(cache, ' '), 'INVALID_ARGUMENT_ERROR');
  refused(await client.setAddElement(fresh('cache'), 's', 'a'), 'CACHE_NOT_FOUND_ERROR');
  refused(await client.setPop(fresh('cache'), 's', 1), 'CACHE_NOT_FOUND_ERROR');
});

await checkLives({
  client,
  cache,
  what: 'set',
  writes: {
    setAddElement: async (name, ttl) => is(await client.setAddElement(cache, name, 'a', {ttl}), 'Success'),
    setAddElements: async (name, ttl) => is(await client.setAddElements(cache, name, ['b', 'c'], {ttl}), 'Success'),
  },
  exists: async name => (await client.setLength(cache, name)).type === 'Hit',
});

finish();
