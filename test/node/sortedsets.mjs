// Every sorted set call of the SDK.
import assert from 'node:assert/strict';
import {CollectionTtl, ItemType, SortedSetAggregate, SortedSetOrder} from '@gomomento/sdk';
import {cache, cacheClient} from './lib/connect.mjs';
import {bytes, check, finish, fresh, is, refused} from './lib/check.mjs';
import {checkLives} from './lib/lives.mjs';

const client = cacheClient();
const down = SortedSetOrder.Descending;

async function sorted(elements = {}) {
  const name = fresh('sorted');
  if (Object.keys(elements).length > 0) is(await client.sortedSetPutElements(cache, name, elements), 'Success');
  return name;
}

/** A fetch as text: "a=1 b=2.5", and "miss". */
function shown(response) {
  if (response.type === 'Miss') return 'miss';
  return is(response, 'Hit')
    .valueArray()
    .map(e => `${e.value}=${e.score}`)
    .join(' ');
}

async function holds(name, want) {
  assert.equal(shown(await client.sortedSetFetchByRank(cache, name)), want);
  if (want === 'miss') {
    is(await client.sortedSetLength(cache, name), 'Miss');
    is(await client.itemGetType(cache, name), 'Miss');
    return;
  }
  assert.equal(is(await client.sortedSetLength(cache, name), 'Hit').length(), want.split(' ').length);
  assert.equal(is(await client.itemGetType(cache, name), 'Hit').itemType(), ItemType.SORTED_SET);
}

await check('put adds and moves', async () => {
  const name = await sorted({b: 2, a: 1});
  is(await client.sortedSetPutElement(cache, name, 'c', 1.5), 'Success');
  is(await client.sortedSetPutElement(cache, name, 'a', 9), 'Success');
  is(await client.sortedSetPutElements(cache, name, new Map([['d', -1], ['b', 2]])), 'Success');
  await holds(name, 'd=-1 c=1.5 b=2 a=9');
});

await check('bytes stay bytes', async () => {
  const name = await sorted();
  is(await client.sortedSetPutElement(cache, name, bytes(255), 1), 'Success');
  is(await client.sortedSetPutElements(cache, name, new Map([[bytes(0, 1), 2]])), 'Success');
  const found = is(await client.sortedSetFetchByRank(cache, name), 'Hit').valueArrayUint8Elements();
  assert.deepEqual(found.map(e => [...e.value, e.score]), [[255, 1], [0, 1, 2]]);
});

const five = await sorted({a: 1, b: 2, c: 2, d: 3, e: 4});
for (const [options, want] of [
  [{}, 'a=1 b=2 c=2 d=3 e=4'],
  [{order: down}, 'e=4 d=3 c=2 b=2 a=1'],
  [{startRank: 1, endRank: 3}, 'b=2 c=2'],
  [{startRank: 1, endRank: 3, order: down}, 'd=3 c=2'],
  [{startRank: -2}, 'd=3 e=4'],
  [{startRank: -2, order: down}, 'b=2 a=1'],
  [{endRank: -3}, 'a=1 b=2'],
  [{startRank: 2, endRank: 100}, 'c=2 d=3 e=4'],
  [{startRank: 7}, ''],
]) {
  await check(`fetch by rank ${JSON.stringify(options)}`, async () => {
    assert.equal(shown(await client.sortedSetFetchByRank(cache, five, options)), want);
  });
}

for (const [options, want] of [
  [{}, 'a=1 b=2 c=2 d=3 e=4'],
  [{minScore: 2, maxScore: 3}, 'b=2 c=2 d=3'],
  [{minScore: 2, maxScore: 3, order: down}, 'd=3 c=2 b=2'],
  [{minScore: 2.5}, 'd=3 e=4'],
  [{maxScore: 2}, 'a=1 b=2 c=2'],
  [{minScore: 10, maxScore: 20}, ''],
  [{offset: 1, count: 2}, 'b=2 c=2'],
  [{offset: 1, count: 2, order: down}, 'd=3 c=2'],
  [{minScore: 2, offset: 3}, 'e=4'],
  [{offset: 9, count: 1}, ''],
]) {
  await check(`fetch by score ${JSON.stringify(options)}`, async () => {
    assert.equal(shown(await client.sortedSetFetchByScore(cache, five, options)), want);
  });
}

await check('an empty range of a set is a hit, a range of no set a miss', async () => {
  assert.deepEqual(is(await client.sortedSetFetchByScore(cache, five, {minScore: 9, maxScore: 9}), 'Hit').valueArray(), []);
  assert.deepEqual(is(await client.sortedSetFetchByRank(cache, five, {startRank: 50}), 'Hit').valueArray(), []);
  is(await client.sortedSetFetchByScore(cache, fresh('sorted')), 'Miss');
  is(await client.sortedSetFetchByRank(cache, fresh('sorted')), 'Miss');
});

await check('ranks, in both orders', async () => {
  for (const [value, up, fromTop] of [['a', 0, 4], ['b', 1, 3], ['c', 2, 2], ['e', 4, 0]]) {
    assert.equal(is(await client.sortedSetGetRank(cache, five, value), 'Hit').rank(), up);
    assert.equal(is(await client.sortedSetGetRank(cache, five, value, {order: down}), 'Hit').rank(), fromTop);
  }
  is(await client.sortedSetGetRank(cache, five, 'none'), 'Miss');
  is(await client.sortedSetGetRank(cache, fresh('sorted'), 'a'), 'Miss');
});

await check('scores', async () => {
  assert.equal(is(await client.sortedSetGetScore(cache, five, 'd'), 'Hit').score(), 3);
  is(await client.sortedSetGetScore(cache, five, 'none'), 'Miss');
  is(await client.sortedSetGetScore(cache, fresh('sorted'), 'd'), 'Miss');
  const many = is(await client.sortedSetGetScores(cache, five, ['e', 'none', 'a']), 'Hit');
  assert.deepEqual(many.valueRecord(), {e: 4, a: 1});
  assert.deepEqual(many.responses().map(r => r.type), ['Hit', 'Miss', 'Hit']);
  is(await client.sortedSetGetScores(cache, fresh('sorted'), ['a']), 'Miss');
});

await check('increment', async () => {
  const name = await sorted({a: 1, b: 2});
  assert.equal(is(await client.sortedSetIncrementScore(cache, name, 'a', 2.5), 'Success').score(), 3.5);
  assert.equal(is(await client.sortedSetIncrementScore(cache, name, 'b', -4), 'Success').score(), -2);
  assert.equal(is(await client.sortedSetIncrementScore(cache, name, 'new', 0.25), 'Success').score(), 0.25);
  assert.equal(is(await client.sortedSetIncrementScore(cache, name, 'new'), 'Success').score(), 1.25);
  await holds(name, 'b=-2 new=1.25 a=3.5');
  const born = fresh('sorted');
  assert.equal(is(await client.sortedSetIncrementScore(cache, born, 'x', 7), 'Success').score(), 7);
  await holds(born, 'x=7');
});

await check('remove, present or not', async () => {
  const name = await sorted({a: 1, b: 2, c: 3});
  is(await client.sortedSetRemoveElement(cache, name, 'a'), 'Success');
  is(await client.sortedSetRemoveElement(cache, name, 'a'), 'Success');
  await holds(name, 'b=2 c=3');
  is(await client.sortedSetRemoveElements(cache, name, ['c', 'none', 'b']), 'Success');
  await holds(name, 'miss');
  is(await client.sortedSetRemoveElement(cache, name, 'a'), 'Success');
  is(await client.sortedSetRemoveElements(cache, name, ['a']), 'Success');
});

await check('length by score', async () => {
  for (const [options, want] of [[{}, 5], [{minScore: 2}, 4], [{maxScore: 2}, 3], [{minScore: 2, maxScore: 3}, 3]]) {
    assert.equal(is(await client.sortedSetLengthByScore(cache, five, options), 'Hit').length(), want);
  }
  is(await client.sortedSetLengthByScore(cache, fresh('sorted'), {}), 'Miss');
});

await check('union store', async () => {
  const one = await sorted({a: 1, b: 2});
  const two = await sorted({b: 10, c: 5});
  const source = (sortedSetName, weight) => ({sortedSetName, weight});
  for (const [sources, aggregate, want] of [
    [[source(one, 1), source(two, 1)], SortedSetAggregate.SUM, 'a=1 c=5 b=12'],
    [[source(one, 2), source(two, -1)], SortedSetAggregate.SUM, 'b=-6 c=-5 a=2'],
    [[source(one, 1), source(two, 1)], SortedSetAggregate.MIN, 'a=1 b=2 c=5'],
    [[source(one, 1), source(two, 1)], SortedSetAggregate.MAX, 'a=1 c=5 b=10'],
    [[source(one, 0.5), source(fresh('sorted'), 1)], SortedSetAggregate.SUM, 'a=0.5 b=1'],
  ]) {
    const name = await sorted({old: 1});
    const stored = is(await client.sortedSetUnionStore(cache, name, sources, {aggregate}), 'Success');
    assert.equal(stored.length(), want.split(' ').length);
    await holds(name, want);
  }
  is(await client.sortedSetUnionStore(cache, one, [source(one, 1), source(two, 1)]), 'Success');
  await holds(one, 'a=1 c=5 b=12');
  assert.equal(is(await client.sortedSetUnionStore(cache, one, [source(fresh('sorted'), 1)]), 'Success').length(), 0);
  await holds(one, 'miss');
  refused(await client.sortedSetUnionStore(cache, one, []), 'INVALID_ARGUMENT_ERROR');
});

await check('what never was', async () => {
  await holds(fresh('sorted'), 'miss');
});

await check('a scalar is no sorted set, and a sorted set is nothing else', async () => {
  const scalar = fresh('scalar');
  is(await client.set(cache, scalar, 'x'), 'Success');
  for (const answer of [
    await client.sortedSetPutElement(cache, scalar, 'a', 1),
    await client.sortedSetPutElements(cache, scalar, {a: 1}),
    await client.sortedSetFetchByRank(cache, scalar),
    await client.sortedSetFetchByScore(cache, scalar),
    await client.sortedSetGetRank(cache, scalar, 'a'),
    await client.sortedSetGetScore(cache, scalar, 'a'),
    await client.sortedSetGetScores(cache, scalar, ['a']),
    await client.sortedSetIncrementScore(cache, scalar, 'a', 1),
    await client.sortedSetRemoveElement(cache, scalar, 'a'),
    await client.sortedSetRemoveElements(cache, scalar, ['a']),
    await client.sortedSetLength(cache, scalar),
    await client.sortedSetLengthByScore(cache, scalar, {}),
    await client.sortedSetUnionStore(cache, fresh('sorted'), [{sortedSetName: scalar, weight: 1}]),
  ]) {
    refused(answer, 'FAILED_PRECONDITION_ERROR');
  }
  assert.equal(is(await client.get(cache, scalar), 'Hit').valueString(), 'x');
  const name = await sorted({a: 1});
  refused(await client.get(cache, name), 'FAILED_PRECONDITION_ERROR');
  refused(await client.listLength(cache, name), 'FAILED_PRECONDITION_ERROR');
  refused(await client.setAddElement(cache, name, 'a'), 'FAILED_PRECONDITION_ERROR');
  refused(await client.dictionarySetField(cache, name, 'a', '1'), 'FAILED_PRECONDITION_ERROR');
  await holds(name, 'a=1');
});

await check('names that are none, and caches that are not there', async () => {
  refused(await client.sortedSetFetchByRank(cache, ' '), 'INVALID_ARGUMENT_ERROR');
  refused(await client.sortedSetPutElement(fresh('cache'), 's', 'a', 1), 'CACHE_NOT_FOUND_ERROR');
  refused(await client.sortedSetLength(fresh('cache'), 's'), 'CACHE_NOT_FOUND_ERROR');
});

await checkLives({
  client,
  cache,
  what: 'sorted',
  writes: {
    sortedSetPutElement: async (name, ttl) => is(await client.sortedSetPutElement(cache, name, 'a', 1, {ttl}), 'Success'),
    sortedSetPutElements: async (name, ttl) => is(await client.sortedSetPutElements(cache, name, {b: 2}, {ttl}), 'Success'),
    sortedSetIncrementScore: async (name, ttl) => is(await client.sortedSetIncrementScore(cache, name, 'n', 1, {ttl}), 'Success'),
  },
  exists: async name => (await client.sortedSetLength(cache, name)).type === 'Hit',
});

await check('a union has the life it is given', async () => {
  const name = await sorted({a: 1});
  is(await client.sortedSetUnionStore(cache, name, [{sortedSetName: five, weight: 1}], {ttl: CollectionTtl.of(50)}), 'Success');
  const left = is(await client.itemGetTtl(cache, name), 'Hit').remainingTtlMillis();
  assert(left > 20_000 && left <= 50_000, `${left} ms left`);
});

finish();
