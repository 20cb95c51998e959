import {useSignal} from '@preact/signals';
import {isSendable, unwrap} from '../lib/credential';
import {session, signIn} from '../state/session';
import {t} from '../state/settings';
import {Button, Code, Field, Wrong} from '../ui/basic';
import {useTask} from '../ui/task';

export function SignIn() {
  const pasted = useSignal('');
  const why = useSignal('');
  const task = useTask();
  const submit = async (event: Event) => {
    event.preventDefault();
    const raw = unwrap(pasted.value);
    if (!isSendable(raw)) {
      why.value = t('signin.unsendable');
      return;
    }
    await task.run(async () => {
      const answer = await signIn(raw);
      why.value = answer.open || answer.authorized ? '' : answer.reason || t('signin.refused');
    });
  };
  return (
    <section class="signin card">
      <h1>{t('signin.title')}</h1>
      <p>{t('signin.lead')}</p>
      <form onSubmit={event => void submit(event)}>
        <Field label={t('signin.key')} hint={t('signin.key.hint')} error={why.value || undefined}>
          {(id, described) => (
            <input
              id={id} type="password" autocomplete="off" spellcheck={false} autofocus required aria-describedby={described}
              value={pasted.value} onInput={e => { pasted.value = e.currentTarget.value; }}
            />
          )}
        </Field>
        <Wrong refusal={task.refusal.value} />
        <Button type="submit" look="main" busy={task.busy.value}>{t('signin.submit')}</Button>
      </form>
      <p class="hint">{t('signin.how')}</p>
      <Code text="mayfly key create --superuser" label={t('signin.how')} />
      {session.value && <p class="hint">{session.value.node} · {session.value.version}</p>}
    </section>
  );
}
