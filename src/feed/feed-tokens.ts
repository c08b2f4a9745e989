// Which tokens the feed listens with, each for the accounts that are read with it.

/** CHATWOOT_API_TOKEN and CHATWOOT_ACCOUNT_TOKENS. */
interface TokenSettings {
  readonly chatwootApiToken?: string | undefined;
  readonly chatwootAccountTokens: ReadonlyMap<number, string>;
}

/** Each token once, with the accounts that are read with it. */
export function feedTokens({
  chatwootApiToken,
  chatwootAccountTokens,
}: TokenSettings): readonly { readonly token: string; readonly serves: (accountId: number) => boolean }[] {
  const tokenOf = (accountId: number): string | undefined => chatwootAccountTokens.get(accountId) ?? chatwootApiToken;
  const all = new Set([...chatwootAccountTokens.values(), ...(chatwootApiToken === undefined ? [] : [chatwootApiToken])]);
  return [...all].map((token) => ({ token, serves: (accountId) => tokenOf(accountId) === token }));
}
