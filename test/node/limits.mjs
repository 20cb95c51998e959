// What the SDK shows when a limit is hit. The story has made a cache for each: its
// name is that of the story's cache and of the limit.
import {cache, cacheClient, topicClient} from './lib/connect.mjs';
import {check, finish, fresh, is, refused} from './lib/check.mjs';

const client = cacheClient();
const topics = topicClient();

const limited = name => `${cache}-${name}`;

/** Makes calls until one is refused, which a limit of a few a second does soon. */
async function untilRefused(call) {
  for (let i = 0; i < 200; i++) {
    const response = await call();
    if (response.type === 'Error') return response;
  }
  throw new Error('200 calls passed');
}

/** Demands the SDK's wording of a limit, and the broker's own behind it. */
function shows(response, wording) {
  refused(response, 'LIMIT_EXCEEDED_ERROR', wording);
}

await check('operations', async () => {
  shows(await untilRefused(() => client.get(limited('operations'), 'key')), /request rate limit.*over 5 per second in this cache/i);
});

await check('messages', async () => {
  shows(await untilRefused(() => topics.publish(limited('publishes'), 'topic', 'x')), /request rate limit.*over 5 messages per second/i);
});

await check('bytes of items', async () => {
  const value = 'x'.repeat(3000);
  shows(await untilRefused(() => client.set(limited('throughput'), 'key', value)), /bandwidth limit.*4 KiB per second/i);
});

await check('bytes of messages', async () => {
  const value = 'x'.repeat(3000);
  shows(await untilRefused(() => topics.publish(limited('throughput'), 'topic', value)), /bandwidth limit.*4 KiB per second/i);
});

await check('subscriptions', async () => {
  const quiet = {onItem: () => {}, onError: () => {}};
  const first = is(await topics.subscribe(limited('subscriptions'), 'topic', quiet), 'Subscription');
  const second = await topics.subscribe(limited('subscriptions'), 'topic', quiet);
  first.unsubscribe();
  shows(second, /topic subscriptions limit.*there may be 1/i);
});

await check('item size', async () => {
  shows(await client.set(limited('sizes'), 'key', 'x'.repeat(3000)), /item size limit.*2048 bytes/i);
});

await check('message size', async () => {
  shows(await topics.publish(limited('sizes'), 'topic', 'x'.repeat(3000)), /request size limit.*2048 bytes/i);
});

await check('keys', async () => {
  shows(await untilRefused(() => client.set(limited('keys'), fresh('key'), 'x')), /^limit exceeded.*5 keys and no more/i);
});

finish();
