import {useSignal, type Signal} from '@preact/signals';
import {useEffect, useRef} from 'preact/hooks';
import {asRefusal, type Refusal} from '../broker/refusal';
import {refreshSession} from '../state/session';

export interface Task {
  busy: Signal<boolean>;
  refusal: Signal<Refusal | undefined>;
  /** Runs one piece of work at a time and keeps what went wrong. True when it went well. */
  run(work: () => Promise<void>): Promise<boolean>;
}

/** Work that a person started, its progress and its end. */
export function useTask(): Task {
  const busy = useSignal(false);
  const refusal = useSignal<Refusal | undefined>(undefined);
  const task = useRef<Task>(undefined);
  task.current ??= {
    busy,
    refusal,
    async run(work) {
      if (busy.value) return false;
      busy.value = true;
      try {
        await work();
        refusal.value = undefined;
        return true;
      } catch (thrown) {
        refusal.value = asRefusal(thrown);
        // The key may have been revoked, or the first one been made: ask who one is.
        if (refusal.value.reason === 'credential') void refreshSession();
        return false;
      } finally {
        busy.value = false;
      }
    },
  };
  return task.current;
}

/**
 * Does something now and then every so many milliseconds for as long as the page
 * is looked at. The parts say when to begin anew.
 */
export function useEvery(ms: number, work: () => Promise<unknown>, parts: unknown[]): void {
  useEffect(() => {
    let over = false;
    let timer = 0;
    const turn = async () => {
      if (!document.hidden) await work();
      if (!over) timer = window.setTimeout(() => void turn(), ms);
    };
    const look = () => {
      if (document.hidden || over) return;
      window.clearTimeout(timer);
      void turn();
    };
    void turn();
    document.addEventListener('visibilitychange', look);
    return () => {
      over = true;
      window.clearTimeout(timer);
      document.removeEventListener('visibilitychange', look);
    };
  }, parts);
}
