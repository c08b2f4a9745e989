// What each change makes due, or has forgotten.

import { allDue, contactDue, envelopeDue, rowDue, tailDue } from '../timeline/changes.ts';
import { highestId } from '../timeline/prove.ts';
import type { ConversationId } from '../upstream/upstream.ts';
import type { Change } from './changes.ts';
import type { Library } from './library.ts';

/**
 * Applies it. @returns the conversations that are worth a probe. Rows that change wait for who asks for them: a message changes several
 * times within seconds, and a read receipt changes hundreds. So do the envelopes of a whole account.
 */
export function applyChange(library: Library, change: Change): readonly ConversationId[] {
  const { now } = library;
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
      for (const conversation of concerned) library.markDue(conversation, (due) => contactDue(due, now));
      return concerned;
    }
    case 'gone':
      library.forgetOne(change.conversation);
      return [];
    case 'contact-gone':
      for (const conversation of library.concernedBy(change.accountId, change.contactId)) library.forgetOne(conversation);
      return [];
    case 'envelopes':
      for (const conversation of library.concernedBy(change.accountId))
        library.markDue(conversation, (due) => envelopeDue(due, now));
      return [];
  }
}
