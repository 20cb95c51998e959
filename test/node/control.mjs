// Caches come and go; what is asked wrongly gets the documented error.
import assert from 'node:assert/strict';
import {cache, cacheClient, largest, sdk, topicClient} from './lib/connect.mjs';
import {check, eventually, failedWith, finish, fresh, is, refused} from './lib/check.mjs';

const client = cacheClient();
const topics = topicClient();
const names = async () => is(await client.listCaches(), 'Success').getCaches().map(c => c.getName());

await check('create, list, use, delete a cache', async () => {
  const name = fresh('cache');
  is(await client.createCache(name), 'Success');
  is(await client.createCache(name), 'AlreadyExists');
  assert((await names()).includes(name));
  is(await client.set(name, 'k', 'v'), 'Success');
  is(await client.get(name, 'k'), 'Hit');
  is(await client.deleteCache(name), 'Success');
  assert(!(await names()).includes(name));
  refused(await client.get(name, 'k'), 'CACHE_NOT_FOUND_ERROR');
  refused(await client.deleteCache(name), 'CACHE_NOT_FOUND_ERROR');
});

await check('a cache that is made again is empty', async () => {
  const name = fresh('cache');
  is(await client.createCache(name), 'Success');
  is(await client.set(name, 'k', 'v'), 'Success');
  is(await client.deleteCache(name), 'Success');
  is(await client.createCache(name), 'Success');
  is(await client.get(name, 'k'), 'Miss');
});

await check('the list of caches tells their limits', async () => {
  const info = is(await client.listCaches(), 'Success').getCaches().find(c => c.getName() === cache);
  const limits = info.getCacheLimits();
  for (const limit of ['maxTtlSeconds', 'maxItemSizeKb', 'maxThroughputKbps', 'maxTrafficRate']) {
    assert(limits[limit] > 0, `${limit} is ${limits[limit]}`);
  }
  const topicLimits = info.getTopicLimits();
  for (const limit of ['maxPublishMessageSizeKb', 'maxSubscriptionCount', 'maxPublishRate']) {
    assert(topicLimits[limit] > 0, `${limit} is ${topicLimits[limit]}`);
  }
});

await check('many caches come in one page', async () => {
  const made = Array.from({length: 30}, () => fresh('cache'));
  for (const name of made) is(await client.createCache(name), 'Success');
  const found = await names();
  assert.deepEqual(made.filter(name => !found.includes(name)), []);
});

await check('flush empties a cache and keeps it', async () => {
  const name = fresh('cache');
  is(await client.createCache(name), 'Success');
  is(await client.set(name, 'k', 'v'), 'Success');
  is(await client.listPushBack(name, 'l', 'v'), 'Success');
  is(await client.flushCache(name), 'Success');
  is(await client.get(name, 'k'), 'Miss');
  is(await client.listFetch(name, 'l'), 'Miss');
  is(await client.set(name, 'k', 'again'), 'Success');
  refused(await client.flushCache(fresh('cache')), 'CACHE_NOT_FOUND_ERROR');
});

await check('caches do not share keys', async () => {
  const [one, two] = [fresh('cache'), fresh('cache')];
  is(await client.createCache(one), 'Success');
  is(await client.createCache(two), 'Success');
  is(await client.set(one, 'k', 'in one'), 'Success');
  is(await client.get(two, 'k'), 'Miss');
});

await check('a missing cache is named as missing, whatever is asked', async () => {
  const missing = fresh('missing');
  for (const answer of [
    await client.get(missing, 'k'),
    await client.set(missing, 'k', 'v'),
    await client.delete(missing, 'k'),
    await client.increment(missing, 'k', 1),
    await client.setIfAbsent(missing, 'k', 'v'),
    await client.getWithHash(missing, 'k'),
    await client.setWithHash(missing, 'k', 'v'),
    await client.getBatch(missing, ['k']),
    await client.setBatch(missing, new Map([['k', 'v']])),
    await client.keysExist(missing, ['k']),
    // The Web SDK falls over when these two fail, whatever the reason.
    ...(sdk === 'web' ? [] : [await client.itemGetType(missing, 'k'), await client.itemGetTtl(missing, 'k')]),
    await client.updateTtl(missing, 'k', 1000),
    await client.listPushBack(missing, 'l', 'v'),
    await client.listPushFront(missing, 'l', 'v'),
    await client.listConcatenateBack(missing, 'l', ['v']),
    await client.listConcatenateFront(missing, 'l', ['v']),
    await client.listPopFront(missing, 'l'),
    await client.listPopBack(missing, 'l'),
    await client.listFetch(missing, 'l'),
    await client.listLength(missing, 'l'),
    await client.listRetain(missing, 'l', {startIndex: 1}),
    await client.listRemoveValue(missing, 'l', 'v'),
    await topics.publish(missing, 't', 'x'),
    await topics.subscribe(missing, 't', {}),
  ]) {
    refused(answer, 'CACHE_NOT_FOUND_ERROR');
  }
});

await check('names that cannot be are refused', async () => {
  for (const bad of ['', '   ']) {
    refused(await client.createCache(bad), 'INVALID_ARGUMENT_ERROR');
    refused(await client.deleteCache(bad), 'INVALID_ARGUMENT_ERROR');
    refused(await client.listPushBack(cache, bad, 'v'), 'INVALID_ARGUMENT_ERROR');
    refused(await topics.publish(cache, bad, 'v'), 'INVALID_ARGUMENT_ERROR');
    refused(await topics.subscribe(cache, bad, {}), 'INVALID_ARGUMENT_ERROR');
  }
  for (const bad of ['line\nbreak', 'bell\u0007', 'x'.repeat(256)]) {
    refused(await client.createCache(bad), 'INVALID_ARGUMENT_ERROR');
    refused(await topics.publish(cache, bad, 'v'), 'INVALID_ARGUMENT_ERROR');
  }
});

await check('a cache name of 255 characters', async () => {
  const name = fresh('n').padEnd(255, 'x');
  is(await client.createCache(name), 'Success');
  is(await client.set(name, 'k', 'v'), 'Success');
  is(await client.deleteCache(name), 'Success');
});

await check('a value over the request limit says so', async () => {
  if (largest < 5_300_000) return;
  const answer = await client.set(cache, fresh('key'), 'x'.repeat(5_300_000));
  refused(answer, 'LIMIT_EXCEEDED_ERROR', /request size/i);
});

await check('an item over its limit says so', async () => {
  if (largest < 5_100_000) return;
  const answer = await client.set(cache, fresh('key'), 'x'.repeat(5_100_000));
  refused(answer, 'LIMIT_EXCEEDED_ERROR', /item size/i);
});

await check('a topic message over its limit says so', async () => {
  refused(await topics.publish(cache, fresh('topic'), 'x'.repeat(2_000_000)), 'LIMIT_EXCEEDED_ERROR', /request size/i);
});

await check('deleting a cache ends its subscriptions', async () => {
  const name = fresh('cache');
  is(await client.createCache(name), 'Success');
  let error;
  is(await topics.subscribe(name, 't', {onError: e => (error = e)}), 'Subscription');
  is(await client.deleteCache(name), 'Success');
  await eventually('the subscription to end', () => error !== undefined);
  failedWith(error, 'CACHE_NOT_FOUND_ERROR');
});

await check('ping', async () => {
  await client.ping();
});

finish();
