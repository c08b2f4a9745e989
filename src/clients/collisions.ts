// A name and a key each belong to one client: limits and logs go by the name, permission goes by the key.

import { ANONYMOUS } from './client.ts';

/** Something that may be claimed once, and where it is claimed, in words that hold no secret. */
export interface Claim {
  readonly value: string;
  readonly where: string;
}

/** The claim that stands before all others: the name of the reader without a credential. */
export const RESERVED_NAME: Claim = { value: ANONYMOUS.clientName, where: 'the name kept for readers without a credential' };

/** One problem for each claim whose value an earlier claim already has. The values themselves are not shown. */
export function collisions(claims: readonly Claim[]): string[] {
  const first = new Map<string, string>();
  const problems: string[] = [];
  for (const { value, where } of claims) {
    const taken = first.get(value);
    if (taken === undefined) first.set(value, where);
    else problems.push(`${where} is the same as ${taken}`);
  }
  return problems;
}
