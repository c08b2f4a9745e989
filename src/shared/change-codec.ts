// Changes as sealed bytes and back.

import type { KeyObject } from 'node:crypto';
import { Type } from 'typebox';
import { Value } from 'typebox/value';
import type { Extent } from '../cache/extent.ts';
import type { Announcement } from '../cache/shared-level.ts';
import { open, seal } from './seal.ts';

const PLACE = 'changes';

const Id = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const Conversation = Type.Object({ accountId: Id, conversationId: Id });
const AnnouncementSchema = Type.Union([
  Type.Object({ kind: Type.Literal('tail'), conversation: Conversation, seenId: Type.Optional(Id) }),
  Type.Object({ kind: Type.Literal('row'), conversation: Conversation, id: Id }),
  Type.Object({ kind: Type.Literal('envelope'), conversation: Conversation }),
  Type.Object({ kind: Type.Literal('written'), conversation: Conversation }),
  Type.Object({ kind: Type.Literal('gone'), conversation: Conversation }),
  Type.Object({ kind: Type.Literal('contact'), accountId: Id, contactId: Id }),
  Type.Object({ kind: Type.Literal('contact-gone'), accountId: Id, contactId: Id }),
  Type.Object({ kind: Type.Literal('envelopes'), accountId: Id }),
  Type.Object({
    kind: Type.Literal('purge'),
    extent: Type.Object({ accountId: Type.Optional(Id), conversationId: Type.Optional(Id) }),
    marksFrom: Type.Optional(Type.Number()),
  }),
]);

export function encodeChange(key: KeyObject, announcement: Announcement): Buffer {
  return seal(key, PLACE, Buffer.from(JSON.stringify(announcement)));
}

/** Null for what is no change, or none of this installation's. */
export function decodeChange(key: KeyObject, sealed: Buffer | undefined): Announcement | null {
  const plain = sealed === undefined ? null : open(key, PLACE, sealed);
  if (plain === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(plain.toString());
  } catch {
    return null;
  }
  return Value.Check(AnnouncementSchema, value) ? value : null;
}

/** What is to be forgotten; null where something is only due. */
export function extentOf(announcement: Announcement): Extent | null {
  switch (announcement.kind) {
    case 'purge':
      return announcement.extent;
    case 'gone':
      return announcement.conversation;
    // Which conversations are a contact's is known to nobody for sure.
    case 'contact-gone':
      return { accountId: announcement.accountId };
    case 'tail':
    case 'row':
    case 'envelope':
    case 'written':
    case 'contact':
    case 'envelopes':
      return null;
  }
}
