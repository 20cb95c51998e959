// A subscription that goes on until somebody ends it, told as what a person wants
// to know of it: what came, and whether it is alive.
import type {SubscribeCallOptions, TopicItem, TopicSubscribe} from '@gomomento/sdk-web';
import {bytesOf} from '../lib/text';
import type {Clients} from './clients';
import {answered, asRefusal, Refusal, refusalOf} from './refusal';

export interface Item {
  kind: 'item';
  number: number;
  page: number;
  /** When it arrived here, epoch milliseconds. */
  at: number;
  tokenId: string;
  bytes: Uint8Array;
  binary: boolean;
}

/** Something other than an item that a reader must know. */
export type Note =
  | {kind: 'discontinuity'; at: number; from: number; to: number; newPage: boolean}
  | {kind: 'gap'; at: number; refusal: Refusal}
  | {kind: 'empty'; at: number};

export type State = 'connecting' | 'live' | 'lost' | 'ended';

export interface Listener {
  onRow(row: Item | Note): void;
  /** The refusal is why, when the state is lost or ended and it is known. */
  onState(state: State, refusal?: Refusal): void;
  /** A sign of life: an item or a heartbeat. */
  onHeard(): void;
  /** Reports whether the broker answers other calls. */
  answers(): Promise<boolean>;
}

/** Pauses before a subscription that failed is tried again, in milliseconds. */
const pauses = [500, 1000, 2000, 5000, 10_000];

/**
 * A subscription that is silent for so long is lost, in milliseconds: a quiet one
 * is sent a heartbeat every five seconds.
 */
const silence = 8000;

/** How often it is asked whether the broker is back, while one is lost, in milliseconds. */
const probing = 10_000;

/** Refusals that trying again does not mend. */
const final = new Set(['credential', 'permission', 'notFound']);

/**
 * Listens to a topic from begin to end. The SDK comes back by itself when a
 * connection breaks, and misses nothing. It does not notice a connection that is
 * only silent, nor go on after an error that the broker told: then the listener
 * subscribes anew and says that something may lie in between.
 */
export class Ear {
  #over = false;
  #state: State | undefined;
  #why: Refusal | undefined;
  #subscription: TopicSubscribe.Subscription | undefined;
  /** Subscriptions begun. What an earlier one than the last still says is not heard. */
  #turn = 0;
  #tries = 0;
  #timer = 0;
  /** Page of the last item. */
  #page = 0;

  constructor(
    readonly clients: Clients,
    readonly cache: string,
    readonly topic: string,
    readonly listener: Listener,
  ) {}

  begin(): void {
    this.#enter('connecting');
    void this.#subscribe();
  }

  end(): void {
    this.#over = true;
    window.clearTimeout(this.#timer);
    this.#subscription?.unsubscribe();
  }

  async #subscribe(): Promise<void> {
    const turn = ++this.#turn;
    const stale = () => this.#over || turn !== this.#turn;
    this.#wait(probing);
    try {
      const response = await this.clients.topic.subscribe(this.cache, this.topic, this.#callbacks(stale));
      const subscription = answered(response, 'Subscription');
      if (stale()) subscription.unsubscribe();
      else this.#subscription = subscription;
    } catch (thrown) {
      if (!stale()) this.#again(asRefusal(thrown));
    }
  }

  #callbacks(stale: () => boolean): SubscribeCallOptions {
    return {
      onItem: item => {
        if (stale()) return;
        this.#heard();
        this.#page = pageOf(this.#subscription) ?? this.#page;
        this.listener.onRow(rowOf(item, this.#page));
      },
      onDiscontinuity: d => {
        if (stale()) return;
        this.#heard();
        const newPage = d.newSequencePage() !== this.#page;
        this.#page = d.newSequencePage();
        this.listener.onRow({kind: 'discontinuity', at: Date.now(), from: d.lastSequenceNumber() + 1, to: d.newSequenceNumber(), newPage});
      },
      onHeartbeat: () => {
        if (!stale()) this.#heard();
      },
      onError: (error, subscription) => {
        if (stale()) return;
        // The SDK goes on after an item that it cannot show.
        if (subscription.isSubscribed) this.listener.onRow({kind: 'empty', at: Date.now()});
        else this.#again(refusalOf(error));
      },
    };
  }

  #enter(state: State, why?: Refusal): void {
    this.#why = why;
    if (this.#state === state && !why) return;
    this.#state = state;
    this.listener.onState(state, why);
  }

  #heard(): void {
    this.#tries = 0;
    if (this.#state === 'lost' && this.#why) this.listener.onRow({kind: 'gap', at: Date.now(), refusal: this.#why});
    this.#enter('live');
    this.listener.onHeard();
    this.#wait(silence);
  }

  #wait(pause: number): void {
    window.clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => void this.#doubt(), pause);
  }

  /** Nothing was heard for too long. */
  async #doubt(): Promise<void> {
    if (this.#state === 'live') {
      this.#enter('lost');
      this.#wait(probing);
      return;
    }
    const before = this.#timer;
    const reachable = await this.listener.answers();
    if (this.#over || this.#timer !== before) return; // it was heard from meanwhile
    if (!reachable) {
      this.#wait(probing);
      return;
    }
    this.#subscription?.unsubscribe();
    this.#again(new Refusal('timeout', 'silence'));
  }

  #again(refusal: Refusal): void {
    window.clearTimeout(this.#timer);
    // What nobody knows a reason for may pass, but not when it is the first answer.
    if (final.has(refusal.reason) || (refusal.reason === 'other' && this.#state === 'connecting')) {
      this.#enter('ended', refusal);
      return;
    }
    this.#enter(this.#state === 'connecting' ? 'connecting' : 'lost', refusal);
    const pause = pauses[Math.min(this.#tries++, pauses.length - 1)];
    this.#timer = window.setTimeout(() => void this.#subscribe(), pause);
  }
}

function rowOf(item: TopicItem, page: number): Item {
  const value: string | Uint8Array = item.value();
  const binary = typeof value !== 'string';
  return {
    kind: 'item',
    number: item.sequenceNumber(),
    page,
    at: Date.now(),
    tokenId: item.tokenId() ?? '',
    bytes: binary ? value : bytesOf(value),
    binary,
  };
}

/** The SDK keeps the page of the last item to itself, for resuming; items do not carry it. */
function pageOf(subscription: TopicSubscribe.Subscription | undefined): number | undefined {
  return subscription?.['subscriptionState'].lastTopicSequencePage;
}

/** The largest binary message that the SDK can encode, in bytes. */
export const largestBinary = 60_000;

export async function publish(clients: Clients, cache: string, topic: string, value: string | Uint8Array): Promise<void> {
  answered(await clients.topic.publish(cache, topic, value), 'Success');
}
