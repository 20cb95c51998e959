// The clients of the Web SDK, pointed to where this page came from.
import {CacheClient, Configurations, CredentialProvider, TopicClient, TopicConfigurations} from '@gomomento/sdk-web';
import {wrap} from '../lib/credential';

const ignore = (): void => undefined;

/** The SDK logs each failed call as an error; the page says it to the person instead. */
const quiet = {
  getLogger: () => ({error: ignore, warn: ignore, info: ignore, debug: ignore, trace: ignore}),
};

/** The life of what is written without saying one, in seconds. */
export const defaultLife = 3600;

export interface Clients {
  cache: CacheClient;
  topic: TopicClient;
  /** The raw credential, empty in open mode, for calls that the SDK has no method for. */
  key: string;
}

/** The clients for a raw credential; an empty one is for open mode. */
export function connect(key: string): Clients {
  const here = location.origin;
  const endpointOverrides = {cacheEndpoint: here, controlEndpoint: here, tokenEndpoint: here};
  const credentialProvider = key === ''
    ? CredentialProvider.forMomentoLocal({endpointOverrides})
    : CredentialProvider.fromString({apiKey: wrap(key, location.host), endpointOverrides});
  return {
    cache: new CacheClient({
      configuration: Configurations.Browser.latest(quiet),
      credentialProvider,
      defaultTtlSeconds: defaultLife,
    }),
    topic: new TopicClient({configuration: TopicConfigurations.Default.latest(quiet), credentialProvider}),
    key,
  };
}
