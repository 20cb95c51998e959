// Keys and tokens: what they allow, what they refuse, and when they end. The
// program holds the broker's admin credential.
import assert from 'node:assert/strict';
import {
  AllCaches,
  AllDataReadWrite,
  AllTopics,
  CacheRole,
  DisposableTokenScopes,
  ExpiresIn,
  PermissionScopes,
  TopicRole,
} from '@gomomento/sdk';
import {authClient, cache, cacheClient, key as adminKey, topicClient, unwrap} from './lib/connect.mjs';
import {check, eventually, failedWith, finish, fresh, is, refused} from './lib/check.mjs';

const admin = authClient();
const adminCaches = cacheClient();
const adminTopics = topicClient();
const other = fresh('cache');
is(await adminCaches.createCache(other), 'Success');

/** Mints a token and opens the clients that hold it. */
async function holder(scope, {expiresIn = ExpiresIn.minutes(5), tokenId} = {}) {
  const minted = is(await admin.generateDisposableToken(scope, expiresIn, {tokenId}), 'Success');
  return clients(unwrap(minted.authToken));
}

function clients(rawKey) {
  return {rawKey, caches: cacheClient({rawKey}), topics: topicClient({rawKey}), auth: authClient({rawKey})};
}

async function mayNot(answer, code = 'PERMISSION_ERROR') {
  refused(await answer, code);
}

await check('a token of a chat room: its topic and nothing else', async () => {
  const room = fresh('room');
  const {topics, caches} = await holder(PermissionScopes.topicPublishSubscribe(cache, room), {tokenId: 'alice'});
  const items = [];
  const subscription = is(await topics.subscribe(cache, room, {onItem: i => items.push(i)}), 'Subscription');
  is(await topics.publish(cache, room, 'hello'), 'Success');
  await eventually('the item', () => items.length > 0);
  assert.equal(items[0].value(), 'hello');
  assert.equal(items[0].tokenId(), 'alice');
  subscription.unsubscribe();
  await mayNot(topics.publish(cache, `${room}2`, 'x'));
  await mayNot(topics.subscribe(cache, `${room}2`, {}));
  await mayNot(topics.publish(other, room, 'x'));
  await mayNot(topics.subscribe(other, room, {}));
  await mayNot(caches.get(cache, room));
  await mayNot(caches.listPushBack(cache, room, 'x'));
  await mayNot(caches.createCache(fresh('cache')));
});

await check('every subscriber sees who published, from the token', async () => {
  const room = fresh('room');
  const items = [];
  const subscription = is(await adminTopics.subscribe(cache, room, {onItem: i => items.push(i)}), 'Subscription');
  for (const tokenId of ['alice', 'bob', 'x'.repeat(64)]) {
    const {topics} = await holder(PermissionScopes.topicPublishOnly(cache, room), {tokenId});
    is(await topics.publish(cache, room, `from ${tokenId}`), 'Success');
  }
  const {topics: anonymous} = await holder(PermissionScopes.topicPublishOnly(cache, room));
  is(await anonymous.publish(cache, room, 'from nobody'), 'Success');
  await eventually('four items', () => items.length >= 4);
  assert.deepEqual(items.map(i => i.tokenId() || ''), ['alice', 'bob', 'x'.repeat(64), '']);
  subscription.unsubscribe();
});

await check('publish-only may not subscribe', async () => {
  const room = fresh('room');
  const {topics} = await holder(PermissionScopes.topicPublishOnly(cache, room));
  is(await topics.publish(cache, room, 'x'), 'Success');
  await mayNot(topics.subscribe(cache, room, {}));
});

await check('subscribe-only may not publish', async () => {
  const room = fresh('room');
  const {topics} = await holder(PermissionScopes.topicSubscribeOnly(cache, room));
  const subscription = is(await topics.subscribe(cache, room, {}), 'Subscription');
  subscription.unsubscribe();
  await mayNot(topics.publish(cache, room, 'x'));
});

await check('all topics of one cache', async () => {
  const {topics} = await holder(PermissionScopes.topicPublishOnly(cache, AllTopics));
  is(await topics.publish(cache, fresh('room'), 'x'), 'Success');
  await mayNot(topics.publish(other, fresh('room'), 'x'));
});

await check('one key, reading only', async () => {
  const mine = fresh('key');
  is(await adminCaches.set(cache, mine, 'v'), 'Success');
  const {caches} = await holder(DisposableTokenScopes.cacheKeyReadOnly(cache, mine));
  is(await caches.get(cache, mine), 'Hit');
  await mayNot(caches.set(cache, mine, 'x'));
  await mayNot(caches.delete(cache, mine));
  await mayNot(caches.increment(cache, mine, 1));
  await mayNot(caches.get(cache, `${mine}2`));
  await mayNot(caches.get(other, mine));
});

await check('one key, writing only', async () => {
  const mine = fresh('key');
  const {caches} = await holder(DisposableTokenScopes.cacheKeyWriteOnly(cache, mine));
  is(await caches.set(cache, mine, 'v'), 'Success');
  is(await caches.delete(cache, mine), 'Success');
  await mayNot(caches.get(cache, mine));
  await mayNot(caches.setIfAbsent(cache, mine, 'x'));
  await mayNot(caches.set(cache, fresh('key'), 'x'));
});

await check('one list, reading and writing', async () => {
  const room = fresh('room');
  const {caches, topics} = await holder(DisposableTokenScopes.cacheKeyReadWrite(cache, room));
  is(await caches.listPushBack(cache, room, 'a', {truncateFrontToSize: 100}), 'Success');
  assert.deepEqual(is(await caches.listFetch(cache, room), 'Hit').valueListString(), ['a']);
  is(await caches.listPopBack(cache, room), 'Hit');
  await mayNot(caches.listPushBack(cache, `${room}2`, 'a'));
  await mayNot(caches.listFetch(cache, `${room}2`));
  await mayNot(topics.publish(cache, room, 'x'));
});

await check('keys that begin alike', async () => {
  const prefix = fresh('user');
  const {caches} = await holder(DisposableTokenScopes.cacheKeyPrefixReadWrite(cache, `${prefix}:`));
  is(await caches.set(cache, `${prefix}:name`, 'v'), 'Success');
  is(await caches.get(cache, `${prefix}:name`), 'Hit');
  is(await caches.listPushBack(cache, `${prefix}:list`, 'v'), 'Success');
  await mayNot(caches.set(cache, prefix, 'v'));
  await mayNot(caches.get(cache, `x${prefix}:name`));
  await mayNot(caches.set(other, `${prefix}:name`, 'v'));
});

await check('every key of a batch must be allowed', async () => {
  const prefix = fresh('user');
  const {caches} = await holder(DisposableTokenScopes.cacheKeyPrefixReadWrite(cache, `${prefix}:`));
  is(await caches.setBatch(cache, new Map([[`${prefix}:a`, '1'], [`${prefix}:b`, '2']])), 'Success');
  is(await caches.getBatch(cache, [`${prefix}:a`, `${prefix}:b`]), 'Success');
  await mayNot(caches.getBatch(cache, [`${prefix}:a`, 'secret']));
  await mayNot(caches.setBatch(cache, new Map([[`${prefix}:a`, '3'], ['secret', '4']])));
  await mayNot(caches.keysExist(cache, [`${prefix}:a`, 'secret']));
  assert.equal(is(await caches.get(cache, `${prefix}:a`), 'Hit').valueString(), '1');
});

await check('a whole cache, reading only', async () => {
  const mine = fresh('key');
  is(await adminCaches.set(cache, mine, 'v'), 'Success');
  const {caches, topics} = await holder(PermissionScopes.cacheReadOnly(cache));
  is(await caches.get(cache, mine), 'Hit');
  is(await caches.get(cache, fresh('key')), 'Miss');
  await mayNot(caches.set(cache, mine, 'x'));
  await mayNot(caches.get(other, mine));
  await mayNot(topics.subscribe(cache, mine, {}));
});

await check('topic and history of one room in one token', async () => {
  const room = fresh('room');
  const {caches, topics} = await holder({
    permissions: [
      {role: TopicRole.PublishSubscribe, cache, topic: room},
      {role: CacheRole.ReadOnly, cache},
    ],
  });
  is(await topics.publish(cache, room, 'x'), 'Success');
  is(await caches.listFetch(cache, room), 'Miss');
  await mayNot(caches.listPushBack(cache, room, 'x'));
});

await check('all data', async () => {
  const {caches, topics} = await holder(AllDataReadWrite);
  is(await caches.set(other, 'k', 'v'), 'Success');
  is(await topics.publish(other, 't', 'v'), 'Success');
  await mayNot(caches.createCache(fresh('cache')));
  await mayNot(caches.deleteCache(other));
  await mayNot(caches.flushCache(other));
});

await check('permission comes before existence', async () => {
  const {caches, topics} = await holder(PermissionScopes.cacheReadWrite(cache));
  await mayNot(caches.get(fresh('missing'), 'k'));
  await mayNot(topics.publish(fresh('missing'), 't', 'x'));
  const everything = await holder(PermissionScopes.cacheReadWrite(AllCaches));
  refused(await everything.caches.get(fresh('missing'), 'k'), 'CACHE_NOT_FOUND_ERROR');
});

await check('a token may not mint', async () => {
  const {auth} = await holder(AllDataReadWrite);
  await mayNot(auth.generateDisposableToken(PermissionScopes.cacheReadOnly(cache), ExpiresIn.minutes(5)));
  await mayNot(auth.generateApiKey(AllDataReadWrite, ExpiresIn.minutes(5)));
});

await check('what cannot be minted', async () => {
  const scope = PermissionScopes.topicPublishOnly(cache, 't');
  refused(await admin.generateDisposableToken(scope, ExpiresIn.minutes(5), {tokenId: 'x'.repeat(65)}), 'INVALID_ARGUMENT_ERROR');
  refused(await admin.generateDisposableToken(scope, ExpiresIn.days(3)), 'INVALID_ARGUMENT_ERROR');
  refused(await admin.generateDisposableToken({permissions: []}, ExpiresIn.minutes(5)), 'INVALID_ARGUMENT_ERROR');
  const same = {role: CacheRole.ReadOnly, cache};
  refused(await admin.generateApiKey({permissions: [same, {...same, role: CacheRole.ReadWrite}]}, ExpiresIn.minutes(5)), 'INVALID_ARGUMENT_ERROR');
  refused(await admin.generateApiKey({permissions: []}, ExpiresIn.minutes(5)), 'INVALID_ARGUMENT_ERROR');
});

await check('when a token ends is told', async () => {
  const before = Math.floor(Date.now() / 1000);
  const minted = is(await admin.generateDisposableToken(AllDataReadWrite, ExpiresIn.hours(1)), 'Success');
  const life = minted.expiresAt.epoch() - before;
  assert(life >= 3600 && life <= 3605, `lives ${life} s`);
  assert.notEqual(minted.endpoint, '');
});

await check('an API key works and does not mint more than data', async () => {
  const made = is(await admin.generateApiKey(AllDataReadWrite, ExpiresIn.never()), 'Success');
  assert.equal(made.expiresAt.doesExpire(), false);
  const {caches, topics, auth} = clients(unwrap(made.apiKey));
  is(await caches.set(cache, fresh('key'), 'v'), 'Success');
  is(await topics.publish(cache, fresh('topic'), 'v'), 'Success');
  await mayNot(caches.createCache(fresh('cache')));
  await mayNot(auth.generateApiKey(AllDataReadWrite, ExpiresIn.minutes(5)));
  await mayNot(auth.generateDisposableToken(AllDataReadWrite, ExpiresIn.minutes(5)));
});

await check('an API key of one cache', async () => {
  const made = is(await admin.generateApiKey(PermissionScopes.cacheReadOnly(cache), ExpiresIn.minutes(5)), 'Success');
  const {caches} = clients(unwrap(made.apiKey));
  is(await caches.get(cache, fresh('key')), 'Miss');
  await mayNot(caches.set(cache, fresh('key'), 'v'));
  await mayNot(caches.get(other, fresh('key')));
});

await check('refresh gives the same key another life', async () => {
  const made = is(await admin.generateApiKey(PermissionScopes.cacheReadOnly(cache), ExpiresIn.minutes(5)), 'Success');
  const old = clients(unwrap(made.apiKey));
  const renewed = is(await old.auth.refreshApiKey(made.refreshToken), 'Success');
  const gained = renewed.expiresAt.epoch() - made.expiresAt.epoch();
  assert(gained >= 0 && gained <= 10, `${gained} s gained`);
  const fresher = clients(unwrap(renewed.apiKey));
  is(await fresher.caches.get(cache, fresh('key')), 'Miss');
  await mayNot(fresher.caches.set(cache, fresh('key'), 'v'));
  refused(await old.auth.refreshApiKey('nonsense'), 'INVALID_ARGUMENT_ERROR');
});

await check('a credential that is none', async () => {
  for (const rawKey of ['nonsense', 'a.b.c', `${adminKey}x`, adminKey.slice(0, -4)]) {
    const {caches, topics} = clients(rawKey);
    await mayNot(caches.get(cache, 'k'), 'AUTHENTICATION_ERROR');
    await mayNot(topics.publish(cache, 't', 'x'), 'AUTHENTICATION_ERROR');
    await mayNot(topics.subscribe(cache, 't', {}), 'AUTHENTICATION_ERROR');
    await mayNot(caches.createCache(fresh('cache')), 'AUTHENTICATION_ERROR');
  }
});

await check('a token changed in one letter', async () => {
  const {rawKey} = await holder(AllDataReadWrite);
  const middle = Math.floor(rawKey.length / 2);
  const forged = rawKey.slice(0, middle) + (rawKey[middle] === 'A' ? 'B' : 'A') + rawKey.slice(middle + 1);
  await mayNot(clients(forged).caches.get(cache, 'k'), 'AUTHENTICATION_ERROR');
});

await Promise.all([
  check('a token ends for calls', async () => {
    const {caches, topics} = await holder(AllDataReadWrite, {expiresIn: ExpiresIn.seconds(2)});
    is(await caches.get(cache, fresh('key')), 'Miss');
    let answer;
    await eventually('the end of the token', async () => {
      answer = await caches.get(cache, fresh('key'));
      return answer.type === 'Error';
    });
    refused(answer, 'AUTHENTICATION_ERROR');
    await mayNot(topics.publish(cache, fresh('topic'), 'x'), 'AUTHENTICATION_ERROR');
    await mayNot(topics.subscribe(cache, fresh('topic'), {}), 'AUTHENTICATION_ERROR');
  }),
  check('a token ends for a live subscription', async () => {
    const room = fresh('room');
    const {topics} = await holder(PermissionScopes.topicSubscribeOnly(cache, room), {expiresIn: ExpiresIn.seconds(3)});
    const items = [];
    const errors = [];
    is(await topics.subscribe(cache, room, {onItem: i => items.push(i.value()), onError: e => errors.push(e)}), 'Subscription');
    is(await adminTopics.publish(cache, room, 'in time'), 'Success');
    await eventually('the item', () => items.length > 0);
    await eventually('the end of the subscription', () => errors.length > 0);
    failedWith(errors[0], 'AUTHENTICATION_ERROR');
    is(await adminTopics.publish(cache, room, 'too late'), 'Success');
    assert.deepEqual(items, ['in time']);
  }),
  check('a token ends for a subscription that has come back', async () => {
    const room = fresh('room');
    const {topics} = await holder(PermissionScopes.topicSubscribeOnly(cache, room), {expiresIn: ExpiresIn.seconds(8)});
    const errors = [];
    is(await topics.subscribe(cache, room, {onError: e => errors.push(e)}), 'Subscription');
    await eventually('the end of the subscription', () => errors.length > 0);
    failedWith(errors[0], 'AUTHENTICATION_ERROR');
  }),
]);

finish();
