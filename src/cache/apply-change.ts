// What each change makes due, or has forgotten.

import { allDue, contactDue, envelopeDue, rowDue, tailDue } from '../timeline/changes.ts';
import type { Due } from '../timeline/changes.ts';
import { highestId } from '../timeline/prove.ts';
import type { ConversationId } from '../upstream/upstream.ts';
import type { Change } from './changes.ts';
import type { Library } from './library.ts';

/**
 * Applies what changed at `now` (ms) or before. @returns the conversations that are worth a probe. Rows that change wait for who asks for
 * them: a message changes several times within seconds, and a read receipt changes hundreds. So do the envelopes of a whole account.
 */
export function applyChange(library: Library, change: Change, now: number = library.now): readonly ConversationId[] {
  switch (change.kind) {
    case 'tail':
      if (change.seenId !== undefined) library.heardOf(change.seenId);
      library.markDue(change.conversation, (due) => tailDue(due, now));
      return [change.conversation];
    case 'row':
      library.markDue(change.conversation, (due, { timeline }) => {
        // What changed above all that is known was not told of when it came.
        const isNew = change.id > highestId(timeline);
        return rowDue(isNew ? tailDue(due, now) : due, change.id, now);
      });
      return [];
    case 'envelope':
      library.markDue(change.conversation, (due) => envelopeDue(tailDue(due, now), now));
      return [change.conversation];
    case 'written':
      library.markDue(change.conversation, (due) => allDue(due, now));
      return [change.conversation];
    case 'contact': {
      const concerned = library.concernedBy(change.accountId, change.contactId);
      const mark = (due: Due): Due => contactDue(due, now);
      for (const conversation of concerned) library.markDue(conversation, mark);
      library.markUnknownDue(change.accountId, mark);
      return concerned;
    }
    case 'gone':
      library.forgetOne(change.conversation);
      return [];
    case 'contact-gone':
      for (const conversation of library.concernedBy(change.accountId, change.contactId)) library.forgetOne(conversation);
      return [];
    case 'envelopes': {
      const mark = (due: Due): Due => envelopeDue(due, now);
      for (const conversation of library.concernedBy(change.accountId)) library.markDue(conversation, mark);
      library.markUnknownDue(change.accountId, mark);
      return [];
    }
  }
}
