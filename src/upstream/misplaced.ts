// An answer belongs to its question. One connection that is off by one, as a faulty balancer leaves it, answers each question with
// the answer to another. Two things tell: the conversation that rows name, and the id that Chatwoot echoes (contract 3.2, 4).

import { randomUUID } from 'node:crypto';
import { BackscrollError } from '../errors.ts';

/** An answer that is not to the question. Its connection must not be used again. */
export class MisplacedAnswer extends BackscrollError {
  constructor() {
    super(
      'upstream_invalid',
      'What came is the answer to another question, so it is not shown. Something between here and Chatwoot mixes up answers, or keeps them; try again',
    );
    this.name = 'MisplacedAnswer';
  }
}

const PREFIX = 'backscroll-';

/** A value of X-Request-Id for one question. */
export function newQuestionId(): string {
  return `${PREFIX}${randomUUID()}`;
}

/** Whether an answer bears the id of another question. An id that is not one of ours was set by somebody on the way, and tells nothing. */
export function isToAnother(questionId: string, echoed: string | undefined): boolean {
  return echoed !== undefined && echoed !== questionId && echoed.startsWith(PREFIX);
}
