import {useSignal} from '@preact/signals';
import type {Kind} from '../broker/data';
import type {Opened} from '../state/opened';
import {t} from '../state/settings';
import {toast} from '../ui/toast';
import {Writer} from './writer';

const kinds: Kind[] = ['item', 'list', 'dictionary', 'set', 'sortedSet'];

/** For a name under which nothing is. */
export function Create({opened}: {opened: Opened}) {
  const kind = useSignal<Kind>('item');
  return (
    <section class="card">
      <p>{t('data.missing', {name: opened.place.name})}</p>
      <fieldset class="segments">
        <legend class="away">{t('data.kind')}</legend>
        {kinds.map(one => (
          <label key={one}>
            <input type="radio" name="kind" value={one} checked={kind.value === one} onChange={() => { kind.value = one; }} />
            <span>{t(`data.kind.${one}`)}</span>
          </label>
        ))}
      </fieldset>
      <Writer key={kind.value} kind={kind.value} place={opened.place} exists={false} onWritten={async () => {
        await opened.read();
        toast(t('data.saved'));
      }} />
    </section>
  );
}
