// How the programs reach the broker from a page: with the Web SDK exactly as npm
// installed it, whole URLs in the overrides say whether over TLS.
import {
  AuthClient,
  CacheClient,
  Configurations,
  CredentialProvider,
  LeaderboardConfigurations,
  PreviewLeaderboardClient,
  TopicClient,
  TopicConfigurations,
} from '@gomomento/sdk-web';
import {inTurn, next} from '../../node/lib/nodes.mjs';

export const sdk = 'web';
/** The largest value that a story sends, in bytes: the SDK falls over larger ones. */
export const largest = 60_000;
/** The node that requests without an SDK go to. */
export const addr = next();
export const key = globalThis.story.STORY_KEY;
export const cache = globalThis.story.STORY_CACHE;

/** The base host from which the SDK derives its names; empty connects with overrides. */
const endpoint = globalThis.story.STORY_ENDPOINT;

/** The older form of a credential: what an SDK wraps around a raw key. */
export function wrap(rawKey, endpoint) {
  return btoa(JSON.stringify({endpoint, api_key: rawKey}));
}

/** The raw key inside a wrapped credential. */
export function unwrap(wrapped) {
  return JSON.parse(atob(wrapped)).api_key;
}

let providers = 0;

/** A provider without overrides, from either form of the story's key in turn; tokens have the older one alone. */
function derived(rawKey) {
  if (rawKey === key && providers++ % 2 === 0) return CredentialProvider.fromApiKeyV2({apiKey: rawKey, endpoint});
  return CredentialProvider.fromString({apiKey: wrap(rawKey, endpoint)});
}

/** A provider for a raw key at a node; an empty key connects without a credential. */
function credentials(rawKey, addr) {
  const url = `${globalThis.story.STORY_TLS ? 'https' : 'http'}://${addr}`;
  const endpointOverrides = {cacheEndpoint: url, controlEndpoint: url, tokenEndpoint: url};
  if (rawKey === '') return CredentialProvider.forMomentoLocal({endpointOverrides});
  if (endpoint) return derived(rawKey);
  return CredentialProvider.fromString({apiKey: wrap(rawKey, addr), endpointOverrides});
}

export function cacheClient({rawKey = key, ttlSeconds = 600} = {}) {
  return inTurn(addr => new CacheClient({
    configuration: Configurations.Browser.latest(),
    credentialProvider: credentials(rawKey, addr),
    defaultTtlSeconds: ttlSeconds,
  }));
}

export function topicClient({rawKey = key} = {}) {
  return new TopicClient({
    configuration: TopicConfigurations.Default.latest(),
    credentialProvider: credentials(rawKey, next()),
  });
}

export function authClient({rawKey = key} = {}) {
  return new AuthClient({credentialProvider: credentials(rawKey, next())});
}

export function leaderboardClient() {
  return new PreviewLeaderboardClient({
    configuration: LeaderboardConfigurations.Laptop.latest(),
    credentialProvider: credentials(key, next()),
  });
}
