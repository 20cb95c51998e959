// What the page Topics shows of one topic. It listens in the background of the
// page and tells of news at most ten times a second, however fast they come.
import {signal} from '@preact/signals';
import type {Clients} from '../broker/clients';
import {getSession, getTopic, type TopicFacts} from '../broker/node';
import type {Refusal} from '../broker/refusal';
import {Ear, type Item, type Note, type State} from '../broker/tap';
import {Bounded} from '../lib/bounded';
import {textOf} from '../lib/text';

export type Row = (Item | Note) & {id: number; node: string};

/** Bounds of what the page keeps: rows, and bytes of values. */
export const maxRows = 500;
const maxBytes = 8 << 20;

/** How often news are shown, in milliseconds. */
const frame = 100;

export class Tap {
  readonly state = signal<State>('connecting');
  readonly refusal = signal<Refusal | undefined>(undefined);
  /** What is shown: oldest first. Frozen while paused. */
  readonly rows = signal<readonly Row[]>([]);
  readonly forgotten = signal(0);
  readonly paused = signal(false);
  /** How many rows came since the pause began. */
  readonly unseen = signal(0);
  /** How many items came in all. */
  readonly count = signal(0);
  readonly heardAt = signal(Date.now());
  readonly facts = signal<TopicFacts | undefined>(undefined);

  #kept = new Bounded<Row>(maxRows, maxBytes, row => (row.kind === 'item' ? row.bytes.length + 100 : 100));
  #ear: Ear;
  #next = 0;
  #timer = 0;
  #count = 0;
  #unseen = 0;
  #heard = Date.now();
  #node: string;

  constructor(
    readonly clients: Clients,
    readonly cache: string,
    readonly topic: string,
    node: string,
  ) {
    this.#node = node;
    this.#ear = new Ear(clients, cache, topic, {
      onRow: row => this.#take(row),
      onState: (state, refusal) => {
        this.state.value = state;
        this.refusal.value = refusal;
        if (state === 'live') void this.#look();
      },
      onHeard: () => {
        this.#heard = Date.now();
        this.#soon();
      },
      answers: () => getSession(clients.key).then(() => true, () => false),
    });
    this.#ear.begin();
  }

  #take(row: Item | Note): void {
    this.#kept.add({...row, id: this.#next++, node: this.#node});
    if (row.kind === 'item') this.#count++;
    if (this.paused.value) this.#unseen++;
    this.#soon();
  }

  #soon(): void {
    if (this.#timer !== 0) return;
    this.#timer = window.setTimeout(() => {
      this.#timer = 0;
      this.#show();
    }, frame);
  }

  #show(): void {
    this.count.value = this.#count;
    this.unseen.value = this.#unseen;
    this.heardAt.value = this.#heard;
    if (this.paused.value) return;
    this.rows.value = [...this.#kept.rows];
    this.forgotten.value = this.#kept.forgotten;
  }

  /** After a reconnect another node may serve the page. */
  async #look(): Promise<void> {
    try {
      this.#node = (await getSession(this.clients.key)).node;
      await this.lookUp();
    } catch {
      // The tap works without; the next look may succeed.
    }
  }

  /** Asks the node where the topic is led. */
  async lookUp(): Promise<void> {
    this.facts.value = await getTopic(this.clients.key, this.cache, this.topic);
  }

  pause(paused: boolean): void {
    this.paused.value = paused;
    this.#unseen = 0;
    this.#show();
  }

  clear(): void {
    this.#kept.clear();
    this.#count = 0;
    this.#unseen = 0;
    this.rows.value = [];
    this.#show();
  }

  end(): void {
    window.clearTimeout(this.#timer);
    this.#ear.end();
  }
}

/** Whether a row fits a filter; what is no item always does. */
export function fits(row: Row, filter: string): boolean {
  if (filter === '' || row.kind !== 'item') return true;
  const wanted = filter.toLowerCase();
  return row.tokenId.toLowerCase().includes(wanted) || (textOf(row.bytes) ?? '').toLowerCase().includes(wanted);
}
