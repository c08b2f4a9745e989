// What Redis does for a log in one step. An entry of the stream has three fields: `e`, the sealed readings; `w`, who wrote it; `t`, the bytes
// of the log up to it, so that they are known without counting.

import { Script } from './link.ts';

/** The fields of an entry as numbers, whatever was put there. */
const COMMON = `
local function bytes_of(entry) return #(entry[2][2] or '') end
local function total_of(entry) return tonumber(entry[2][6] or '') or 0 end
`;

/**
 * KEYS log, lease. ARGV cursor, most entries, lease token or blank, lease ms, log ms.
 * Returns the time (two numbers), the entries after the cursor, the lease: 1 taken, 0 held, -1 not wanted or not to be had.
 */
export const TAKE = new Script(`
local time = redis.call('TIME')
local entries = redis.call('XRANGE', KEYS[1], ARGV[1] == '' and '-' or '(' .. ARGV[1], '+', 'COUNT', ARGV[2])
local lease = -1
if ARGV[3] ~= '' and #entries == 0 then
  local set = redis.pcall('SET', KEYS[2], ARGV[3], 'NX', 'PX', ARGV[4])
  if set == false then lease = 0 elseif set.ok then lease = 1 end
end
if #entries > 0 then redis.pcall('PEXPIRE', KEYS[1], ARGV[5]) end
return {time[1], time[2], entries, lease}
`);

/** KEYS log. ARGV entry, writer, most entries, most bytes, log ms. Returns entries and bytes of the log. */
export const APPEND = new Script(`${COMMON}
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local total = (last and total_of(last) or 0) + #ARGV[1]
local length = redis.call('XLEN', KEYS[1])
if length > 4 * tonumber(ARGV[3]) then -- None of ours.
  redis.call('DEL', KEYS[1])
  length, total = 0, #ARGV[1]
end
while length > 0 and (length >= tonumber(ARGV[3]) or total > tonumber(ARGV[4])) do
  local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
  redis.call('XDEL', KEYS[1], first[1])
  total = total - bytes_of(first)
  length = length - 1
end
redis.call('XADD', KEYS[1], '*', 'e', ARGV[1], 'w', ARGV[2], 't', total)
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return {length + 1, total}
`);

/**
 * KEYS log. ARGV first and last entry that were folded, entry. What came after them stays; order goes for nobody. The new entry is
 * nobody's own: who folds has not learnt what it folds. Returns 1, or 0 where somebody else has folded meanwhile.
 */
export const COMPACT = new Script(`${COMMON}
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
if not first or first[1] ~= ARGV[1] then return 0 end
local total = #ARGV[3]
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '(' .. ARGV[2], '+')) do total = total + bytes_of(entry) end
redis.call('XADD', KEYS[1], '*', 'e', ARGV[3], 'w', '', 't', total)
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', ARGV[2])) do redis.call('XDEL', KEYS[1], entry[1]) end
return 1
`);

/** KEYS lease. ARGV token, ms. Returns 1 where it is ours still. */
export const KEEP_LEASE = new Script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`);

/** KEYS lease. ARGV token. */
export const END_LEASE = new Script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`);
