// A request's parameters as Rack and Rails gather them, and what Chatwoot's finder makes of them (contract 1.2).

import type { FinderParams } from './finder.ts';
import { BadRequest, decodeFormComponent, isBlank, toI } from './ruby-string.ts';

/** Top-level parameters. Values are strings, lists, hashes (`Map`), or, from a JSON body, any JSON value. */
export type Params = Map<string, unknown>;

/** Rack's limit of brackets inside one name. */
const DEPTH_MAX = 32;

/** The query merged over the body: a GET body counts, and the query wins (contract 1.2). Throws `BadRequest`. */
export function requestParams(query: string, body: { readonly contentType: string; readonly text: string }): Params {
  return new Map([...bodyParams(body), ...parseQuery(query)]);
}

/** Rack's nested query. Repeated names: the last wins. Throws `BadRequest` on bad encoding, conflicting types, too deep nesting. */
export function parseQuery(query: string): Params {
  const params: Params = new Map();
  for (const pair of query.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decodeFormComponent(equals === -1 ? pair : pair.slice(0, equals));
    assign(params, name, equals === -1 ? null : decodeFormComponent(pair.slice(equals + 1)), 0);
  }
  return params;
}

/** What the finder is handed, or undefined where it raises and Chatwoot answers 500: no `to_i`, or over 64 bits (contract 1.2). */
export function finderParams(params: Params): FinderParams | undefined {
  const after = cursor(params.get('after'));
  const before = cursor(params.get('before'));
  if (after === 'raises' || before === 'raises') return undefined;
  return {
    ...(after === 'blank' ? {} : { after }),
    ...(before === 'blank' ? {} : { before }),
    publicOnly: !isBlank(params.get('filter_internal_messages')),
  };
}

function cursor(value: unknown): number | 'blank' | 'raises' {
  if (isBlank(value)) return 'blank';
  if (typeof value !== 'string' && typeof value !== 'number') return 'raises';
  const integer = typeof value === 'string' ? toI(value) : BigInt(Math.trunc(value));
  return BigInt.asIntN(64, integer) === integer ? Number(integer) : 'raises';
}

function bodyParams(body: { readonly contentType: string; readonly text: string }): Params {
  if (body.text === '') return new Map();
  const type = body.contentType.split(';', 1)[0]?.trim().toLowerCase();
  if (type === 'application/x-www-form-urlencoded') return parseQuery(body.text);
  if (type !== 'application/json') return new Map();
  let json: unknown;
  try {
    json = JSON.parse(body.text);
  } catch {
    throw new BadRequest('malformed JSON');
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return new Map([['_json', json]]);
  return new Map(Object.entries(json).map(([name, value]) => [name, Array.isArray(value) ? withoutNils(value) : value]));
}

/** Rails drops the nils of a list, so that `a[]` is the empty list. */
function withoutNils(list: readonly unknown[]): unknown[] {
  return list.filter((value) => value !== null);
}

/** Rack's `_normalize_params`. `after` is what follows the first part of the name. */
function assign(params: Params, name: string, value: string | null, depth: number): void {
  if (depth >= DEPTH_MAX) throw new BadRequest('nested too deep');
  const { key, after } = splitName(name, depth);
  if (key === '') return;
  if (after === '') params.set(key, value);
  else if (after === '[') params.set(name, value);
  else if (after.startsWith('[]')) append(params, { key, rest: after.slice(2), value, depth });
  else {
    const hash = params.get(key) ?? new Map<string, unknown>();
    if (!(hash instanceof Map)) throw new BadRequest('expected a hash');
    params.set(key, hash);
    assign(hash as Params, after, value, depth + 1);
  }
}

function append(params: Params, item: { key: string; rest: string; value: string | null; depth: number }): void {
  const list = params.get(item.key) ?? [];
  if (!Array.isArray(list)) throw new BadRequest('expected a list');
  params.set(item.key, list);
  if (item.rest === '') {
    list.push(...withoutNils([item.value]));
    return;
  }
  const child = /^\[([^[\]]+)\]$/.exec(item.rest)?.[1] ?? item.rest;
  const last: unknown = list.at(-1);
  const hash = last instanceof Map && !last.has(child) ? (last as Params) : new Map<string, unknown>();
  if (hash !== last) list.push(hash);
  assign(hash, child, item.value, item.depth + 1);
}

function splitName(name: string, depth: number): { key: string; after: string } {
  if (depth === 0) {
    const bracket = name.indexOf('[', 1);
    return bracket === -1 ? { key: name, after: '' } : { key: name.slice(0, bracket), after: name.slice(bracket) };
  }
  const close = name.startsWith('[') ? name.indexOf(']', 1) : -1;
  return close === -1 ? { key: name, after: '' } : { key: name.slice(1, close), after: name.slice(close + 1) };
}
