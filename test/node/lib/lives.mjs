// How long a collection lives, whatever its type.
import assert from 'node:assert/strict';
import {CollectionTtl} from '@gomomento/sdk';
import {check, expires, fresh, is} from './check.mjs';

/**
 * Checks the life that writes give. A write is a function of a name and a
 * CollectionTtl; exists tells whether anything is under a name.
 */
export async function checkLives({client, cache, what, writes, exists}) {
  const remaining = async name => is(await client.itemGetTtl(cache, name), 'Hit').remainingTtlMillis();
  const between = (left, low, high) => assert(left > low && left <= high, `${left} ms left`);
  for (const [call, write] of Object.entries(writes)) {
    await check(`${call} gives a life, and another one only when asked to`, async () => {
      const name = fresh(what);
      await write(name, CollectionTtl.of(100).withNoRefreshTtlOnUpdates());
      between(await remaining(name), 70_000, 100_000);
      await write(name, CollectionTtl.of(300).withNoRefreshTtlOnUpdates());
      between(await remaining(name), 70_000, 100_000);
      await write(name, CollectionTtl.of(300));
      between(await remaining(name), 200_000, 300_000);
      await write(name, CollectionTtl.of(50));
      between(await remaining(name), 20_000, 50_000);
    });
  }
  await Promise.all(
    Object.entries(writes).map(([call, write]) =>
      check(`${call}: gone on time`, async () => {
        const name = fresh(what);
        const written = Date.now();
        await write(name, CollectionTtl.of(1).withNoRefreshTtlOnUpdates());
        const acked = Date.now();
        await write(name, CollectionTtl.of(60).withNoRefreshTtlOnUpdates());
        await expires({written, acked, ttlMs: 1000, exists: () => exists(name)});
      })
    )
  );
}
