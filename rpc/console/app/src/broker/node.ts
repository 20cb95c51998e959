// The JSON that the node serves to its own console, below /console/api/.
import type {ScopeEntry} from '../lib/scope';
import {Refusal, type Reason} from './refusal';

export interface Session {
  version: string;
  node: string;
  cluster: string;
  /** No API key exists, so that everybody on this machine may do everything. */
  open: boolean;
  authorized: boolean;
  reason?: string;
  credential: {kind: string; id?: string; expires_at: number | null};
}

export interface Member {
  name: string;
  id: string;
  peer_address: string;
  zone: string;
  state: string;
  alive: boolean;
  /** Something odd about it, in words. */
  note?: string;
  leads: number;
  replicas: number;
  version: string;
}

export interface Replica {
  node: string;
  role: string;
  /** Entries behind the leader; null when it did not answer. */
  lag: number | null;
}

export interface Cluster {
  placement_version: number;
  meta_leader: string;
  members: Member[];
  groups: {group: string; leader: string; replicas: Replica[]}[];
  moves: {group: string; kind: string; node: string; to?: string}[];
  /** Groups whose replicas must not move for the moment. */
  held: {group: string; why: string}[];
}

export const seriesNames = [
  'operations', 'bytes_in', 'bytes_out', 'errors', 'hits', 'misses', 'published', 'delivered', 'subscriptions',
] as const;
export type SeriesName = (typeof seriesNames)[number];

export interface Usage {
  from: number;
  /** Milliseconds between two points. */
  step: number;
  points: number;
  series: Record<SeriesName, (number | null)[]>;
  /** Members that did not answer, when those of all were asked. */
  missing: string[];
}

export interface Check {
  cache: string | null;
  topic: string | null;
  key: string | null;
  action: string;
}

export interface Inspection {
  kind: string;
  id?: string;
  token_id?: string;
  issued_by?: string;
  expires_at: number | null;
  expired: boolean;
  /** Whether this cluster signed it: good, bad or unknown. */
  signature: string;
  /** Why the cluster takes it from nobody. */
  refused?: string;
  scope: ScopeEntry[];
  lines: string[];
  notes: string[] | null;
  verdict?: {allowed: boolean; reason: string};
}

export interface TopicFacts {
  group: string;
  leader: string;
  page: number | null;
  sequence: number | null;
  subscriptions: number;
}

const reasons: Record<number, Reason> = {
  401: 'credential', 403: 'permission', 413: 'tooLarge', 429: 'limit', 503: 'unavailable', 504: 'timeout',
};

async function ask<T>(key: string, path: string, init: RequestInit = {}): Promise<T> {
  const headers = new Headers(init.headers);
  if (key !== '') headers.set('Authorization', key);
  let response: Response;
  try {
    response = await fetch(`/console/api/${path}`, {...init, headers, cache: 'no-store', signal: AbortSignal.timeout(10_000)});
  } catch (thrown) {
    const late = thrown instanceof DOMException && thrown.name === 'TimeoutError';
    throw new Refusal(late ? 'timeout' : 'unreachable', String(thrown));
  }
  const body = await response.json().catch(() => undefined) as (T & {message?: string}) | undefined;
  if (!response.ok || body === undefined) {
    throw new Refusal(reasons[response.status] ?? 'other', body?.message ?? `HTTP ${response.status}`);
  }
  return body;
}

export const getSession = (key: string) => ask<Session>(key, 'session');

export const getCluster = (key: string) => ask<Cluster>(key, 'cluster');

/** The usage that a node measured; all live nodes added up when it is 'all', the one that serves the page when it is ''. */
export const getUsage = (key: string, node: string) =>
  ask<Usage>(key, node === '' ? 'usage' : `usage?${new URLSearchParams({node})}`);

export const getTopic = (key: string, cache: string, topic: string) =>
  ask<TopicFacts>(key, `topic?${new URLSearchParams({cache, topic})}`);

export const inspect = (key: string, credential: string, check?: Check) =>
  ask<Inspection>(key, 'inspect', {
    method: 'POST',
    headers: {'Content-Type': 'application/json'},
    body: JSON.stringify(check ? {credential, check} : {credential}),
  });
