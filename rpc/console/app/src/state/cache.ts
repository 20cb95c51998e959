// The cache that one works in: the one that the address names, else the one that
// was chosen last in this tab.
import {computed, signal} from '@preact/signals';
import {listCaches} from '../broker/caches';
import {asRefusal, type Refusal} from '../broker/refusal';
import {params} from './route';
import {clients} from './session';

const slot = 'mayfly-cache';

const chosen = signal(remembered());

function remembered(): string {
  try {
    return sessionStorage.getItem(slot) ?? '';
  } catch {
    return '';
  }
}

export const caches = signal<string[] | undefined>(undefined);
export const cachesRefusal = signal<Refusal | undefined>(undefined);

/** The name of the chosen cache, empty when none is. */
export const cache = computed(() => params.value.get('cache') ?? chosen.value);

export function chooseCache(name: string): void {
  chosen.value = name;
  try {
    sessionStorage.setItem(slot, name);
  } catch {
    // Then it is remembered as long as the page.
  }
}

/** Lists the caches. With only one there is nothing to choose. */
export async function refreshCaches(): Promise<void> {
  try {
    const names = await listCaches(clients.value);
    caches.value = names;
    cachesRefusal.value = undefined;
    if (chosen.value !== '' && !names.includes(chosen.value)) chooseCache('');
    if (chosen.value === '' && names.length === 1) chooseCache(names[0] as string);
  } catch (thrown) {
    cachesRefusal.value = asRefusal(thrown);
  }
}
