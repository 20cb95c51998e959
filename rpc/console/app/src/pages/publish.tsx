import {useSignal} from '@preact/signals';
import {Refusal} from '../broker/refusal';
import {largestBinary, publish} from '../broker/tap';
import {bytesOf, fromBase64} from '../lib/text';
import {clients} from '../state/session';
import {f, t} from '../state/settings';
import {Button, Field, Wrong} from '../ui/basic';
import {useTask} from '../ui/task';

const forms = ['text', 'base64', 'file'] as const;
type Form = (typeof forms)[number];

export function Publish({cache, topic}: {cache: string; topic: string}) {
  const form = useSignal<Form>('text');
  const text = useSignal('');
  const file = useSignal<File | undefined>(undefined);
  const wrong = useSignal('');
  const sent = useSignal('');
  const task = useTask();

  /** What is to be sent, or a sentence that says what is wrong with it. */
  const value = async (): Promise<string | Uint8Array | {wrong: string}> => {
    if (form.value === 'text') return text.value === '' ? {wrong: t('topic.empty.message')} : text.value;
    if (form.value === 'file') {
      if (!file.value) return {wrong: t('topic.file.none')};
      const bytes = new Uint8Array(await file.value.arrayBuffer());
      return bytes.length === 0 ? {wrong: t('topic.empty.message')} : bytes;
    }
    const bytes = fromBase64(text.value);
    if (!bytes) return {wrong: t('wrong.base64')};
    return bytes.length === 0 ? {wrong: t('topic.empty.message')} : bytes;
  };
  const submit = () => task.run(async () => {
    sent.value = '';
    const message = await value();
    if (typeof message === 'object' && 'wrong' in message) {
      wrong.value = message.wrong;
      return;
    }
    wrong.value = '';
    const length = typeof message === 'string' ? bytesOf(message).length : message.length;
    if (typeof message !== 'string' && length > largestBinary) throw new Refusal('tooLarge', String(length));
    await publish(clients.value, cache, topic, message);
    sent.value = t('topic.sent', {size: f.value.size(length)});
  });

  return (
    <form class="card publish" onSubmit={event => {
      event.preventDefault();
      void submit();
    }}>
      <h2>{t('topic.publish')}</h2>
      <fieldset class="segments">
        <legend class="away">{t('topic.format')}</legend>
        {forms.map(one => (
          <label key={one}>
            <input type="radio" name="form" value={one} checked={form.value === one} onChange={() => {
              form.value = one;
              wrong.value = '';
            }} />
            <span>{t(`topic.format.${one}`)}</span>
          </label>
        ))}
      </fieldset>
      {form.value === 'file' ? (
        <Field label={t('topic.file')} error={wrong.value || undefined}>
          {(id, described) => <input id={id} type="file" aria-describedby={described} onChange={e => { file.value = e.currentTarget.files?.[0]; }} />}
        </Field>
      ) : (
        <Field label={t('topic.value')} hint={t('topic.send.hint')} error={wrong.value || undefined}>
          {(id, described) => (
            <textarea
              id={id} rows={5} spellcheck={false} aria-describedby={described} class={form.value === 'base64' ? 'mono' : ''}
              value={text.value} onInput={e => { text.value = e.currentTarget.value; }}
              onKeyDown={e => {
                if (e.key !== 'Enter' || !(e.ctrlKey || e.metaKey)) return;
                e.preventDefault();
                void submit();
              }}
            />
          )}
        </Field>
      )}
      <Wrong refusal={task.refusal.value} />
      <div class="row">
        <Button type="submit" look="main" busy={task.busy.value}>{t('topic.send')}</Button>
        <span class="hint" role="status">{sent.value}</span>
      </div>
    </form>
  );
}
