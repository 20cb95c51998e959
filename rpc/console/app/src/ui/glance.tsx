import {useSignal} from '@preact/signals';
import {show} from '../lib/text';
import {t} from '../state/settings';
import {Button} from './basic';

/** How much of a value is shown before somebody asks for all of it, in characters. */
const much = 160;

/** A value: as much as one sees at a glance, and the whole of it when asked. */
export function Glance({bytes, binary = false}: {bytes: Uint8Array; binary?: boolean}) {
  const open = useSignal(false);
  const shown = show(bytes);
  const long = shown.text.length > much || shown.text.includes('\n');
  const whole = open.value || !long;
  return (
    <>
      {(shown.binary || binary) && <span class="badge">{t('topic.binary')}</span>}
      <span class={whole ? 'whole' : 'glance'}>{whole ? shown.text : `${shown.text.slice(0, much).replace(/\s+/g, ' ')}…`}</span>
      {long && (
        <Button small look="quiet" aria-expanded={open.value} onClick={() => { open.value = !open.value; }}>
          {t(open.value ? 'do.hide' : 'do.show')}
        </Button>
      )}
    </>
  );
}
