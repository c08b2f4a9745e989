// A Chatwoot token that a caller brings itself: it acts with that, as it would at Chatwoot's own address.

export interface OwnToken {
  readonly token: string;
  /** Its hash, which stands for it wherever it is counted by or remembered. */
  readonly name: string;
}
