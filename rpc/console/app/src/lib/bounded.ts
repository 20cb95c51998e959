/**
 * The newest of what was added, bounded in number and in weight, so that a page
 * that is left open over night needs no more memory in the morning.
 */
export class Bounded<T> {
  #rows: T[] = [];
  #weight = 0;
  #forgotten = 0;

  constructor(
    readonly maxRows: number,
    readonly maxWeight: number,
    readonly weigh: (row: T) => number,
  ) {}

  /** Adds a row and forgets the oldest ones that there is no room for any more. */
  add(row: T): void {
    this.#rows.push(row);
    this.#weight += this.weigh(row);
    let drop = 0;
    while (this.#rows.length - drop > 1 && (this.#rows.length - drop > this.maxRows || this.#weight > this.maxWeight)) {
      this.#weight -= this.weigh(this.#rows[drop] as T);
      drop++;
    }
    if (drop > 0) {
      this.#rows.splice(0, drop);
      this.#forgotten += drop;
    }
  }

  clear(): void {
    this.#rows = [];
    this.#weight = 0;
    this.#forgotten = 0;
  }

  /** Oldest first; the caller must not change it. */
  get rows(): readonly T[] {
    return this.#rows;
  }

  /** How many rows were dropped since the last clear. */
  get forgotten(): number {
    return this.#forgotten;
  }
}
