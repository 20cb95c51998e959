import {useSignal} from '@preact/signals';
import type {ComponentChildren} from 'preact';
import {useEffect} from 'preact/hooks';
import {clock} from '../lib/format';
import {f, t} from '../state/settings';
import {fits, type Row, type Tap} from '../state/tap';
import {Button, Empty, Wrong} from '../ui/basic';
import {explain} from '../ui/explain';
import {Glance} from '../ui/glance';
import {now} from '../ui/now';
import {useEvery} from '../ui/task';

const columns = ['number', 'page', 'time', 'size', 'token', 'node', 'value'] as const;

export function TapView({tap}: {tap: Tap}) {
  const filter = useSignal('');
  useEvery(5000, () => tap.lookUp().catch(() => undefined), [tap]);
  const rows = tap.rows.value;
  const shown = rows.filter(row => fits(row, filter.value));
  const items = rows.filter(row => row.kind === 'item').length;
  return (
    <section class="card tap" aria-labelledby="tap-title">
      <div class="row spread">
        <h2 id="tap-title">{t('topic.tap')}</h2>
        <Status tap={tap} />
      </div>
      <Facts tap={tap} />
      <div class="row tools">
        <input
          type="search" class="grow" aria-label={t('topic.filter')} placeholder={`${t('topic.filter')}: ${t('topic.filter.hint')}`}
          value={filter.value} onInput={e => { filter.value = e.currentTarget.value; }}
        />
        <Button aria-pressed={tap.paused.value} onClick={() => tap.pause(!tap.paused.value)}>
          {t(tap.paused.value ? 'topic.resume' : 'topic.pause')}
        </Button>
        <Button onClick={() => tap.clear()}>{t('topic.clear')}</Button>
      </div>
      {tap.state.value === 'ended' && <Wrong refusal={tap.refusal.value} />}
      <Announcer tap={tap} />
      {rows.length === 0 ? <Empty><p>{t('topic.waiting')}</p></Empty> : <Rows rows={shown} />}
      {rows.length > 0 && shown.length === 0 && <Empty><p>{t('topic.filter.none', {count: f.value.count(items)})}</p></Empty>}
      {rows.length > 0 && (
        <p class="hint">
          {t('topic.rows', {shown: f.value.count(shown.filter(row => row.kind === 'item').length), count: f.value.count(tap.count.value)})}
          {tap.forgotten.value > 0 && ` · ${t('topic.rows.dropped', {count: f.value.count(tap.forgotten.value)})}`}
        </p>
      )}
    </section>
  );
}

function Status({tap}: {tap: Tap}) {
  const state = tap.state.value;
  const paused = tap.paused.value && state === 'live';
  return (
    <span class={`status ${paused ? 'paused' : state}`} role="status">
      {paused ? t('topic.paused', {count: f.value.count(tap.unseen.value)}) : t(`topic.state.${state}`)}
    </span>
  );
}

function Facts({tap}: {tap: Tap}) {
  const facts = tap.facts.value;
  const ago = now.value - tap.heardAt.value;
  return (
    <dl class="facts">
      {facts && <div><dt>{t('topic.facts.leader')}</dt><dd>{facts.leader || '—'}</dd></div>}
      {facts && <div><dt>{t('topic.facts.group')}</dt><dd>{facts.group}</dd></div>}
      {facts && <div><dt>{t('topic.facts.subscriptions')}</dt><dd>{f.value.count(facts.subscriptions)}</dd></div>}
      <div><dt>{t('topic.facts.heard')}</dt><dd>{t('topic.facts.ago', {span: f.value.span(ago)})}</dd></div>
    </dl>
  );
}

/** Tells a screen reader how many came, every five seconds at most. */
function Announcer({tap}: {tap: Tap}) {
  const text = useSignal('');
  useEffect(() => {
    let told = tap.count.peek();
    const timer = window.setInterval(() => {
      const fresh = tap.count.peek() - told;
      told = tap.count.peek();
      if (fresh > 0 && !tap.paused.peek()) text.value = t('topic.announce', {count: f.value.count(fresh), topic: tap.topic});
    }, 5000);
    return () => window.clearInterval(timer);
  }, [tap]);
  return <div class="away" role="status" aria-live="polite">{text.value}</div>;
}

function Rows({rows}: {rows: readonly Row[]}) {
  return (
    <div class="scroll tall" tabIndex={0} role="region" aria-label={t('topic.tap')}>
      <table class="items">
        <thead>
          <tr>{columns.map(c => <th key={c} scope="col" class={c}>{t(`topic.col.${c}`)}</th>)}</tr>
        </thead>
        <tbody>{rows.toReversed().map(row => <OneRow key={row.id} row={row} />)}</tbody>
      </table>
    </div>
  );
}

const cells: Record<(typeof columns)[number], (row: Row & {kind: 'item'}) => ComponentChildren> = {
  number: row => row.number,
  page: row => row.page,
  time: row => clock(row.at, true),
  size: row => f.value.size(row.bytes.length),
  token: row => row.tokenId || '—',
  node: row => row.node,
  value: row => <Glance bytes={row.bytes} binary={row.binary} />,
};

function OneRow({row}: {row: Row}) {
  if (row.kind !== 'item') return <tr class="note"><td colSpan={columns.length}><time>{clock(row.at, true)}</time> {noteText(row)}</td></tr>;
  return (
    <tr>
      {columns.map(c => <td key={c} class={c} data-label={t(`topic.col.${c}`)}>{cells[c](row)}</td>)}
    </tr>
  );
}

function noteText(row: Row): string {
  switch (row.kind) {
    case 'discontinuity': return t(row.newPage ? 'topic.discontinuity.page' : 'topic.discontinuity', {from: row.from, to: row.to});
    case 'gap': return t('topic.gap', {message: explain(row.refusal)});
    default: return t('topic.note.empty');
  }
}
