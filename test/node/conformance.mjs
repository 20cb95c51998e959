// Every call of the SDK in four situations: with all as it should be, with an empty
// input, with nothing of that name there, and with an item of another type there.
// Each situation is a check named "client.call: situation", and its answer is the
// type of the response or the code of the error. docs/compatibility.md is made from it.
import assert from 'node:assert/strict';
import {AllDataReadWrite, DisposableTokenScopes, ExpiresIn} from '@gomomento/sdk';
import {authClient, cache, cacheClient, leaderboardClient, sdk, topicClient, unwrap} from './lib/connect.mjs';
import {check, finish, fresh, is} from './lib/check.mjs';

const client = cacheClient();
const topics = topicClient();
const auth = authClient();
const boards = leaderboardClient();

/** Makes an item of each type under a name. */
const make = {
  scalar: name => client.set(cache, name, '7'),
  list: name => client.listConcatenateBack(cache, name, ['a', 'b', 'c']),
  set: name => client.setAddElements(cache, name, ['a', 'b', 'c']),
  dictionary: name => client.dictionarySetFields(cache, name, {a: '1', b: '2'}),
  sortedset: name => client.sortedSetPutElements(cache, name, {a: 1, b: 2, c: 3}),
};

/** What came: the type of a response, or the code of an error. */
const came = response => (response.type === 'Error' ? response.errorCode() : response.type);

const bad = 'INVALID_ARGUMENT_ERROR';
const mismatch = 'FAILED_PRECONDITION_ERROR';
const hashOf = async name => is(await client.getWithHash(cache, name), 'Hit').hashUint8Array();

/**
 * The calls on items. A row says the type of item, how to call with the item's name,
 * and what must come with an item of the type, an empty input and a missing item.
 * On an item of another type any of them must be refused, unless the row says what
 * comes then. The empty input is an empty name unless the row says otherwise.
 */
const scalars = {
  get: [n => client.get(cache, n), 'Hit', bad, 'Miss'],
  getWithHash: [n => client.getWithHash(cache, n), 'Hit', bad, 'Miss'],
  getBatch: [n => client.getBatch(cache, [n]), 'Success', 'Success', 'Success', {empty: () => client.getBatch(cache, []), wrong: mismatch}],
  set: [n => client.set(cache, n, 'v'), 'Success', 'Success', 'Success', {empty: n => client.set(cache, n, ''), wrong: 'Success'}],
  setWithHash: [n => client.setWithHash(cache, n, 'v'), 'Stored', 'Stored', 'Stored', {empty: n => client.setWithHash(cache, n, ''), wrong: 'Stored'}],
  setBatch: [n => client.setBatch(cache, {[n]: 'v'}), 'Success', 'Success', 'Success', {empty: n => client.setBatch(cache, {[n]: ''}), wrong: 'Success'}],
  setIfNotExists: [n => client.setIfNotExists(cache, n, 'v'), 'NotStored', bad, 'Stored', {wrong: 'NotStored'}],
  setIfAbsent: [n => client.setIfAbsent(cache, n, 'v'), 'NotStored', bad, 'Stored', {wrong: 'NotStored'}],
  setIfPresent: [n => client.setIfPresent(cache, n, 'v'), 'Stored', bad, 'NotStored', {wrong: 'Stored'}],
  setIfEqual: [n => client.setIfEqual(cache, n, 'v', '7'), 'Stored', bad, 'NotStored'],
  setIfNotEqual: [n => client.setIfNotEqual(cache, n, 'v', '8'), 'Stored', bad, 'Stored'],
  setIfPresentAndNotEqual: [n => client.setIfPresentAndNotEqual(cache, n, 'v', '8'), 'Stored', bad, 'NotStored'],
  setIfAbsentOrEqual: [n => client.setIfAbsentOrEqual(cache, n, 'v', '7'), 'Stored', bad, 'Stored'],
  increment: [n => client.increment(cache, n, 1), 'Success', bad, 'Success'],
  delete: [n => client.delete(cache, n), 'Success', bad, 'Success', {wrong: 'Success'}],
  keyExists: [n => client.keyExists(cache, n), 'Success', bad, 'Success', {wrong: 'Success'}],
  keysExist: [n => client.keysExist(cache, [n]), 'Success', 'Success', 'Success', {empty: () => client.keysExist(cache, []), wrong: 'Success'}],
  itemGetType: [n => client.itemGetType(cache, n), 'Hit', bad, 'Miss', {wrong: 'Hit'}],
  itemGetTtl: [n => client.itemGetTtl(cache, n), 'Hit', bad, 'Miss', {wrong: 'Hit'}],
  updateTtl: [n => client.updateTtl(cache, n, 9000), 'Set', bad, 'Miss', {wrong: 'Set'}],
  increaseTtl: [n => client.increaseTtl(cache, n, 9_000_000), 'Set', bad, 'Miss', {wrong: 'Set'}],
  decreaseTtl: [n => client.decreaseTtl(cache, n, 9000), 'Set', bad, 'Miss', {wrong: 'Set'}],
};

// The conditions on a hash say which hash is meant: the item's own, or any.
const some = new Uint8Array([1, 2, 3]);
const hashes = {
  setIfPresentAndHashEqual: [n => hash => client.setIfPresentAndHashEqual(cache, n, 'v', hash), 'Stored', 'NotStored'],
  setIfPresentAndHashNotEqual: [n => hash => client.setIfPresentAndHashNotEqual(cache, n, 'v', hash), 'NotStored', 'NotStored'],
  setIfAbsentOrHashEqual: [n => hash => client.setIfAbsentOrHashEqual(cache, n, 'v', hash), 'Stored', 'Stored'],
  setIfAbsentOrHashNotEqual: [n => hash => client.setIfAbsentOrHashNotEqual(cache, n, 'v', hash), 'NotStored', 'Stored'],
};

const lists = {
  listConcatenateBack: [n => client.listConcatenateBack(cache, n, ['x', 'y']), 'Success', 'Success', 'Success', {empty: n => client.listConcatenateBack(cache, n, [])}],
  listConcatenateFront: [n => client.listConcatenateFront(cache, n, ['x', 'y']), 'Success', 'Success', 'Success', {empty: n => client.listConcatenateFront(cache, n, [])}],
  listPushBack: [n => client.listPushBack(cache, n, 'x'), 'Success', 'Success', 'Success', {empty: n => client.listPushBack(cache, n, '')}],
  listPushFront: [n => client.listPushFront(cache, n, 'x'), 'Success', 'Success', 'Success', {empty: n => client.listPushFront(cache, n, '')}],
  listFetch: [n => client.listFetch(cache, n), 'Hit', bad, 'Miss'],
  listLength: [n => client.listLength(cache, n), 'Hit', bad, 'Miss'],
  listPopBack: [n => client.listPopBack(cache, n), 'Hit', bad, 'Miss'],
  listPopFront: [n => client.listPopFront(cache, n), 'Hit', bad, 'Miss'],
  listRemoveValue: [n => client.listRemoveValue(cache, n, 'a'), 'Success', bad, 'Success'],
  listRetain: [n => client.listRetain(cache, n, {startIndex: 1}), 'Success', bad, 'Success'],
};

const sets = {
  setAddElement: [n => client.setAddElement(cache, n, 'x'), 'Success', bad, 'Success'],
  setAddElements: [n => client.setAddElements(cache, n, ['x']), 'Success', bad, 'Success'],
  setContainsElement: [n => client.setContainsElement(cache, n, 'a'), 'Hit', bad, 'Miss'],
  setContainsElements: [n => client.setContainsElements(cache, n, ['a', 'x']), 'Hit', bad, 'Miss'],
  setFetch: [n => client.setFetch(cache, n), 'Hit', bad, 'Miss'],
  setLength: [n => client.setLength(cache, n), 'Hit', bad, 'Miss'],
  setPop: [n => client.setPop(cache, n, 1), 'Hit', bad, 'Miss'],
  setSample: [n => client.setSample(cache, n, 2), 'Hit', bad, 'Miss'],
  setRemoveElement: [n => client.setRemoveElement(cache, n, 'a'), 'Success', bad, 'Success'],
  setRemoveElements: [n => client.setRemoveElements(cache, n, ['a']), 'Success', bad, 'Success'],
};

const dictionaries = {
  dictionarySetField: [n => client.dictionarySetField(cache, n, 'x', '1'), 'Success', 'Success', 'Success', {empty: n => client.dictionarySetField(cache, n, 'x', '')}],
  dictionarySetFields: [n => client.dictionarySetFields(cache, n, {x: '1'}), 'Success', bad, 'Success'],
  dictionaryGetField: [n => client.dictionaryGetField(cache, n, 'a'), 'Hit', bad, 'Miss'],
  dictionaryGetFields: [n => client.dictionaryGetFields(cache, n, ['a', 'x']), 'Hit', bad, 'Miss'],
  dictionaryFetch: [n => client.dictionaryFetch(cache, n), 'Hit', bad, 'Miss'],
  dictionaryIncrement: [n => client.dictionaryIncrement(cache, n, 'a', 1), 'Success', bad, 'Success'],
  dictionaryRemoveField: [n => client.dictionaryRemoveField(cache, n, 'a'), 'Success', bad, 'Success'],
  dictionaryRemoveFields: [n => client.dictionaryRemoveFields(cache, n, ['a']), 'Success', bad, 'Success'],
  dictionaryLength: [n => client.dictionaryLength(cache, n), 'Hit', bad, 'Miss'],
};

const sortedSets = {
  sortedSetPutElement: [n => client.sortedSetPutElement(cache, n, 'x', 1), 'Success', bad, 'Success'],
  sortedSetPutElements: [n => client.sortedSetPutElements(cache, n, {x: 1}), 'Success', bad, 'Success'],
  sortedSetFetchByRank: [n => client.sortedSetFetchByRank(cache, n), 'Hit', bad, 'Miss'],
  sortedSetFetchByScore: [n => client.sortedSetFetchByScore(cache, n), 'Hit', bad, 'Miss'],
  sortedSetGetRank: [n => client.sortedSetGetRank(cache, n, 'a'), 'Hit', bad, 'Miss'],
  sortedSetGetScore: [n => client.sortedSetGetScore(cache, n, 'a'), 'Hit', bad, 'Miss'],
  sortedSetGetScores: [n => client.sortedSetGetScores(cache, n, ['a', 'x']), 'Hit', bad, 'Miss'],
  sortedSetIncrementScore: [n => client.sortedSetIncrementScore(cache, n, 'a', 1), 'Success', bad, 'Success'],
  sortedSetRemoveElement: [n => client.sortedSetRemoveElement(cache, n, 'a'), 'Success', bad, 'Success'],
  sortedSetRemoveElements: [n => client.sortedSetRemoveElements(cache, n, ['a']), 'Success', bad, 'Success'],
  sortedSetLength: [n => client.sortedSetLength(cache, n), 'Hit', bad, 'Miss'],
  sortedSetLengthByScore: [n => client.sortedSetLengthByScore(cache, n), 'Hit', bad, 'Miss'],
  sortedSetUnionStore: [
    n => client.sortedSetUnionStore(cache, fresh('union'), [{sortedSetName: n, weight: 2}]), 'Success', bad, 'Success',
    {empty: n => client.sortedSetUnionStore(cache, n, [])},
  ],
};

const tried = new Set();

// The Web SDK falls over these when they are refused: it reads the answer that is not there.
const fatal = new Set(sdk === 'web' ? ['CacheClient.itemGetType: empty', 'CacheClient.itemGetTtl: empty'] : []);

/** Checks one situation. */
async function situation(on, call, which, made, want) {
  tried.add(`${on}.${call}`);
  if (fatal.has(`${on}.${call}: ${which}`)) return;
  await check(`${on}.${call}: ${which}`, async () => {
    const response = await made();
    assert.equal(came(response), want, response.toString());
  });
}

async function items(type, other, rows) {
  const item = async kind => {
    const name = fresh('item');
    is(await make[kind](name), 'Success');
    return name;
  };
  for (const [call, [run, normal, empty, missing, {empty: runEmpty, wrong = mismatch} = {}]] of Object.entries(rows)) {
    const at = (which, made, want) => situation('CacheClient', call, which, made, want);
    await at('normal', async () => run(await item(type)), normal);
    await at('empty', async () => (runEmpty === undefined ? run('') : runEmpty(await item(type))), empty);
    await at('missing', async () => run(fresh('none')), missing);
    await at('wrong type', async () => run(await item(other)), wrong);
  }
}

await items('scalar', 'list', scalars);
await items('list', 'scalar', lists);
await items('set', 'sortedset', sets);
await items('dictionary', 'set', dictionaries);
await items('sortedset', 'dictionary', sortedSets);

for (const [call, [run, equal, missing]] of Object.entries(hashes)) {
  const at = (which, made, want) => situation('CacheClient', call, which, made, want);
  const there = async kind => {
    const name = fresh('item');
    is(await make[kind](name), 'Success');
    return name;
  };
  await at('normal', async () => {
    const name = await there('scalar');
    return run(name)(await hashOf(name));
  }, equal);
  await at('empty', async () => run('')(some), bad);
  await at('missing', async () => run(fresh('none'))(some), missing);
  await at('wrong type', async () => run(await there('list'))(some), mismatch);
}

// Caches themselves.
const notThere = 'NOT_FOUND_ERROR';
const cacheCalls = {
  createCache: [name => client.createCache(name), 'AlreadyExists', bad, 'Success'],
  deleteCache: [name => client.deleteCache(name), 'Success', bad, notThere],
  flushCache: [name => client.flushCache(name), 'Success', bad, notThere],
};
for (const [call, [run, normal, empty, missing]] of Object.entries(cacheCalls)) {
  const name = fresh('cache');
  is(await client.createCache(name), 'Success');
  await situation('CacheClient', call, 'normal', () => run(name), normal);
  await situation('CacheClient', call, 'empty', () => run(''), empty);
  await situation('CacheClient', call, 'missing', () => run(fresh('none')), missing);
}
await situation('CacheClient', 'listCaches', 'normal', () => client.listCaches(), 'Success');
await situation('CacheClient', 'ping', 'normal', async () => {
  await client.ping();
  return {type: 'Success'};
}, 'Success');

// Topics.
const quiet = {onItem() {}, onError() {}};
async function subscribed(cacheName, topic) {
  const response = await topics.subscribe(cacheName, topic, quiet);
  if (response.type === 'Subscription') response.unsubscribe();
  return response;
}
await situation('TopicClient', 'publish', 'normal', () => topics.publish(cache, fresh('topic'), 'v'), 'Success');
await situation('TopicClient', 'publish', 'empty', () => topics.publish(cache, '', 'v'), bad);
await situation('TopicClient', 'publish', 'missing', () => topics.publish(fresh('none'), 'topic', 'v'), notThere);
await situation('TopicClient', 'subscribe', 'normal', () => subscribed(cache, fresh('topic')), 'Subscription');
await situation('TopicClient', 'subscribe', 'empty', () => subscribed(cache, ''), bad);
await situation('TopicClient', 'subscribe', 'missing', () => subscribed(fresh('none'), 'topic'), notThere);

// Webhooks.
const url = 'https://hooks.example/mayfly';
const webhookCalls = {
  putWebhook: [name => topics.putWebhook(cache, name, {topicName: 'room', destination: url}), bad, 'Success'],
  getWebhookSecret: [name => topics.getWebhookSecret(cache, name), bad, notThere],
  rotateWebhookSecret: [name => topics.rotateWebhookSecret(cache, name), bad, notThere],
  deleteWebhook: [name => topics.deleteWebhook(cache, name), bad, 'Success'],
};
for (const [call, [run, empty, missing]] of Object.entries(webhookCalls)) {
  const name = fresh('webhook');
  await situation('TopicClient', call, 'normal', async () => {
    is(await topics.putWebhook(cache, name, {topicName: 'room', destination: url}), 'Success');
    return run(name);
  }, 'Success');
  await situation('TopicClient', call, 'empty', () => run(''), empty);
  await situation('TopicClient', call, 'missing', () => run(fresh('none')), missing);
  await topics.deleteWebhook(cache, name);
}
await situation('TopicClient', 'listWebhooks', 'normal', () => topics.listWebhooks(cache), 'Success');
await situation('TopicClient', 'listWebhooks', 'missing', () => topics.listWebhooks(fresh('none')), notThere);

// Keys and tokens. Their older names do the same.
for (const [generate, refresh] of [['generateApiKey', 'refreshApiKey'], ['generateAuthToken', 'refreshAuthToken']]) {
  await situation('AuthClient', generate, 'normal', () => auth[generate](AllDataReadWrite, ExpiresIn.minutes(1)), 'Success');
  await situation('AuthClient', generate, 'empty', () => auth[generate]({permissions: []}, ExpiresIn.minutes(1)), bad);
  await situation('AuthClient', refresh, 'normal', async () => {
    const made = is(await auth[generate](AllDataReadWrite, ExpiresIn.hours(1)), 'Success');
    return authClient({rawKey: unwrap(made.apiKey ?? made.authToken)})[refresh](made.refreshToken);
  }, 'Success');
  await situation('AuthClient', refresh, 'missing', () => auth[refresh]('none'), bad);
}
const scope = DisposableTokenScopes.topicPublishSubscribe(cache, 'room');
await situation('AuthClient', 'generateDisposableToken', 'normal', () => auth.generateDisposableToken(scope, ExpiresIn.minutes(1)), 'Success');
await situation('AuthClient', 'generateDisposableToken', 'empty', () => auth.generateDisposableToken({permissions: []}, ExpiresIn.minutes(1)), bad);

// Leaderboards. There is nothing of another type that a leaderboard could be.
const leaderboardCalls = {
  upsert: [b => b.upsert({1: 10}), 'Success', b => b.upsert({}), bad, 'Success'],
  fetchByRank: [b => b.fetchByRank(0, 2), 'Success', b => b.fetchByRank(0, 0), bad, 'Success'],
  fetchByScore: [b => b.fetchByScore({minScore: 1}), 'Success', b => b.fetchByScore({minScore: 2, maxScore: 1}), bad, 'Success'],
  getRank: [b => b.getRank([1]), 'Success', b => b.getRank([]), 'Success', 'Success'],
  length: [b => b.length(), 'Success', undefined, undefined, 'Success'],
  removeElements: [b => b.removeElements([1]), 'Success', b => b.removeElements([]), bad, 'Success'],
  delete: [b => b.delete(), 'Success', undefined, undefined, 'Success'],
};
for (const [call, [run, normal, runEmpty, empty, missing]] of Object.entries(leaderboardCalls)) {
  const board = boards.leaderboard(cache, fresh('board'));
  is(await board.upsert({1: 1, 2: 2}), 'Success');
  await situation('Leaderboard', call, 'normal', () => run(board), normal);
  if (runEmpty !== undefined) await situation('Leaderboard', call, 'empty', () => runEmpty(board), empty);
  await situation('Leaderboard', call, 'missing', () => run(boards.leaderboard(cache, fresh('none'))), missing);
}

// What is no call to the broker, or stands for others that are tried.
const noCalls = new Set([
  'CacheClient.cache', 'CacheClient.close', 'CacheClient.configuration', 'CacheClient.getNextDataClient',
  'TopicClient.getNextPublishClient', 'TopicClient.getNextSubscribeClient', 'TopicClient.close',
]);
await check('no call of the SDK is left out', async () => {
  const clients = {CacheClient: client, TopicClient: topics, AuthClient: auth, Leaderboard: boards.leaderboard(cache, 'b')};
  const left = [];
  for (const [on, object] of Object.entries(clients)) {
    for (let p = Object.getPrototypeOf(object); p !== Object.prototype; p = Object.getPrototypeOf(p)) {
      for (const call of Object.getOwnPropertyNames(p)) {
        if (call !== 'constructor' && !tried.has(`${on}.${call}`) && !noCalls.has(`${on}.${call}`)) left.push(`${on}.${call}`);
      }
    }
  }
  assert.deepEqual(left, []);
});

finish();
