// Where in the console one is. The page is in the path; what it shows is in the
// fragment, which a browser keeps to itself: names of caches, topics and keys must
// not end up in the log of a proxy.
import {computed, signal} from '@preact/signals';

export const pages = ['caches', 'topics', 'data', 'tokens', 'cluster', 'usage'] as const;
export type Page = (typeof pages)[number];

const base = '/console/';

interface Place {
  page: Page | undefined;
  params: URLSearchParams;
}

function read(): Place {
  const name = location.pathname.slice(base.length).replace(/\/$/, '');
  return {
    page: name === '' ? 'caches' : pages.find(p => p === name),
    params: new URLSearchParams(location.hash.slice(1)),
  };
}

const place = signal<Place>(read());

export const page = computed(() => place.value.page);
export const params = computed(() => place.value.params);

const takeNews = () => {
  place.value = read();
};
window.addEventListener('popstate', takeNews);
window.addEventListener('hashchange', takeNews);

/** The address of a page of the console. */
export function address(to: Page, values: Record<string, string> = {}): string {
  const fragment = new URLSearchParams(values).toString();
  return base + (to === 'caches' ? '' : to) + (fragment ? `#${fragment}` : '');
}

/** Goes there as a link would. */
export function go(to: Page, values: Record<string, string> = {}): void {
  const url = address(to, values);
  if (url !== location.pathname + location.hash) history.pushState(null, '', url);
  takeNews();
}

/** Takes over the clicks on links within the console that a browser would load anew. */
export function followLinks(root: HTMLElement): void {
  root.addEventListener('click', event => {
    const link = (event.target as Element).closest('a');
    if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    if (link.target || link.origin !== location.origin || !link.pathname.startsWith(base)) return;
    if (link.getAttribute('href')?.startsWith('#')) return;
    event.preventDefault();
    history.pushState(null, '', link.href);
    takeNews();
    window.scrollTo(0, 0);
  });
}
