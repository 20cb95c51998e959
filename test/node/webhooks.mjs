// Webhooks, by the calls that a topic client carries, and the posts they lead to.
// The broker lets webhooks reach this machine.
import assert from 'node:assert/strict';
import {createHmac, getHashes} from 'node:crypto';
import {createServer} from 'node:http';
import {PostUrlWebhookDestination} from '@gomomento/sdk';
import {cache, cacheClient, topicClient} from './lib/connect.mjs';
import {check, eventually, finish, fresh, is, refused} from './lib/check.mjs';

const topics = topicClient();
const caches = cacheClient();
assert(getHashes().includes('sha3-256'), 'this Node.js knows no SHA3-256');

const posts = [];
const receiver = createServer((request, response) => {
  const chunks = [];
  request.on('data', chunk => chunks.push(chunk));
  request.on('end', () => {
    const body = Buffer.concat(chunks);
    posts.push({path: request.url, method: request.method, headers: request.headers, body, event: JSON.parse(body)});
    response.end();
  });
});
await new Promise(done => receiver.listen(0, '127.0.0.1', done));
const base = `http://127.0.0.1:${receiver.address().port}`;

const signed = (post, secret) =>
  createHmac('sha3-256', secret).update(post.body).digest('hex') === post.headers['momento-signature'];

/** Publishes until a post for it is there: a webhook takes a moment to be known by the leader of its topic. */
async function posted(topic, path, value) {
  let found;
  await eventually(`a post of ${path}`, async () => {
    is(await topics.publish(cache, topic, value), 'Success');
    await new Promise(done => setTimeout(done, 50));
    found = posts.find(p => p.path === path && (p.event.text === value || p.event.binary !== undefined));
    return found !== undefined;
  });
  return found;
}

await check('put, list, ask for the secret, delete', async () => {
  const own = fresh('cache');
  const [name, topic] = [fresh('hook'), fresh('topic')];
  is(await caches.createCache(own), 'Success');
  assert.deepEqual(is(await topics.listWebhooks(own), 'Success').getWebhooks(), []);
  const secret = is(await topics.putWebhook(own, name, {topicName: topic, destination: base}), 'Success').secretString();
  assert(secret.length >= 32, `the secret has ${secret.length} characters`);
  const [listed] = is(await topics.listWebhooks(own), 'Success').getWebhooks();
  assert.deepEqual(listed.id, {cacheName: own, webhookName: name});
  assert.equal(listed.topicName, topic);
  assert.equal(listed.destination.url(), base);
  const asked = is(await topics.getWebhookSecret(own, name), 'Success');
  assert.equal(asked.secret(), secret);
  assert.equal(asked.webhookName(), name);
  assert.equal(asked.cacheName(), own);
  is(await topics.deleteWebhook(own, name), 'Success');
  is(await topics.deleteWebhook(own, name), 'Success');
  assert.deepEqual(is(await topics.listWebhooks(own), 'Success').getWebhooks(), []);
});

await check('replacing keeps the secret', async () => {
  const [name, topic] = [fresh('hook'), fresh('topic')];
  const put = destination => topics.putWebhook(cache, name, {topicName: topic, destination});
  const secret = is(await put(`${base}/one`), 'Success').secretString();
  assert.equal(is(await put(new PostUrlWebhookDestination(`${base}/two`)), 'Success').secretString(), secret);
  const mine = is(await topics.listWebhooks(cache), 'Success').getWebhooks().filter(w => w.id.webhookName === name);
  assert.deepEqual(mine.map(w => w.destination.url()), [`${base}/two`]);
  is(await topics.deleteWebhook(cache, name), 'Success');
});

await check('what is published is posted, signed', async () => {
  const [name, topic] = [fresh('hook'), fresh('topic')];
  const path = `/${name}`;
  const secret = is(await topics.putWebhook(cache, name, {topicName: topic, destination: base + path}), 'Success').secretString();
  const post = await posted(topic, path, 'grüße & more');
  assert.equal(post.method, 'POST');
  assert.equal(post.headers['content-type'], 'application/json');
  assert(signed(post, secret), 'the signature is another one');
  const e = post.event;
  assert.equal(e.cache, cache);
  assert.equal(e.topic, topic);
  assert.equal(e.text, 'grüße & more');
  assert.equal(e.token_id, '');
  assert(e.topic_sequence_number >= 1);
  assert(e.publish_timestamp >= e.event_timestamp && Math.abs(e.event_timestamp - Date.now()) < 60_000, JSON.stringify(e));
  is(await topics.deleteWebhook(cache, name), 'Success');
});

await check('bytes come in base64', async () => {
  const [name, topic] = [fresh('hook'), fresh('topic')];
  is(await topics.putWebhook(cache, name, {topicName: topic, destination: `${base}/${name}`}), 'Success');
  const {event} = await posted(topic, `/${name}`, Uint8Array.of(0, 255, 1));
  assert.deepEqual([...Buffer.from(event.binary, 'base64')], [0, 255, 1]);
  assert(!('text' in event));
  is(await topics.deleteWebhook(cache, name), 'Success');
});

await check('a rotated secret is valid at once', async () => {
  const [name, topic] = [fresh('hook'), fresh('topic')];
  const path = `/${name}`;
  const first = is(await topics.putWebhook(cache, name, {topicName: topic, destination: base + path}), 'Success').secretString();
  assert(signed(await posted(topic, path, 'before'), first));
  const second = is(await topics.rotateWebhookSecret(cache, name), 'Success').secret();
  assert.notEqual(second, first);
  assert.equal(is(await topics.getWebhookSecret(cache, name), 'Success').secret(), second);
  await eventually('a post with the new secret', async () => signed(await posted(topic, path, fresh('after')), second));
  is(await topics.deleteWebhook(cache, name), 'Success');
});

await check('what is asked wrongly gets the documented error', async () => {
  const good = {topicName: 'topic', destination: base};
  refused(await topics.putWebhook(fresh('none'), 'w', good), 'CACHE_NOT_FOUND_ERROR');
  refused(await topics.listWebhooks(fresh('none')), 'CACHE_NOT_FOUND_ERROR');
  refused(await topics.getWebhookSecret(cache, fresh('none')), 'CACHE_NOT_FOUND_ERROR');
  refused(await topics.rotateWebhookSecret(cache, fresh('none')), 'CACHE_NOT_FOUND_ERROR');
  refused(await topics.putWebhook(cache, 'x'.repeat(129), good), 'INVALID_ARGUMENT_ERROR');
  for (const destination of ['ftp://example.com/', 'http://10.0.0.1/', 'http://169.254.169.254/', 'http://user:pw@example.com/', 'nonsense']) {
    refused(await topics.putWebhook(cache, 'w', {topicName: 'topic', destination}), 'INVALID_ARGUMENT_ERROR');
  }
});

receiver.close();
finish();
