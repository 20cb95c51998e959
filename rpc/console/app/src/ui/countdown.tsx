import {moment} from '../lib/format';
import {f} from '../state/settings';
import {now} from './now';

/** How long something still lives, told anew every second. */
export function Countdown({until, gone}: {until: number; gone: string}) {
  // The clock ticks for everybody at once, and may be most of a second old here.
  const left = until - Math.max(now.value, Date.now());
  return (
    <time class={left <= 0 ? 'gone' : left < 60_000 ? 'soon' : ''} dateTime={new Date(until).toISOString()} title={moment(until)}>
      {left > 0 ? f.value.span(left) : gone}
    </time>
  );
}
