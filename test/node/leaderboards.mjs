// Every leaderboard call of the SDK.
import assert from 'node:assert/strict';
import {LeaderboardOrder} from '@gomomento/sdk';
import {cache, cacheClient, leaderboardClient} from './lib/connect.mjs';
import {check, finish, fresh, is, refused} from './lib/check.mjs';

const client = leaderboardClient();
const down = LeaderboardOrder.Descending;

async function board(elements) {
  const name = fresh('board');
  const made = client.leaderboard(cache, name);
  if (elements !== undefined) is(await made.upsert(elements), 'Success');
  return made;
}

/** Elements as text: "rank:id=score". */
function shown(response) {
  return is(response, 'Success')
    .values()
    .map(e => `${e.rank}:${e.id}=${e.score}`)
    .join(' ');
}

await check('upsert adds and moves', async () => {
  const b = await board({1: 100, 2: 200});
  is(await b.upsert(new Map([[2, 50.5], [4294967295, 75]])), 'Success');
  assert.equal(shown(await b.fetchByRank(0, 10)), '0:2=50.5 1:4294967295=75 2:1=100');
  assert.equal(is(await b.length(), 'Success').length(), 3);
});

const five = await board({10: 1, 3: 2, 4: 2, 5: 3, 6: 9007199254740991});
for (const [from, to, order, want] of [
  [0, 5, undefined, '0:10=1 1:3=2 2:4=2 3:5=3 4:6=9007199254740991'],
  [0, 3, down, '0:6=9007199254740991 1:5=3 2:4=2'],
  [1, 3, undefined, '1:3=2 2:4=2'],
  [3, 8000, undefined, '3:5=3 4:6=9007199254740991'],
  [100, 200, undefined, ''],
]) {
  await check(`fetch by rank ${from} to ${to}, ${order ?? 'default order'}`, async () => {
    assert.equal(shown(await five.fetchByRank(from, to, {order})), want);
  });
}

for (const [options, want] of [
  [{}, '0:10=1 1:3=2 2:4=2 3:5=3 4:6=9007199254740991'],
  [{minScore: 2, maxScore: 3}, '1:3=2 2:4=2'],
  [{minScore: 2, maxScore: 3, order: down}, '2:4=2 3:3=2'],
  [{maxScore: 2}, '0:10=1'],
  [{minScore: 2, offset: 1, count: 2}, '2:4=2 3:5=3'],
  [{minScore: 50, maxScore: 60}, ''],
]) {
  await check(`fetch by score ${JSON.stringify(options)}`, async () => {
    assert.equal(shown(await five.fetchByScore(options)), want);
  });
}

await check('ranks of ids, in the order asked, without those that are not there', async () => {
  assert.equal(shown(await five.getRank([5, 77, 10])), '3:5=3 0:10=1');
  assert.equal(shown(await five.getRank([5, 10], {order: down})), '1:5=3 4:10=1');
  assert.equal(shown(await five.getRank([])), '');
});

await check('remove ids, present or not', async () => {
  const b = await board({1: 1, 2: 2, 3: 3});
  is(await b.removeElements([2, 77]), 'Success');
  assert.equal(shown(await b.fetchByRank(0, 10)), '0:1=1 1:3=3');
  is(await b.removeElements([1, 3]), 'Success');
  assert.equal(is(await b.length(), 'Success').length(), 0);
});

await check('delete', async () => {
  const b = await board({1: 1});
  is(await b.delete(), 'Success');
  assert.equal(is(await b.length(), 'Success').length(), 0);
  is(await b.delete(), 'Success');
});

await check('a leaderboard that never was is empty', async () => {
  const b = await board();
  assert.equal(is(await b.length(), 'Success').length(), 0);
  assert.equal(shown(await b.fetchByRank(0, 10)), '');
  assert.equal(shown(await b.fetchByScore()), '');
  assert.equal(shown(await b.getRank([1, 2])), '');
  is(await b.removeElements([1]), 'Success');
});

await check('a page of eight thousand, and no more', async () => {
  const elements = new Map(Array.from({length: 8192}, (_, i) => [i, -i]));
  const b = await board(elements);
  assert.equal(is(await b.fetchByRank(0, 8192), 'Success').values().length, 8192);
  refused(await b.fetchByRank(0, 8193), 'INVALID_ARGUMENT_ERROR');
  refused(await b.upsert(elements.set(9000, 1)), 'INVALID_ARGUMENT_ERROR');
  refused(await b.fetchByRank(5, 5), 'INVALID_ARGUMENT_ERROR');
  refused(await b.upsert(new Map()), 'INVALID_ARGUMENT_ERROR');
});

await check('a leaderboard and an item of the same name are two', async () => {
  const items = cacheClient();
  const name = fresh('both');
  is(await items.set(cache, name, 'x'), 'Success');
  const b = client.leaderboard(cache, name);
  is(await b.upsert({1: 1}), 'Success');
  is(await items.delete(cache, name), 'Success');
  assert.equal(is(await b.length(), 'Success').length(), 1);
});

await check('caches that are not there', async () => {
  refused(await client.leaderboard(fresh('cache'), 'b').length(), 'CACHE_NOT_FOUND_ERROR');
  refused(await client.leaderboard(fresh('cache'), 'b').upsert({1: 1}), 'CACHE_NOT_FOUND_ERROR');
});

finish();
