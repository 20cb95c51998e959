import {signal} from '@preact/signals';

const message = signal('');
let timer = 0;

/** Says for a few seconds that something was done, also to a screen reader. */
export function toast(text: string): void {
  message.value = text;
  window.clearTimeout(timer);
  timer = window.setTimeout(() => {
    message.value = '';
  }, 5000);
}

export function Toast() {
  return (
    <div class="toast" role="status" aria-live="polite" data-shown={message.value !== ''}>
      {message.value}
    </div>
  );
}
