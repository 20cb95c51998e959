import {useSignal} from '@preact/signals';
import type {Opened} from '../state/opened';
import {t} from '../state/settings';
import {Button, Wrong} from '../ui/basic';
import {LifeField, secondsOf} from '../ui/life';
import {useTask} from '../ui/task';
import {toast} from '../ui/toast';
import {bytesOfInput, inputOf, ValueField} from '../ui/value';

/** The value of an item, to be read and written. */
export function ItemEditor({opened}: {opened: Opened}) {
  const value = useSignal(inputOf(opened.content.value?.value ?? new Uint8Array()));
  const life = useSignal({value: '1', unit: 'h'});
  const task = useTask();
  const submit = (event: Event) => {
    event.preventDefault();
    const bytes = bytesOfInput(value.value);
    const seconds = secondsOf(life.value);
    if (!bytes || seconds === undefined) return;
    void task.run(async () => {
      await opened.place.set(bytes, seconds);
      await opened.read();
      toast(t('data.saved'));
    });
  };
  return (
    <form onSubmit={submit}>
      {value.value.binary && <p class="hint">{t('data.binary')}</p>}
      <ValueField label={t('data.value')} value={value} rows={8} />
      <div class="line">
        <LifeField label={t('data.life')} life={life} />
        <Button type="submit" look="main" busy={task.busy.value}>{t('do.save')}</Button>
      </div>
      <Wrong refusal={task.refusal.value} />
    </form>
  );
}
