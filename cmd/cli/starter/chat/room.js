// A room of the chat: what was said, what is being said, and a way to say
// something. Nothing here knows of the page.
import {
  CacheClient,
  CollectionTtl,
  Configurations,
  CredentialProvider,
  TopicClient,
  TopicConfigurations,
} from '@gomomento/sdk-web';

const CACHE = 'chat';
/** How many messages a room remembers. */
const HISTORY = 100;
const WEEK = 7 * 24 * 3600;
/** The broker says something every five seconds; after this long, in ms, it is gone. */
const SILENCE = 16_000;
/** The longest message, in characters. */
export const LONGEST = 2000;

const pause = ms => new Promise(resolve => setTimeout(resolve, ms));

const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), b => b.toString(16).padStart(2, '0')).join('');

/** Reads a message that somebody sent, whoever that was; undefined when it is none. */
function read(text) {
  try {
    const {id, from, text: said, at} = JSON.parse(text);
    const sound = [id, from, said].every(part => typeof part === 'string') && Number.isFinite(at);
    return sound && id.length <= 64 && from.length <= 64 && said.length <= LONGEST ? {id, from, text: said, at} : undefined;
  } catch {
    return undefined;
  }
}

export class Room {
  #broker;
  #place;
  #name;
  #tell;
  #messages = [];
  #connection; // the current one
  #opening; // the promise of the next one
  #heard = 0; // when the broker last said something
  #closed = false;
  #watch;

  /**
   * tell is called with {messages}, all that the room remembers, whenever that
   * changes, and with {state}: "connecting", "live" or "lost".
   */
  constructor({broker, room, name, tell}) {
    this.#broker = broker;
    this.#place = room;
    this.#name = name;
    this.#tell = tell;
  }

  /** Opens the room. It fails when the broker gives no token for it. */
  async open() {
    this.#tell({state: 'connecting'});
    await this.#connect();
    this.#watch = setInterval(() => {
      if (Date.now() - this.#heard < SILENCE) return;
      this.#tell({state: 'lost'});
      void this.#reconnect();
    }, 2000);
  }

  /** Says something. It fails when the broker did not take it. */
  async say(text) {
    const value = JSON.stringify({id: newId(), from: this.#name, text, at: Date.now()});
    const send = async () => {
      const {cache, topics, topic} = this.#connection;
      // The list first: whoever hears the message can look it up.
      const kept = await cache.listPushBack(CACHE, topic, value, {
        truncateFrontToSize: HISTORY,
        ttl: CollectionTtl.of(WEEK),
      });
      if (kept.type === 'Error') return kept;
      return topics.publish(CACHE, topic, value);
    };
    let answer = await send();
    if (answer.type === 'Error' && answer.errorCode() === 'AUTHENTICATION_ERROR') {
      await this.#reconnect();
      answer = await send();
    }
    if (answer.type === 'Error') throw new Error(answer.message());
  }

  close() {
    this.#closed = true;
    clearInterval(this.#watch);
    this.#drop(this.#connection);
  }

  /** Gets a token, subscribes with it, and only then ends the subscription before. */
  async #connect() {
    const {authToken, expiresAt} = await this.#token();
    const credentialProvider = CredentialProvider.fromString({
      apiKey: authToken,
      endpointOverrides: {cacheEndpoint: this.#broker, controlEndpoint: this.#broker, tokenEndpoint: this.#broker},
    });
    const next = {
      topic: `room-${this.#place}`,
      cache: new CacheClient({configuration: Configurations.Browser.latest(), credentialProvider, defaultTtlSeconds: WEEK}),
      topics: new TopicClient({configuration: TopicConfigurations.Default.latest(), credentialProvider}),
    };
    const isCurrent = () => this.#connection === next && !this.#closed;
    const alive = () => {
      this.#heard = Date.now();
      if (isCurrent()) this.#tell({state: 'live'});
    };
    const subscription = await next.topics.subscribe(CACHE, next.topic, {
      onItem: item => {
        alive();
        const message = read(item.valueString());
        // The token's name is the author's, whatever the message says.
        if (message) this.#hear({...message, from: item.tokenId() ?? message.from});
      },
      onHeartbeat: alive,
      onDiscontinuity: () => isCurrent() && void this.#remember(),
      onConnectionLost: () => isCurrent() && this.#tell({state: 'lost'}),
      onError: () => isCurrent() && void this.#reconnect(),
    });
    if (subscription.type === 'Error') throw new Error(subscription.message());
    next.subscription = subscription;
    this.#drop(this.#connection);
    if (this.#closed) return this.#drop(next);
    this.#connection = next;
    alive();
    await this.#remember();
    // A token is renewed when a tenth of its life is left.
    const left = Math.max(expiresAt * 1000 - Date.now(), 0);
    next.renewal = setTimeout(() => void this.#reconnect(), left * 0.9);
  }

  /** Connects anew, again and again until it works. */
  #reconnect() {
    this.#opening ??= this.#retry().finally(() => (this.#opening = undefined));
    return this.#opening;
  }

  async #retry() {
    for (let wait = 250; !this.#closed; wait = Math.min(2 * wait, 8000)) {
      try {
        return await this.#connect();
      } catch {
        this.#tell({state: 'lost'});
        await pause(wait * (0.5 + Math.random()));
      }
    }
  }

  #drop(connection) {
    clearTimeout(connection?.renewal);
    connection?.subscription?.unsubscribe();
  }

  async #token() {
    const url = `${this.#broker}/vend/chat?${new URLSearchParams({room: this.#place, name: this.#name})}`;
    const answer = await fetch(url, {signal: AbortSignal.timeout(10_000)});
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.message);
    return body;
  }

  /**
   * Fetches what was said before. The list has the order that everybody sees; what is
   * not in it any more was before it, and what was heard meanwhile comes after it.
   */
  async #remember() {
    const known = new Map(this.#messages.map(m => [m.id, m]));
    const {cache, topic} = this.#connection;
    const answer = await cache.listFetch(CACHE, topic);
    if (answer.type !== 'Hit') return;
    // What was heard live says by its token who spoke, which the list cannot.
    const listed = new Map(answer.valueListString().map(read).filter(Boolean).map(m => [m.id, known.get(m.id) ?? m]));
    const others = this.#messages.filter(m => !listed.has(m.id));
    this.#show([...others.filter(m => known.has(m.id)), ...listed.values(), ...others.filter(m => !known.has(m.id))]);
  }

  #hear(message) {
    if (this.#messages.some(m => m.id === message.id)) return;
    this.#show([...this.#messages, message]);
  }

  #show(messages) {
    this.#messages = messages.slice(-HISTORY);
    this.#tell({messages: this.#messages});
  }
}
