// How the programs of this folder reach the broker: by the variables that the
// harness sets, with the SDK exactly as npm installed it.
import {
  AuthClient,
  CacheClient,
  Configurations,
  AuthClientConfigurations,
  CredentialProvider,
  NoopMomentoLoggerFactory,
  TopicClient,
  TopicConfigurations,
} from '@gomomento/sdk';

export const sdk = 'node';
/** The largest value that a story sends, in bytes. */
export const largest = 5_300_000;
export const addr = process.env.STORY_ADDR ?? '127.0.0.1:8080';
export const key = process.env.STORY_KEY ?? '';
export const cache = process.env.STORY_CACHE ?? 'default';

const quiet = new NoopMomentoLoggerFactory();

/** The older form of a credential: what an SDK wraps around a raw key. */
export function wrap(rawKey) {
  return Buffer.from(JSON.stringify({endpoint: addr, api_key: rawKey})).toString('base64');
}

/** The raw key inside a wrapped credential. */
export function unwrap(wrapped) {
  return JSON.parse(Buffer.from(wrapped, 'base64').toString()).api_key;
}

/** A provider for a raw key; an empty one connects without a credential. */
export function credentials(rawKey = key) {
  if (rawKey === '') {
    const [hostname, port] = addr.split(':');
    return CredentialProvider.forMomentoLocal({hostname, port: Number(port)});
  }
  return CredentialProvider.fromString({
    apiKey: wrap(rawKey),
    endpointOverrides: {
      cacheEndpoint: addr,
      controlEndpoint: addr,
      tokenEndpoint: addr,
      secureConnection: false,
    },
  });
}

export function cacheClient({rawKey = key, ttlSeconds = 600} = {}) {
  return new CacheClient({
    configuration: Configurations.Laptop.v1(quiet),
    credentialProvider: credentials(rawKey),
    defaultTtlSeconds: ttlSeconds,
  });
}

export function topicClient({rawKey = key} = {}) {
  return new TopicClient({
    configuration: TopicConfigurations.Default.latest(quiet),
    credentialProvider: credentials(rawKey),
  });
}

export function authClient({rawKey = key} = {}) {
  return new AuthClient({
    configuration: AuthClientConfigurations.Default.latest(quiet),
    credentialProvider: credentials(rawKey),
  });
}
