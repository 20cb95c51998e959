// Every dictionary call of the SDK.
import assert from 'node:assert/strict';
import {ItemType} from '@gomomento/sdk';
import {cache, cacheClient} from './lib/connect.mjs';
import {bytes, check, finish, fresh, is, refused} from './lib/check.mjs';
import {checkLives} from './lib/lives.mjs';

const client = cacheClient();

async function dictionary(fields = {}) {
  const name = fresh('dictionary');
  if (Object.keys(fields).length > 0) is(await client.dictionarySetFields(cache, name, fields), 'Success');
  return name;
}

async function holds(name, fields) {
  const response = await client.dictionaryFetch(cache, name);
  if (Object.keys(fields).length === 0) {
    is(response, 'Miss');
    is(await client.dictionaryLength(cache, name), 'Miss');
    is(await client.itemGetType(cache, name), 'Miss');
    return;
  }
  assert.deepEqual(is(response, 'Hit').valueRecord(), fields);
  assert.equal(is(await client.dictionaryLength(cache, name), 'Hit').length(), Object.keys(fields).length);
  assert.equal(is(await client.itemGetType(cache, name), 'Hit').itemType(), ItemType.DICTIONARY);
}

await check('set fields adds and replaces', async () => {
  const name = await dictionary({a: '1', b: '2'});
  is(await client.dictionarySetFields(cache, name, new Map([['b', 'two'], ['c', '3']])), 'Success');
  is(await client.dictionarySetField(cache, name, 'd', '4'), 'Success');
  is(await client.dictionarySetField(cache, name, 'a', 'one'), 'Success');
  await holds(name, {a: 'one', b: 'two', c: '3', d: '4'});
});

await check('get field', async () => {
  const name = await dictionary({a: '1'});
  assert.equal(is(await client.dictionaryGetField(cache, name, 'a'), 'Hit').value(), '1');
  is(await client.dictionaryGetField(cache, name, 'b'), 'Miss');
});

await check('get fields answers each one asked, in order', async () => {
  const name = await dictionary({a: '1', b: '2', c: '3'});
  const response = is(await client.dictionaryGetFields(cache, name, ['c', 'none', 'a']), 'Hit');
  assert.deepEqual(response.valueRecord(), {c: '3', a: '1'});
  assert.deepEqual(response.responses.map(r => r.type), ['Hit', 'Miss', 'Hit']);
  is(is(await client.dictionaryGetFields(cache, name, ['none']), 'Hit').responses[0], 'Miss');
});

await check('bytes stay bytes', async () => {
  const name = await dictionary();
  is(await client.dictionarySetField(cache, name, bytes(0, 255), bytes(128, 0)), 'Success');
  is(await client.dictionarySetFields(cache, name, new Map([[bytes(1), bytes(2)]])), 'Success');
  is(await client.dictionarySetField(cache, name, 'text', bytes(255)), 'Success');
  const found = is(await client.dictionaryFetch(cache, name), 'Hit').valueMapStringUint8Array();
  assert.equal(found.size, 3);
  assert.deepEqual([...found.get('text')], [255]);
  assert.deepEqual([...is(await client.dictionaryGetField(cache, name, bytes(0, 255)), 'Hit').valueUint8Array()], [128, 0]);
});

await check('empty values are values', async () => {
  const name = await dictionary({a: '', b: '2'});
  await holds(name, {a: '', b: '2'});
});

await check('increment', async () => {
  const name = await dictionary({n: '5', text: 'x'});
  assert.equal(is(await client.dictionaryIncrement(cache, name, 'n'), 'Success').valueNumber(), 6);
  assert.equal(is(await client.dictionaryIncrement(cache, name, 'n', -10), 'Success').valueNumber(), -4);
  assert.equal(is(await client.dictionaryIncrement(cache, name, 'new', 7), 'Success').valueNumber(), 7);
  assert.equal(is(await client.dictionaryIncrement(cache, name, 'zero', 0), 'Success').valueNumber(), 0);
  refused(await client.dictionaryIncrement(cache, name, 'text', 1), 'FAILED_PRECONDITION_ERROR');
  await holds(name, {n: '-4', text: 'x', new: '7', zero: '0'});
  const born = await dictionary();
  assert.equal(is(await client.dictionaryIncrement(cache, born, 'n', 3), 'Success').valueNumber(), 3);
  await holds(born, {n: '3'});
});

await check('remove fields, present or not', async () => {
  const name = await dictionary({a: '1', b: '2', c: '3'});
  is(await client.dictionaryRemoveField(cache, name, 'a'), 'Success');
  is(await client.dictionaryRemoveField(cache, name, 'a'), 'Success');
  await holds(name, {b: '2', c: '3'});
  is(await client.dictionaryRemoveFields(cache, name, ['b', 'none', 'c']), 'Success');
  await holds(name, {});
});

await check('what never was', async () => {
  const name = await dictionary();
  await holds(name, {});
  is(await client.dictionaryGetField(cache, name, 'a'), 'Miss');
  is(await client.dictionaryGetFields(cache, name, ['a', 'b']), 'Miss');
  is(await client.dictionaryRemoveField(cache, name, 'a'), 'Success');
  is(await client.dictionaryRemoveFields(cache, name, ['a', 'b']), 'Success');
  await holds(name, {});
});

await check('delete takes the whole dictionary', async () => {
  const name = await dictionary({a: '1'});
  is(await client.delete(cache, name), 'Success');
  await holds(name, {});
});

await check('a scalar and a list are no dictionaries', async () => {
  const scalar = fresh('scalar');
  const list = fresh('list');
  is(await client.set(cache, scalar, 'x'), 'Success');
  is(await client.listPushBack(cache, list, 'x'), 'Success');
  for (const name of [scalar, list]) {
    for (const answer of [
      await client.dictionarySetField(cache, name, 'a', '1'),
      await client.dictionarySetFields(cache, name, {a: '1'}),
      await client.dictionaryGetField(cache, name, 'a'),
      await client.dictionaryGetFields(cache, name, ['a']),
      await client.dictionaryFetch(cache, name),
      await client.dictionaryLength(cache, name),
      await client.dictionaryIncrement(cache, name, 'a', 1),
      await client.dictionaryRemoveField(cache, name, 'a'),
      await client.dictionaryRemoveFields(cache, name, ['a']),
    ]) {
      refused(answer, 'FAILED_PRECONDITION_ERROR');
    }
  }
  assert.equal(is(await client.get(cache, scalar), 'Hit').valueString(), 'x');
});

await check('a dictionary is no scalar and no list', async () => {
  const name = await dictionary({a: '1'});
  refused(await client.get(cache, name), 'FAILED_PRECONDITION_ERROR');
  refused(await client.increment(cache, name, 1), 'FAILED_PRECONDITION_ERROR');
  refused(await client.listFetch(cache, name), 'FAILED_PRECONDITION_ERROR');
  refused(await client.setFetch(cache, name), 'FAILED_PRECONDITION_ERROR');
  refused(await client.sortedSetFetchByRank(cache, name), 'FAILED_PRECONDITION_ERROR');
  await holds(name, {a: '1'});
});

await check('names that are none, and caches that are not there', async () => {
  refused(await client.dictionaryFetch(cache, ' '), 'INVALID_ARGUMENT_ERROR');
  refused(await client.dictionarySetField(fresh('cache'), 'd', 'a', '1'), 'CACHE_NOT_FOUND_ERROR');
  refused(await client.dictionaryFetch(fresh('cache'), 'd'), 'CACHE_NOT_FOUND_ERROR');
});

await checkLives({
  client,
  cache,
  what: 'dictionary',
  writes: {
    dictionarySetField: async (name, ttl) => is(await client.dictionarySetField(cache, name, 'a', '1', {ttl}), 'Success'),
    dictionarySetFields: async (name, ttl) => is(await client.dictionarySetFields(cache, name, {b: '2'}, {ttl}), 'Success'),
    dictionaryIncrement: async (name, ttl) => is(await client.dictionaryIncrement(cache, name, 'n', 1, {ttl}), 'Success'),
  },
  exists: async name => (await client.dictionaryFetch(cache, name)).type === 'Hit',
});

finish();
