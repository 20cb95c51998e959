/** One page of a long collection: [start, end) of `length` rows. */
export interface Slice {
  start: number;
  end: number;
}

/** The slice of a page that there is; a page behind the end is the last one. */
export function slice(page: number, perPage: number, length: number): Slice {
  const start = Math.min(Math.max(0, page), lastPage(perPage, length)) * perPage;
  return {start, end: Math.min(start + perPage, length)};
}

export function lastPage(perPage: number, length: number): number {
  return Math.max(0, Math.ceil(length / perPage) - 1);
}
