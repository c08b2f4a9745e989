// The recordings of a real Chatwoot 4.10.0, and a fake that holds the same rows (see test/recordings/README.md).

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

import type { FakeUser } from './directory.ts';
import { Directory } from './directory.ts';
import type { FakeChatwootOptions } from './fake-chatwoot.ts';
import { FakeChatwoot } from './fake-chatwoot.ts';
import type { MessageType } from './message-row.ts';
import type { MessageTableOptions } from './message-table.ts';
import { MessageTable } from './message-table.ts';

/** One conversation of the dataset. */
export interface RecordedConversation {
  readonly account_id: number;
  readonly display_id: number;
  readonly note: string;
  /** Ascending by id. */
  readonly rows: readonly RecordedRow[];
}

/** One row of the dataset; `raw` is its exact JSON. */
export interface RecordedRow {
  readonly id: number;
  readonly created_at_us: number;
  readonly private: boolean;
  readonly message_type: MessageType;
  readonly raw: string;
}

/** One request with the answer it got. */
export interface RecordedExchange {
  readonly id: string;
  readonly group: 'paging' | 'filter' | 'irregular' | 'params' | 'paths' | 'auth' | 'conditional' | 'limits';
  readonly note: string;
  /** "account/display id" of the dataset's conversation that the exchange belongs to. */
  readonly conv: string;
  readonly request: {
    readonly method: string;
    readonly path_and_query: string;
    readonly headers: Readonly<Record<string, string>> | readonly (readonly [string, string])[];
    readonly body_utf8?: string;
  };
  readonly response: {
    readonly status: number;
    readonly headers: Readonly<Record<string, string | readonly string[]>>;
    readonly body_utf8?: string;
    readonly body_from?: { readonly meta: string; readonly row_ids: readonly number[] };
    readonly body_bytes?: number;
    readonly body_sha256?: string;
    readonly body_note?: string;
    readonly body_utf8_head?: string;
  };
}

/** The dataset and the exchanges. */
export interface Recordings {
  readonly conversations: readonly RecordedConversation[];
  readonly exchanges: readonly RecordedExchange[];
}

/** Reads both files. */
export function loadRecordings(): Recordings {
  return {
    conversations: readLines('dataset').map((line): RecordedConversation => JSON.parse(line)),
    exchanges: readLines('exchanges').map((line): RecordedExchange => JSON.parse(line)),
  };
}

/** Every meta that the exchanges show, by "account/display id". Each conversation has one through all of them. */
export function recordedMetas(exchanges: readonly RecordedExchange[]): ReadonlyMap<string, string> {
  const metas = new Map<string, string>();
  for (const { request, response } of exchanges) {
    const path = /\/accounts\/(\d+)\/conversations\/(\d+)\/messages/.exec(request.path_and_query);
    const body = response.body_utf8 ?? '';
    const meta =
      response.body_from?.meta ?? (body.startsWith('{"meta":') ? body.slice(8, body.indexOf(',"payload":[')) : undefined);
    if (path !== null && meta !== undefined) metas.set(`${Number(path[1])}/${Number(path[2])}`, meta);
  }
  return metas;
}

/** A table with all recorded rows and metas. */
export function tableFromRecordings(recordings: Recordings, options?: MessageTableOptions): MessageTable {
  const table = new MessageTable(options);
  const metas = recordedMetas(recordings.exchanges);
  for (const { account_id: accountId, display_id: conversationId, rows } of recordings.conversations) {
    table.addConversation(accountId, conversationId, metas.get(`${accountId}/${conversationId}`));
    for (const row of rows) {
      const { id, created_at_us: createdAtUs, message_type: messageType, raw: json } = row;
      table.insertRaw({ id, accountId, conversationId, createdAtUs, messageType, private: row.private, json });
    }
  }
  return table;
}

/** The users, tokens and sessions that the recordings name by their masks. Account 3 is suspended. */
export function recordedDirectory(): Directory {
  const directory = new Directory();
  const ada = user(1, 'Ada Admin', 'ada@example.test');
  const ben = user(2, 'Ben Agent', 'ben@example.test');
  const tess = user(3, 'Tess Team', 'tess@example.test');
  const noInbox = user(4, 'Nora Noinbox', 'nora@example.test');
  const otto = user(5, 'Otto Outsider', 'otto@example.test');
  for (const account of [1, 2, 3]) directory.join(ada, account, { role: 'administrator' });
  directory.join(ben, 1, { role: 'agent', reads: 'all' });
  directory.join(tess, 1, { role: 'agent', reads: new Set([16]) });
  directory.join(noInbox, 1, { role: 'agent', reads: new Set() });
  directory.join(otto, 2, { role: 'administrator' });
  directory.suspend(3);
  directory.addToken('ADMIN_TOKEN', ada);
  directory.addToken('AGENT_TOKEN', ben);
  directory.addToken('TEAM_AGENT_TOKEN', tess);
  directory.addToken('NOINBOX_AGENT_TOKEN', noInbox);
  directory.addToken('OUTSIDER_TOKEN', otto);
  directory.addToken('BOT_TOKEN', 'bot');
  directory.addToken('PLATFORM_TOKEN', 'bot');
  directory.addToken('ORPHAN_TOKEN', 'gone');
  for (const [owner, mask] of [[ada, 'ADA'] as const, [ben, 'BEN'] as const]) {
    const client = `cli-${mask.toLowerCase()}`;
    const [accessToken, bearer] = [`${mask}_SESSION_TOKEN`, `${mask}_SESSION_BEARER`];
    directory.addSession({ user: owner, accessToken, client, uid: owner.email, expiry: 1_800_618_462, bearer });
  }
  return directory;
}

/** A fake with everything that the recordings hold. Conversations 2/7 and 2/8 answer 500. */
export async function fakeFromRecordings(
  recordings: Recordings = loadRecordings(),
  options: Omit<FakeChatwootOptions, 'table' | 'directory'> = {},
): Promise<FakeChatwoot> {
  const clock = options.now === undefined ? {} : { now: options.now };
  const table = tableFromRecordings(recordings, clock);
  const fake = await FakeChatwoot.start({ ...options, table, directory: recordedDirectory() });
  fake.failing.add('2/7').add('2/8');
  return fake;
}

function user(id: number, name: string, email: string): FakeUser {
  return { id, name, email, pubsubToken: `PUBSUB_${id}` };
}

function readLines(name: 'dataset' | 'exchanges'): readonly string[] {
  const file = new URL(`../../recordings/${name}.ndjson.gz`, import.meta.url);
  return gunzipSync(readFileSync(file)).toString('utf8').trimEnd().split('\n');
}
