// What the page Lists and items has open, read from the broker.
import {signal} from '@preact/signals';
import {Place, type Kind} from '../broker/data';
import {asRefusal, type Refusal} from '../broker/refusal';
import {slice} from '../lib/pages';

/** A row of a collection. */
export interface Row {
  /** Index, field, or rank; a set has none. */
  head: string | number | undefined;
  value: Uint8Array;
  score?: number;
}

export interface Content {
  kind: Kind | undefined;
  expiresAt: number | undefined;
  /** The value of an item. */
  value: Uint8Array | undefined;
  /** A page of a list, the beginning of another collection. */
  rows: Row[];
  /** Number of all rows. */
  length: number;
  /** Index of the first row. */
  start: number;
}

/** Entries of a list on one page. */
export const perPage = 50;

/** Rows of another collection that are shown; it comes as a whole or not at all. */
export const maxRows = 500;

export class Opened {
  readonly content = signal<Content | undefined>(undefined);
  readonly refusal = signal<Refusal | undefined>(undefined);
  readonly page = signal(0);

  constructor(readonly place: Place) {}

  async turn(page: number): Promise<void> {
    this.page.value = page;
    await this.read();
  }

  /** Reads it all anew; what is shown stays until the news are there. */
  async read(): Promise<void> {
    try {
      this.content.value = await this.#look();
      this.refusal.value = undefined;
    } catch (thrown) {
      this.refusal.value = asRefusal(thrown);
    }
  }

  async #look(): Promise<Content> {
    const kind = await this.place.kind();
    const content: Content = {kind, expiresAt: await this.place.expiresAt(), value: undefined, rows: [], length: 0, start: 0};
    switch (kind) {
      case 'item':
        content.value = await this.place.get();
        break;
      case 'list': {
        content.length = await this.place.length();
        const {start, end} = slice(this.page.value, perPage, content.length);
        const values = await this.place.slice(start, end);
        content.start = start;
        content.rows = values.map((value, i) => ({head: start + i, value}));
        this.page.value = Math.floor(start / perPage);
        break;
      }
      case 'dictionary':
        fill(content, (await this.place.fields()).sort(([a], [b]) => (a < b ? -1 : 1)).map(([head, value]) => ({head, value})));
        break;
      case 'set':
        fill(content, (await this.place.elements()).map(value => ({head: undefined, value})));
        break;
      case 'sortedSet':
        fill(content, (await this.place.ranked()).map(({value, score}, i) => ({head: i, value, score})));
        break;
    }
    // It may have expired between two questions.
    if (content.expiresAt === undefined) content.kind = undefined;
    return content;
  }
}

function fill(content: Content, rows: Row[]): void {
  content.length = rows.length;
  content.rows = rows.slice(0, maxRows);
}

/** Names that were opened since the page was loaded, the last one first. */
export const recent = signal<readonly {cache: string; name: string}[]>([]);

export function remember(cache: string, name: string): void {
  recent.value = [{cache, name}, ...recent.value.filter(r => r.cache !== cache || r.name !== name)].slice(0, 8);
}
