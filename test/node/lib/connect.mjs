// How the programs of this folder reach the broker: by the variables that the
// harness sets, with the SDK exactly as npm installed it. When there are several
// addresses, of the nodes of one cluster, each client takes the next one, and a
// client of caches changes the node with every call.
import {
  AuthClient,
  CacheClient,
  Configurations,
  AuthClientConfigurations,
  CredentialProvider,
  LeaderboardConfigurations,
  NoopMomentoLoggerFactory,
  PreviewLeaderboardClient,
  TopicClient,
  TopicConfigurations,
} from '@gomomento/sdk';
import {inTurn, next} from './nodes.mjs';

export const sdk = 'node';
/** The largest value that a story sends, in bytes. */
export const largest = 5_300_000;
export const key = process.env.STORY_KEY ?? '';
export const cache = process.env.STORY_CACHE ?? 'default';
const secureConnection = Boolean(process.env.STORY_TLS);
/** The base host from which the SDK derives its names; empty connects with overrides. */
const endpoint = process.env.STORY_ENDPOINT ?? '';

const quiet = new NoopMomentoLoggerFactory();

/** The older form of a credential: what an SDK wraps around a raw key. */
export function wrap(rawKey, endpoint) {
  return Buffer.from(JSON.stringify({endpoint, api_key: rawKey})).toString('base64');
}

/** The raw key inside a wrapped credential. */
export function unwrap(wrapped) {
  return JSON.parse(Buffer.from(wrapped, 'base64').toString()).api_key;
}

let providers = 0;

/** A provider without overrides, from either form of the story's key in turn; tokens have the older one alone. */
function derived(rawKey) {
  if (rawKey === key && providers++ % 2 === 0) return CredentialProvider.fromApiKeyV2({apiKey: rawKey, endpoint});
  return CredentialProvider.fromString({apiKey: wrap(rawKey, endpoint)});
}

/** A provider for a raw key at a node; an empty key connects without a credential. */
function credentials(rawKey, addr) {
  if (rawKey === '') {
    const [hostname, port] = addr.split(':');
    return CredentialProvider.forMomentoLocal({hostname, port: Number(port)});
  }
  if (endpoint !== '') return derived(rawKey);
  return CredentialProvider.fromString({
    apiKey: wrap(rawKey, addr),
    endpointOverrides: {
      cacheEndpoint: addr,
      controlEndpoint: addr,
      tokenEndpoint: addr,
      secureConnection,
    },
  });
}

export function cacheClient({rawKey = key, ttlSeconds = 600} = {}) {
  return inTurn(addr => new CacheClient({
    configuration: Configurations.Laptop.v1(quiet),
    credentialProvider: credentials(rawKey, addr),
    defaultTtlSeconds: ttlSeconds,
  }));
}

export function topicClient({rawKey = key} = {}) {
  return new TopicClient({
    configuration: TopicConfigurations.Default.latest(quiet),
    credentialProvider: credentials(rawKey, next()),
  });
}

export function authClient({rawKey = key} = {}) {
  return new AuthClient({
    configuration: AuthClientConfigurations.Default.latest(quiet),
    credentialProvider: credentials(rawKey, next()),
  });
}

export function leaderboardClient() {
  return new PreviewLeaderboardClient({
    configuration: LeaderboardConfigurations.Laptop.v1(quiet),
    credentialProvider: credentials(key, next()),
  });
}
