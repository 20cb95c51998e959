import {useSignal} from '@preact/signals';
import {getCluster, getUsage, type SeriesName, type Usage} from '../broker/node';
import {asRefusal, type Refusal} from '../broker/refusal';
import {rates} from '../lib/axis';
import {key, session} from '../state/session';
import {f, t} from '../state/settings';
import type {Key} from '../words';
import {Empty, Heading, Loading, Wrong} from '../ui/basic';
import {Plot} from '../ui/plot';
import {useEvery} from '../ui/task';

/** How often the page asks, in milliseconds: a node measures every ten seconds. */
const every = 10_000;

interface Shown {
  title: Key;
  series: SeriesName[];
  as: 'rate' | 'bytes' | 'number';
}

const plots: Shown[] = [
  {title: 'usage.operations', series: ['operations'], as: 'rate'},
  {title: 'usage.bytes', series: ['bytes_in', 'bytes_out'], as: 'bytes'},
  {title: 'usage.topics', series: ['published', 'delivered'], as: 'rate'},
  {title: 'usage.cache', series: ['hits', 'misses'], as: 'rate'},
  {title: 'usage.errors', series: ['errors'], as: 'rate'},
  {title: 'usage.subscriptions', series: ['subscriptions'], as: 'number'},
];

export function UsagePage() {
  const usage = useSignal<Usage | undefined>(undefined);
  const refusal = useSignal<Refusal | undefined>(undefined);
  /** Empty is the node that serves this page. */
  const of = useSignal('');
  const nodes = useSignal<string[]>([]);
  const read = async () => {
    try {
      usage.value = await getUsage(key.value, of.value);
      refusal.value = undefined;
    } catch (thrown) {
      refusal.value = asRefusal(thrown);
    }
  };
  const readNodes = async () => {
    try {
      nodes.value = (await getCluster(key.value)).members.map(m => m.name);
    } catch {
      // The choice stays as it is; the plots say what is wrong.
    }
  };
  useEvery(every, read, [key.value, of.value]);
  useEvery(60_000, readNodes, [key.value]);
  const here = session.value?.node ?? '';
  const known = usage.value;
  const measured = known && Object.values(known.series).some(points => points.some(p => p !== null));
  return (
    <>
      <Heading title={t('usage.title')} lead={t('usage.lead')}>
        <label class="picker">
          <span>{t('usage.of')}</span>
          <select value={of.value} onChange={e => { of.value = e.currentTarget.value; }}>
            <option value="">{here} ({t('cluster.here')})</option>
            {nodes.value.filter(n => n !== here).map(n => <option key={n} value={n}>{n}</option>)}
            {nodes.value.length > 1 && <option value="all">{t('usage.of.all')}</option>}
          </select>
        </label>
      </Heading>
      <Wrong refusal={refusal.value} retry={() => void read()} />
      {!known && !refusal.value && <Loading />}
      {known && known.missing?.length > 0 && <p class="hint wrong">{t('usage.missing', {nodes: known.missing.join(', ')})}</p>}
      {known && !measured && <Empty><p>{t('usage.empty', {seconds: known.step / 1000})}</p></Empty>}
      {known && measured && (
        <>
          <p class="hint">{t('usage.help')}</p>
          <div class="plots">{plots.map(p => <One key={p.title} shown={p} usage={known} />)}</div>
        </>
      )}
    </>
  );
}

function One({shown: {title, series, as}, usage}: {shown: Shown; usage: Usage}) {
  const {size, amount, short} = f.value;
  const perSecond = as !== 'number';
  return (
    <Plot
      title={t(title)}
      unit={perSecond ? t('usage.perSecond') : ''}
      from={usage.from}
      step={usage.step}
      base={as === 'bytes' ? 1024 : 10}
      series={series.map(name => ({
        label: t(`usage.series.${name}`),
        points: perSecond ? rates(usage.series[name], usage.step) : usage.series[name],
      }))}
      say={as === 'bytes' ? size : amount}
      mark={as === 'bytes' ? size : short}
    />
  );
}
