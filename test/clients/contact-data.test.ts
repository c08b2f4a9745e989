// Looking for contact data takes no longer than reading: what is looked at is written by strangers.

import { expect, test } from 'vitest';
import { showsContactData, urlShowsContactData } from '../../src/clients/contact-data.ts';

test.each(['1 ', '1@', '%', '%25', '@ ', '2026-01-01 ', '1.234,', 'a1', '-'])(
  'a megabyte of %j is read in well under a second',
  (unit) => {
    const text = unit.repeat(1_000_000 / unit.length);
    const startedAt = performance.now();
    showsContactData(text);
    urlShowsContactData(`https://a.test/${text}`);
    expect(performance.now() - startedAt).toBeLessThan(1000);
  },
);
