import type {Signal} from '@preact/signals';
import {bytesOf, fromBase64, show} from '../lib/text';
import {t} from '../state/settings';
import {Field} from './basic';

/** A value as a person edits it: text, or Base64 of bytes. */
export interface ValueInput {
  text: string;
  binary: boolean;
}

export function inputOf(value: Uint8Array): ValueInput {
  return show(value);
}

/** Its bytes, or undefined when the text is not Base64. */
export function bytesOfInput({text, binary}: ValueInput): Uint8Array | undefined {
  return binary ? fromBase64(text) : bytesOf(text);
}

export function ValueField({label, value, rows = 3}: {label: string; value: Signal<ValueInput>; rows?: number}) {
  const {text, binary} = value.value;
  const wrong = bytesOfInput(value.value) === undefined;
  return (
    <div class="value-field">
      <Field label={label} error={wrong ? t('wrong.base64') : undefined}>
        {(id, described) => (
          <textarea
            id={id} rows={rows} spellcheck={false} class={binary ? 'mono' : ''} aria-describedby={described}
            value={text} onInput={e => { value.value = {...value.value, text: e.currentTarget.value}; }}
          />
        )}
      </Field>
      <label class="check">
        <input type="checkbox" checked={binary} onChange={e => { value.value = {...value.value, binary: e.currentTarget.checked}; }} />
        {t('data.asBase64')}
      </label>
    </div>
  );
}
