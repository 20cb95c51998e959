// A subscription that goes on until somebody ends it, told as what a person wants
// to know of it: what came, and whether it is alive.
import type {TopicItem, TopicSubscribe} from '@gomomento/sdk-web';
import {bytesOf} from '../lib/text';
import type {Clients} from './clients';
import {answered, asRefusal, refusalOf, type Refusal} from './refusal';

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
  /** The refusal is why, when the state is lost or ended. */
  onState(state: State, refusal?: Refusal): void;
  /** A sign of life: an item or a heartbeat. */
  onHeard(): void;
}

/** Pauses before a subscription that failed is tried again, in milliseconds. */
const pauses = [500, 1000, 2000, 5000, 10_000];

/** A subscription without a sign of life for so long is presumed dead, in milliseconds. */
const silence = 30_000;

/** Refusals that trying again does not mend. */
const final = new Set(['credential', 'permission', 'notFound']);

/** Listens to a topic until the returned function is called. */
export function tap(clients: Clients, cache: string, topic: string, listener: Listener): () => void {
  let over = false;
  let tries = 0;
  let timer = 0;
  let current: TopicSubscribe.Subscription | undefined;
  let last = {number: 0, page: 0};
  let state: State | undefined;
  let why: Refusal | undefined;

  const enter = (next: State, refusal?: Refusal) => {
    why = refusal;
    if (state === next && !refusal) return;
    state = next;
    listener.onState(next, refusal);
  };
  const heard = () => {
    if (over) return;
    tries = 0;
    if (state === 'lost' && why) listener.onRow({kind: 'gap', at: Date.now(), refusal: why});
    enter('live');
    listener.onHeard();
    watch();
  };
  // The SDK comes back by itself when a connection breaks. It does not notice one
  // that is only silent, nor go on after an error that the server told.
  const watch = () => {
    window.clearTimeout(timer);
    timer = window.setTimeout(() => {
      current?.unsubscribe();
      again(asRefusal(new Error('silence')));
    }, silence);
  };
  const again = (refusal: Refusal) => {
    if (over) return;
    window.clearTimeout(timer);
    // What nobody has heard of may pass, but not when it is the first answer.
    if (final.has(refusal.reason) || (refusal.reason === 'other' && state === 'connecting')) {
      enter('ended', refusal);
      return;
    }
    enter(state === 'connecting' ? 'connecting' : 'lost', refusal);
    timer = window.setTimeout(() => void begin(), pauses[Math.min(tries++, pauses.length - 1)]);
  };
  const begin = async () => {
    watch();
    try {
      const response = await clients.topic.subscribe(cache, topic, {
        onItem: item => {
          if (over) return;
          heard();
          last = {number: item.sequenceNumber(), page: pageOf(current) ?? last.page};
          listener.onRow(rowOf(item, last.page));
        },
        onDiscontinuity: d => {
          if (over) return;
          heard();
          const newPage = d.newSequencePage() !== last.page;
          listener.onRow({kind: 'discontinuity', at: Date.now(), from: d.lastSequenceNumber() + 1, to: d.newSequenceNumber(), newPage});
          last = {number: d.newSequenceNumber(), page: d.newSequencePage()};
        },
        onHeartbeat: heard,
        onError: (error, subscription) => {
          if (over) return;
          const refusal = refusalOf(error);
          if (subscription.isSubscribed) {
            listener.onRow({kind: 'empty', at: Date.now()});
            return;
          }
          again(refusal);
        },
        onSubscriptionEnd: () => {
          if (!over && current?.isSubscribed) enter('lost');
        },
      });
      const subscription = answered(response, 'Subscription');
      if (over) {
        subscription.unsubscribe();
        return;
      }
      current = subscription;
    } catch (thrown) {
      again(asRefusal(thrown));
    }
  };

  enter('connecting');
  void begin();
  return () => {
    over = true;
    window.clearTimeout(timer);
    current?.unsubscribe();
  };
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
