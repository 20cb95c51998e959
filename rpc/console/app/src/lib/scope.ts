// Permissions as a person builds them, as the node tells them, and as sentences.
import {say, type Key} from '../words';
import type {Lang} from './format';

export type About = 'topic' | 'cache';
export type Select = 'all' | 'exact' | 'prefix';

/** What each kind of permission may allow, the usual one first. */
export const roles = {
  topic: ['publishsubscribe', 'subscribeonly', 'publishonly'],
  cache: ['readwrite', 'readonly', 'writeonly'],
} as const;

export type Role = (typeof roles)[About][number];

/** One permission of a token. */
export interface Permission {
  about: About;
  role: Role;
  /** null is every cache. */
  cache: string | null;
  select: Select;
  /** The name or its beginning; empty when all are selected. */
  name: string;
}

/** One entry of the scope that the node tells of a credential. */
export interface ScopeEntry {
  kind: string;
  role?: string | null;
  cache?: string | null;
  topic?: string | null;
  topic_prefix?: string | null;
  key?: string | null;
  key_prefix?: string | null;
}

/** The permission in an entry, or undefined when it is of another kind. */
export function permissionOf(e: ScopeEntry): Permission | undefined {
  if (e.kind !== 'topic' && e.kind !== 'cache') return undefined;
  const role = (roles[e.kind] as readonly string[]).find(r => r === e.role);
  if (role === undefined) return undefined;
  const exact = e.kind === 'topic' ? e.topic : e.key;
  const prefix = e.kind === 'topic' ? e.topic_prefix : e.key_prefix;
  const select = exact != null ? 'exact' : prefix != null ? 'prefix' : 'all';
  return {about: e.kind, role: role as Role, cache: e.cache ?? null, select, name: exact ?? prefix ?? ''};
}

/** What a permission allows, in words. */
export function sentence(lang: Lang, p: Permission): string {
  const cache = p.cache === null ? say(lang, 'scope.cache.every') : say(lang, 'scope.cache.named', {cache: p.cache});
  return say(lang, `scope.${p.about}.${p.select}` as Key, {
    verb: say(lang, `scope.verb.${p.role}` as Key), cache, name: p.name,
  });
}

/** Whether two permissions select the same, which the broker refuses in one token. */
export function clash(a: Permission, b: Permission): boolean {
  return a.about === b.about && a.cache === b.cache && a.select === b.select && (a.select === 'all' || a.name === b.name);
}
