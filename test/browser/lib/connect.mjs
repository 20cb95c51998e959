// How the programs reach the broker from a page: with the Web SDK exactly as npm
// installed it, over plain HTTP, which takes whole URLs in the overrides.
import {
  AuthClient,
  CacheClient,
  Configurations,
  CredentialProvider,
  TopicClient,
  TopicConfigurations,
} from '@gomomento/sdk-web';

export const sdk = 'web';
/** The largest value that a story sends, in bytes: the SDK falls over larger ones. */
export const largest = 60_000;
// Of the nodes of a cluster a page talks to one.
export const addr = globalThis.story.STORY_ADDR.split(',')[0];
export const key = globalThis.story.STORY_KEY;
export const cache = globalThis.story.STORY_CACHE;

/** The older form of a credential: what an SDK wraps around a raw key. */
export function wrap(rawKey) {
  return btoa(JSON.stringify({endpoint: addr, api_key: rawKey}));
}

/** The raw key inside a wrapped credential. */
export function unwrap(wrapped) {
  return JSON.parse(atob(wrapped)).api_key;
}

/** A provider for a raw key; an empty one connects without a credential. */
export function credentials(rawKey = key) {
  const url = `http://${addr}`;
  const endpointOverrides = {cacheEndpoint: url, controlEndpoint: url, tokenEndpoint: url};
  if (rawKey === '') return CredentialProvider.forMomentoLocal({endpointOverrides});
  return CredentialProvider.fromString({apiKey: wrap(rawKey), endpointOverrides});
}

export function cacheClient({rawKey = key, ttlSeconds = 600} = {}) {
  return new CacheClient({
    configuration: Configurations.Browser.latest(),
    credentialProvider: credentials(rawKey),
    defaultTtlSeconds: ttlSeconds,
  });
}

export function topicClient({rawKey = key} = {}) {
  return new TopicClient({
    configuration: TopicConfigurations.Default.latest(),
    credentialProvider: credentials(rawKey),
  });
}

export function authClient({rawKey = key} = {}) {
  return new AuthClient({credentialProvider: credentials(rawKey)});
}
