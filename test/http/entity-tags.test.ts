// The ETag of a page is the SHA-256 of its body, in however many steps that is found.

import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { etagSteps } from '../../src/http/entity-tags.ts';
import { atOnce, STEP_BYTES } from '../../src/steps.ts';

test.each([0, 1, STEP_BYTES, STEP_BYTES + 1, 3 * STEP_BYTES + 5])('of %d bytes', (length) => {
  const body = Buffer.from(Array.from({ length }, (_, at) => (at * 31 + (at >> 8)) & 0xff));
  expect(atOnce(etagSteps(body))).toBe(`"${createHash('sha256').update(body).digest('base64url')}"`);
});
