// What a cache holds under a name, of any type, through the Web SDK.
import {CollectionTtl, ItemType, SortedSetOrder} from '@gomomento/sdk-web';
import {sameBytes} from '../lib/text';
import type {Clients} from './clients';
import {answered, Refusal} from './refusal';
import {eraseEntry} from './wire';

export type Kind = 'item' | 'list' | 'dictionary' | 'set' | 'sortedSet';

/** The largest value that the SDK can encode for a cache, in bytes. */
export const largest = 60_000;

/** How long something lives; refresh lets a collection's life begin anew. */
export interface Life {
  seconds: number;
  refresh: boolean;
}

const kinds: Record<ItemType, Kind> = {
  [ItemType.SCALAR]: 'item',
  [ItemType.LIST]: 'list',
  [ItemType.DICTIONARY]: 'dictionary',
  [ItemType.SET]: 'set',
  [ItemType.SORTED_SET]: 'sortedSet',
};

/** The place of something: a cache and a name in it. */
export class Place {
  constructor(
    readonly clients: Clients,
    readonly cache: string,
    readonly name: string,
  ) {}

  get #sdk() {
    return this.clients.cache;
  }

  /** The type of what is there, undefined when nothing is. */
  async kind(): Promise<Kind | undefined> {
    const r = answered(await this.#sdk.itemGetType(this.cache, this.name), 'Hit', 'Miss');
    return r.type === 'Hit' ? kinds[r.itemType()] : undefined;
  }

  /** When it expires, epoch milliseconds of this machine; undefined when it is gone. */
  async expiresAt(): Promise<number | undefined> {
    const r = answered(await this.#sdk.itemGetTtl(this.cache, this.name), 'Hit', 'Miss');
    return r.type === 'Hit' ? Date.now() + r.remainingTtlMillis() : undefined;
  }

  async setLife(seconds: number): Promise<void> {
    const r = answered(await this.#sdk.updateTtl(this.cache, this.name, seconds * 1000), 'Set', 'Miss');
    if (r.type === 'Miss') throw new Refusal('type', 'missing');
  }

  async delete(): Promise<void> {
    answered(await this.#sdk.delete(this.cache, this.name), 'Success');
  }

  async get(): Promise<Uint8Array | undefined> {
    const r = answered(await this.#sdk.get(this.cache, this.name), 'Hit', 'Miss');
    return r.type === 'Hit' ? r.valueUint8Array() : undefined;
  }

  async set(value: Uint8Array, seconds: number): Promise<void> {
    answered(await this.#sdk.set(this.cache, this.name, bounded(value), {ttl: seconds}), 'Success');
  }

  async length(): Promise<number> {
    const r = answered(await this.#sdk.listLength(this.cache, this.name), 'Hit', 'Miss');
    return r.type === 'Hit' ? r.length() : 0;
  }

  /** The entries with index start to end-1; there may be fewer by now. */
  async slice(start: number, end: number): Promise<Uint8Array[]> {
    if (end <= start) return [];
    const r = answered(await this.#sdk.listFetch(this.cache, this.name, {startIndex: start, endIndex: end}), 'Hit', 'Miss');
    return r.type === 'Hit' ? r.valueListUint8Array() : [];
  }

  /** Pushes an entry and tells how long the list is now. */
  async push(end: 'front' | 'back', value: Uint8Array, life: Life): Promise<number> {
    const options = {ttl: ttl(life)};
    const r = end === 'front'
      ? answered(await this.#sdk.listPushFront(this.cache, this.name, bounded(value), options), 'Success')
      : answered(await this.#sdk.listPushBack(this.cache, this.name, bounded(value), options), 'Success');
    return r.listLength();
  }

  /** Deletes the entry at an index if it is still the one that was seen there. */
  async deleteEntry(index: number, seen: Uint8Array): Promise<boolean> {
    const [now] = await this.slice(index, index + 1);
    if (!now || !sameBytes(now, seen)) return false;
    await eraseEntry(this.clients, this.cache, this.name, index);
    return true;
  }

  /**
   * Replaces the entry at an index if it is still the one that was seen there.
   * The protocol has no such call. A new copy of the whole list is appended and
   * the old one cut off at the front, which is one call and so one step; the life
   * of the list goes on.
   */
  async replaceEntry(index: number, seen: Uint8Array, value: Uint8Array): Promise<boolean> {
    const all = await this.slice(0, editable + 1);
    const now = all[index];
    if (all.length > editable || !now || !sameBytes(now, seen)) return false;
    all[index] = bounded(value);
    answered(await this.#sdk.listConcatenateBack(this.cache, this.name, all, {
      truncateFrontToSize: all.length, ttl: ttl({seconds: 0, refresh: false}),
    }), 'Success');
    return true;
  }

  async fields(): Promise<[string, Uint8Array][]> {
    const r = answered(await this.#sdk.dictionaryFetch(this.cache, this.name), 'Hit', 'Miss');
    return r.type === 'Hit' ? [...r.valueMapStringUint8Array()] : [];
  }

  async setField(field: string, value: Uint8Array, life: Life): Promise<void> {
    const options = {ttl: ttl(life)};
    answered(await this.#sdk.dictionarySetField(this.cache, this.name, field, bounded(value), options), 'Success');
  }

  async removeField(field: string): Promise<void> {
    answered(await this.#sdk.dictionaryRemoveField(this.cache, this.name, field), 'Success');
  }

  async elements(): Promise<Uint8Array[]> {
    const r = answered(await this.#sdk.setFetch(this.cache, this.name), 'Hit', 'Miss');
    return r.type === 'Hit' ? [...r.valueSetUint8Array()] : [];
  }

  async addElement(element: Uint8Array, life: Life): Promise<void> {
    answered(await this.#sdk.setAddElement(this.cache, this.name, bounded(element), {ttl: ttl(life)}), 'Success');
  }

  async removeElement(element: Uint8Array): Promise<void> {
    answered(await this.#sdk.setRemoveElement(this.cache, this.name, element), 'Success');
  }

  /** The elements of a sorted set with their scores, the highest first. */
  async ranked(): Promise<{value: Uint8Array; score: number}[]> {
    const r = answered(
      await this.#sdk.sortedSetFetchByRank(this.cache, this.name, {order: SortedSetOrder.Descending}), 'Hit', 'Miss',
    );
    return r.type === 'Hit' ? r.valueArrayUint8Elements() : [];
  }

  async putRanked(value: Uint8Array, score: number, life: Life): Promise<void> {
    answered(await this.#sdk.sortedSetPutElement(this.cache, this.name, bounded(value), score, {ttl: ttl(life)}), 'Success');
  }

  async removeRanked(value: Uint8Array): Promise<void> {
    answered(await this.#sdk.sortedSetRemoveElement(this.cache, this.name, value), 'Success');
  }
}

/** The longest list whose entries can be replaced, in entries. */
export const editable = 1000;

function ttl({seconds, refresh}: Life): CollectionTtl {
  return new CollectionTtl(Math.max(1, seconds), refresh);
}

function bounded(value: Uint8Array): Uint8Array {
  if (value.length > largest) throw new Refusal('tooLarge', String(value.length));
  return value;
}
