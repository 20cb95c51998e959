import {useSignal} from '@preact/signals';
import {useEffect, useMemo} from 'preact/hooks';
import {cache} from '../state/cache';
import {go, params} from '../state/route';
import {clients, session} from '../state/session';
import {t} from '../state/settings';
import {Tap} from '../state/tap';
import {Button, Empty, Field, Heading} from '../ui/basic';
import {NeedCache} from '../ui/need';
import {Publish} from './publish';
import {TapView} from './tapview';

export function TopicsPage() {
  const topic = params.value.get('topic') ?? '';
  return (
    <>
      <Heading title={t('topic.title')} lead={t('topic.lead')} />
      <NeedCache>
        <Choose key={`${cache.value}/${topic}`} topic={topic} />
        {topic === ''
          ? <Empty><p>{t('topic.closed')}</p></Empty>
          : <Opened key={`${cache.value}/${topic}/${clients.value.key}`} cache={cache.value} topic={topic} />}
      </NeedCache>
    </>
  );
}

function Choose({topic}: {topic: string}) {
  const name = useSignal(topic);
  const submit = (event: Event) => {
    event.preventDefault();
    go('topics', {cache: cache.value, topic: name.value});
  };
  return (
    <form class="card line" onSubmit={submit}>
      <Field label={t('topic.name')} hint={topic === '' ? t('topic.name.hint') : undefined} class="grow">
        {(id, described) => (
          <input
            id={id} required autocomplete="off" spellcheck={false} autofocus={topic === ''} aria-describedby={described}
            value={name.value} onInput={e => { name.value = e.currentTarget.value; }}
          />
        )}
      </Field>
      <Button type="submit" look={topic === '' ? 'main' : 'plain'} disabled={name.value === '' || name.value === topic}>{t('topic.open')}</Button>
    </form>
  );
}

function Opened({cache, topic}: {cache: string; topic: string}) {
  const tap = useMemo(() => new Tap(clients.value, cache, topic, session.peek()?.node ?? ''), []);
  useEffect(() => () => tap.end(), []);
  return (
    <div class="columns">
      <Publish cache={cache} topic={topic} />
      <TapView tap={tap} />
    </div>
  );
}
