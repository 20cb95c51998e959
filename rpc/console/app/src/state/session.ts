// Who one is to the node. The key lives in sessionStorage only: it is gone with
// the tab.
import {computed, signal} from '@preact/signals';
import {connect} from '../broker/clients';
import {getSession, type Session} from '../broker/node';
import {asRefusal, type Refusal} from '../broker/refusal';

const slot = 'mayfly-key';

function remembered(): string {
  try {
    return sessionStorage.getItem(slot) ?? '';
  } catch {
    return '';
  }
}

/** The raw API key, empty when there is none. */
export const key = signal(remembered());
export const session = signal<Session | undefined>(undefined);
export const sessionRefusal = signal<Refusal | undefined>(undefined);

export const mayEnter = computed(() => session.value !== undefined && (session.value.open || session.value.authorized));
export const clients = computed(() => connect(key.value));

/** Asks the node anew who one is. */
export async function refreshSession(): Promise<void> {
  try {
    session.value = await getSession(key.value);
    sessionRefusal.value = undefined;
  } catch (thrown) {
    sessionRefusal.value = asRefusal(thrown);
  }
}

/** Tries a key and keeps it if the node takes it; the answer says why not otherwise. */
export async function signIn(raw: string): Promise<Session> {
  const answer = await getSession(raw);
  if (answer.open || answer.authorized) {
    key.value = raw;
    try {
      sessionStorage.setItem(slot, raw);
    } catch {
      // Then it lives as long as the page.
    }
    session.value = answer;
  }
  return answer;
}

export function signOut(): void {
  key.value = '';
  try {
    sessionStorage.removeItem(slot);
  } catch {
    // It was never there.
  }
  session.value = undefined;
  void refreshSession();
}
