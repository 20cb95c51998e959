import {useSignal} from '@preact/signals';
import {getCluster, type Cluster, type Replica} from '../broker/node';
import {asRefusal, type Refusal} from '../broker/refusal';
import {clock} from '../lib/format';
import {key, session} from '../state/session';
import {f, t} from '../state/settings';
import {Heading, Loading, Wrong} from '../ui/basic';
import {useEvery} from '../ui/task';

/** How often the page asks, in milliseconds. */
const every = 5000;

export function ClusterPage() {
  const cluster = useSignal<Cluster | undefined>(undefined);
  const at = useSignal(0);
  const refusal = useSignal<Refusal | undefined>(undefined);
  const read = async () => {
    try {
      cluster.value = await getCluster(key.value);
      at.value = Date.now();
      refusal.value = undefined;
    } catch (thrown) {
      refusal.value = asRefusal(thrown);
    }
  };
  useEvery(every, read, [key.value]);
  const known = cluster.value;
  return (
    <>
      <Heading title={t('cluster.title')} lead={t('cluster.lead')} />
      <Wrong refusal={refusal.value} retry={() => void read()} />
      {!known && !refusal.value && <Loading />}
      {known && (
        <>
          <p class="summary">
            {t('cluster.summary', {
              live: known.members.filter(m => m.alive).length, all: known.members.length, groups: known.groups.length, moves: known.moves.length,
            })}
            <span class="hint">
              {t('cluster.placement', {version: known.placement_version})} · {refusal.value
                ? t('cluster.stale', {time: clock(at.value)})
                : t('cluster.refreshed', {time: clock(at.value), seconds: every / 1000})}
            </span>
          </p>
          <Nodes cluster={known} />
          <Moves cluster={known} />
          <Groups cluster={known} />
        </>
      )}
    </>
  );
}

function Nodes({cluster}: {cluster: Cluster}) {
  return (
    <section class="card" aria-labelledby="nodes-title">
      <h2 id="nodes-title">{t('cluster.nodes')}</h2>
      <div class="scroll" tabIndex={0} role="region" aria-labelledby="nodes-title">
        <table class="cluster-nodes">
          <thead>
            <tr>
              <th scope="col">{t('cluster.node')}</th>
              <th scope="col">{t('cluster.state')}</th>
              <th scope="col" class="size">{t('cluster.leads')}</th>
              <th scope="col" class="size">{t('cluster.replicas')}</th>
              <th scope="col">{t('cluster.address')}</th>
              <th scope="col">{t('cluster.zone')}</th>
              <th scope="col">{t('cluster.version')}</th>
            </tr>
          </thead>
          <tbody>
            {cluster.members.map(m => (
              <tr key={m.name}>
                <th scope="row">
                  <span class="name">{m.name}</span>
                  {m.name === session.value?.node && <span class="badge">{t('cluster.here')}</span>}
                  {m.name === cluster.meta_leader && <span class="badge">{t('cluster.metaLeader')}</span>}
                </th>
                <td><span class={`status ${m.alive ? 'live' : 'ended'}`}>{t(m.alive ? 'cluster.alive' : 'cluster.dead')}</span> <span class="hint">{m.state}{m.note && ` · ${m.note}`}</span></td>
                <td class="size">{f.value.count(m.leads)}</td>
                <td class="size">{f.value.count(m.replicas)}</td>
                <td class="mono">{m.peer_address || '—'}</td>
                <td>{m.zone || '—'}</td>
                <td>{m.version || '—'}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {cluster.members.length === 1 && <p class="hint">{t('cluster.single')}</p>}
    </section>
  );
}

function Moves({cluster}: {cluster: Cluster}) {
  return (
    <section class="card" aria-labelledby="moves-title">
      <h2 id="moves-title">{t('cluster.moves')}</h2>
      {cluster.moves.length + cluster.held.length === 0
        ? <p class="calm">{t('cluster.moves.none')}</p>
        : (
          <ul class="moves">
            {cluster.moves.map((m, i) => <li key={`m${i}`}>{t('cluster.move', {group: m.group, kind: m.kind.replaceAll('_', ' '), node: m.to ? `${m.node} → ${m.to}` : m.node})}</li>)}
            {cluster.held.map((h, i) => <li key={`h${i}`}>{t('cluster.held', {group: h.group, why: h.why})}</li>)}
          </ul>
        )}
    </section>
  );
}

function Groups({cluster}: {cluster: Cluster}) {
  return (
    <section class="card" aria-labelledby="groups-title">
      <h2 id="groups-title">{t('cluster.groups')}</h2>
      <div class="scroll" tabIndex={0} role="region" aria-labelledby="groups-title">
        <table class="groups">
          <thead>
            <tr>
              <th scope="col">{t('cluster.group')}</th>
              <th scope="col">{t('cluster.leader')}</th>
              <th scope="col">{t('cluster.replicas')}</th>
            </tr>
          </thead>
          <tbody>
            {cluster.groups.map(g => (
              <tr key={g.group}>
                <th scope="row">{g.group}</th>
                <td>{g.leader || <span class="status ended">{t('cluster.leader.none')}</span>}</td>
                <td><ul class="chips">{g.replicas.map(r => <Chip key={r.node} replica={r} leads={r.node === g.leader} />)}</ul></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

const roleNames = {voter: 'cluster.role.voter', learner: 'cluster.role.learner'} as const;

function Chip({replica: {node, role, lag}, leads}: {replica: Replica; leads: boolean}) {
  const behind = lag === null ? t('cluster.lag.unknown') : lag === 0 ? t('cluster.lag.none') : t('cluster.lag', {count: f.value.count(lag)});
  const known = roleNames[role as keyof typeof roleNames];
  return (
    <li class={`chip ${lag === null ? 'bad' : lag > 0 ? 'late' : ''} ${leads ? 'leads' : ''}`}>
      <strong>{node}</strong>
      <span>{leads ? t('cluster.role.leader') : known ? t(known) : role}</span>
      <span class="hint">{behind}</span>
    </li>
  );
}
