import type {Signal} from '@preact/signals';
import {unitSeconds} from '../lib/format';
import type {Key} from '../words';
import {t} from '../state/settings';
import {Field} from './basic';

/** A length of life as a person types it. */
export interface LifeInput {
  value: string;
  unit: string;
}

/** Its seconds, or undefined when it is not a life. */
export function secondsOf({value, unit}: LifeInput): number | undefined {
  const seconds = Number(value) * (unitSeconds[unit] ?? 1);
  return value.trim() !== '' && Number.isFinite(seconds) && seconds > 0 ? seconds : undefined;
}

export function LifeField({label, life}: {label: string; life: Signal<LifeInput>}) {
  const wrong = secondsOf(life.value) === undefined;
  return (
    <Field label={label} error={wrong ? t('wrong.ttl') : undefined}>
      {(id, described) => (
        <div class="joined">
          <input
            id={id} class="number" type="number" min="0" step="any" inputMode="decimal" required aria-describedby={described}
            value={life.value.value} onInput={e => { life.value = {...life.value, value: e.currentTarget.value}; }}
          />
          <select aria-label={t('data.life.unit')} value={life.value.unit} onChange={e => { life.value = {...life.value, unit: e.currentTarget.value}; }}>
            {Object.keys(unitSeconds).map(unit => <option key={unit} value={unit}>{t(`data.life.${unit}` as Key)}</option>)}
          </select>
        </div>
      )}
    </Field>
  );
}
