import {answered} from './refusal';
import type {Clients} from './clients';

/** The names of all caches, in order. */
export async function listCaches({cache}: Clients): Promise<string[]> {
  const success = answered(await cache.listCaches(), 'Success');
  return success.getCaches().map(info => info.getName()).sort((a, b) => a.localeCompare(b));
}

/** Creates a cache and reports whether it was not there before. */
export async function createCache({cache}: Clients, name: string): Promise<boolean> {
  const response = answered(await cache.createCache(name), 'Success', 'AlreadyExists');
  return response.type === 'Success';
}

export async function deleteCache({cache}: Clients, name: string): Promise<void> {
  answered(await cache.deleteCache(name), 'Success');
}

export async function flushCache({cache}: Clients, name: string): Promise<void> {
  answered(await cache.flushCache(name), 'Success');
}
