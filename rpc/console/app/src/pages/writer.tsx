import {useSignal} from '@preact/signals';
import type {Kind, Place} from '../broker/data';
import {t} from '../state/settings';
import {Button, Field, Wrong} from '../ui/basic';
import {LifeField, secondsOf} from '../ui/life';
import {useTask} from '../ui/task';
import {bytesOfInput, ValueField} from '../ui/value';

interface WriterProps {
  kind: Kind;
  place: Place;
  /** Whether there is something already whose life can be left as it is. */
  exists: boolean;
  /** Called after a write; with the new length of a list. */
  onWritten: (length: number | undefined) => Promise<void>;
}

/** The form that writes one more entry, or an item. */
export function Writer({kind, place, exists, onWritten}: WriterProps) {
  const head = useSignal('');
  const value = useSignal({text: '', binary: false});
  const life = useSignal({value: '1', unit: 'h'});
  const refresh = useSignal(true);
  const wrong = useSignal('');
  const task = useTask();

  const write = (end: 'front' | 'back') => {
    const bytes = bytesOfInput(value.value);
    const seconds = secondsOf(life.value);
    if (!bytes || seconds === undefined) return;
    const score = Number(head.value);
    if (kind === 'sortedSet' && (head.value.trim() === '' || !Number.isFinite(score))) {
      wrong.value = t('wrong.number');
      return;
    }
    wrong.value = '';
    const period = {seconds, refresh: refresh.value};
    void task.run(async () => {
      let length: number | undefined;
      if (kind === 'item') await place.set(bytes, seconds);
      if (kind === 'list') length = await place.push(end, bytes, period);
      if (kind === 'dictionary') await place.setField(head.value, bytes, period);
      if (kind === 'set') await place.addElement(bytes, period);
      if (kind === 'sortedSet') await place.putRanked(bytes, score, period);
      value.value = {...value.value, text: ''};
      head.value = '';
      await onWritten(length);
    });
  };

  return (
    <form class="writer" onSubmit={event => {
      event.preventDefault();
      write('back');
    }}>
      {(kind === 'dictionary' || kind === 'sortedSet') && (
        <Field label={t(kind === 'dictionary' ? 'data.field' : 'data.score')} error={wrong.value || undefined}>
          {(id, described) => (
            <input
              id={id} required autocomplete="off" spellcheck={false} aria-describedby={described}
              inputMode={kind === 'sortedSet' ? 'decimal' : 'text'} value={head.value} onInput={e => { head.value = e.currentTarget.value; }}
            />
          )}
        </Field>
      )}
      <ValueField label={t(kind === 'list' ? 'data.push.value' : kind === 'item' || kind === 'dictionary' ? 'data.value' : 'data.element')} value={value} />
      <div class="line">
        <LifeField label={t('data.life')} life={life} />
        {exists && (
          <label class="check">
            <input type="checkbox" checked={refresh.value} onChange={e => { refresh.value = e.currentTarget.checked; }} />
            {t('data.life.refresh')}
          </label>
        )}
      </div>
      <Wrong refusal={task.refusal.value} />
      <div class="row">
        {kind === 'list' ? (
          <>
            <Button onClick={() => write('front')} busy={task.busy.value}>{t('data.push.front')}</Button>
            <Button type="submit" look="main" busy={task.busy.value}>{t('data.push.back')}</Button>
          </>
        ) : (
          <Button type="submit" look="main" busy={task.busy.value}>{t(exists ? 'do.add' : 'do.create')}</Button>
        )}
      </div>
    </form>
  );
}
