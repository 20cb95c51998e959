// Two calls of the protocol that the Web SDK has types but no methods for: erasing
// entries of a list by index, and tokens for topics by the beginning of their names.
import {ScsClient} from '@gomomento/generated-types-webtext/dist/CacheclientServiceClientPb';
import {_ListEraseRequest, _ListRange} from '@gomomento/generated-types-webtext/dist/cacheclient_pb';
import {
  CacheRole, ExplicitPermissions, Permissions, PermissionsType, TopicRole,
} from '@gomomento/generated-types-webtext/dist/permissionmessages_pb';
import {TokenClient} from '@gomomento/generated-types-webtext/dist/TokenServiceClientPb';
import {_GenerateDisposableTokenRequest} from '@gomomento/generated-types-webtext/dist/token_pb';
import type {Permission} from '../lib/scope';
import {bytesOf, toBase64} from '../lib/text';
import type {Clients} from './clients';
import {Refusal, type Reason} from './refusal';

/** The deadline of a call, in milliseconds: the one that the SDK has for its own. */
const patience = 5000;

/** Reasons by number of the gRPC status. */
const reasons: Record<number, Reason> = {
  4: 'timeout', 5: 'notFound', 6: 'exists', 7: 'permission', 8: 'limit', 9: 'type', 14: 'unavailable', 16: 'credential',
};

async function call<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (thrown) {
    const {code, message} = thrown as {code?: number; message?: string};
    const nobody = code === 2 && /http status code: 0$/.test(message ?? '');
    throw new Refusal(nobody ? 'unreachable' : reasons[code ?? 2] ?? 'other', message ?? String(thrown));
  }
}

function metadata(key: string): Record<string, string> {
  const deadline = String(Date.now() + patience);
  return key === '' ? {deadline} : {deadline, authorization: key};
}

/** Removes the entry at an index. */
export async function eraseEntry({key}: Clients, cache: string, list: string, index: number): Promise<void> {
  const range = new _ListRange();
  range.setBeginIndex(index);
  range.setCount(1);
  const some = new _ListEraseRequest._ListRanges();
  some.setRangesList([range]);
  const request = new _ListEraseRequest();
  request.setListName(toBase64(bytesOf(list)));
  request.setSome(some);
  await call(new ScsClient(location.origin).listErase(request, {...metadata(key), cache}));
}

/** Mints a token and returns it in its raw form, with its end in epoch milliseconds. */
export async function mintToken(
  {key}: Clients, permissions: readonly Permission[], seconds: number, tokenId: string,
): Promise<{raw: string; expiresAt: number}> {
  const expires = new _GenerateDisposableTokenRequest.Expires();
  expires.setValidForSeconds(seconds);
  const explicit = new ExplicitPermissions();
  explicit.setPermissionsList(permissions.map(message));
  const all = new Permissions();
  all.setExplicit(explicit);
  const request = new _GenerateDisposableTokenRequest();
  request.setAuthToken(key);
  request.setExpires(expires);
  request.setPermissions(all);
  request.setTokenId(tokenId);
  const answer = await call(new TokenClient(location.origin).generateDisposableToken(request, metadata(key)));
  return {raw: answer.getApiKey(), expiresAt: answer.getValidUntil() * 1000};
}

const topicRoles = {
  publishsubscribe: TopicRole.TOPICREADWRITE, subscribeonly: TopicRole.TOPICREADONLY, publishonly: TopicRole.TOPICWRITEONLY,
};
const cacheRoles = {
  readwrite: CacheRole.CACHEREADWRITE, readonly: CacheRole.CACHEREADONLY, writeonly: CacheRole.CACHEWRITEONLY,
};

function message(p: Permission): PermissionsType {
  const result = new PermissionsType();
  if (p.about === 'topic') {
    const topics = new PermissionsType.TopicPermissions();
    topics.setRole(topicRoles[p.role as keyof typeof topicRoles]);
    setCache(topics, p);
    const selector = new PermissionsType.TopicSelector();
    if (p.select === 'exact') selector.setTopicName(p.name);
    if (p.select === 'prefix') selector.setTopicNamePrefix(p.name);
    if (p.select === 'all') topics.setAllTopics(new PermissionsType.All());
    else topics.setTopicSelector(selector);
    return result.setTopicPermissions(topics);
  }
  const items = new PermissionsType.CachePermissions();
  items.setRole(cacheRoles[p.role as keyof typeof cacheRoles]);
  setCache(items, p);
  const selector = new PermissionsType.CacheItemSelector();
  if (p.select === 'exact') selector.setKey(toBase64(bytesOf(p.name)));
  if (p.select === 'prefix') selector.setKeyPrefix(toBase64(bytesOf(p.name)));
  if (p.select === 'all') items.setAllItems(new PermissionsType.All());
  else items.setItemSelector(selector);
  return result.setCachePermissions(items);
}

function setCache(to: PermissionsType.TopicPermissions | PermissionsType.CachePermissions, p: Permission): void {
  if (p.cache === null) {
    to.setAllCaches(new PermissionsType.All());
    return;
  }
  const selector = new PermissionsType.CacheSelector();
  selector.setCacheName(p.cache);
  to.setCacheSelector(selector);
}
