import {signal} from '@preact/signals';

/** The time, epoch milliseconds, once a second: what countdowns hang on. */
export const now = signal(Date.now());

setInterval(() => {
  if (!document.hidden) now.value = Date.now();
}, 1000);
document.addEventListener('visibilitychange', () => {
  now.value = Date.now();
});
