// What Redis does for changes in one step. A change in the stream has: `n`, its number, one higher than that of the change before; `w`, who
// announced it; `e`, the sealed change; `f`, the field that has a new epoch, or blank; `a`, the epoch of all. Beside the epochs are `n`, the
// number of the last change, and `from`, that of the last one when the epoch of all began.

import { Script } from './link.ts';

/** Begins an epoch of all where there is none. Its numbers are higher than any before, whatever has been lost. */
const COMMON = `
local time = redis.call('TIME')
local function begin(all)
  if redis.call('HSETNX', KEYS[1], 'all', all) == 0 then return end
  local from = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('HSET', KEYS[1], 'n', from, 'from', from)
end
`;

/**
 * KEYS epochs, stream. ARGV an epoch for all, where there is none; how long all is kept, ms. Returns the time (two numbers), the number
 * of the last change, the fields with their epochs, the id of the last change in the stream or blank.
 */
export const JOIN = new Script(`${COMMON}
begin(ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
return {time[1], time[2], redis.call('HGET', KEYS[1], 'n') or '0', redis.call('HGETALL', KEYS[1]), last and last[1] or ''}
`);

/** KEYS epochs, stream. ARGV how long both are kept. Returns the time, the number of the last change, the epoch of all. */
export const BEAT = new Script(`
redis.pcall('PEXPIRE', KEYS[1], ARGV[1])
redis.pcall('PEXPIRE', KEYS[2], ARGV[1])
local time = redis.call('TIME')
return {time[1], time[2], redis.call('HGET', KEYS[1], 'n') or '0', redis.call('HGET', KEYS[1], 'all') or ''}
`);

/**
 * KEYS epochs, stream. ARGV the sealed change, who announces it, the field that gets a new epoch or blank, an epoch for all where one is
 * needed, most changes, most fields, how long both are kept. Returns the change's number.
 */
export const ANNOUNCE = new Script(`${COMMON}
begin(ARGV[4])
local n = redis.call('HINCRBY', KEYS[1], 'n', 1)
local field = ARGV[3]
if field ~= '' and (field == 'all' or redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[6])) then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'all', ARGV[4], 'n', n, 'from', n)
  field = 'all'
elseif field ~= '' then
  redis.call('HSET', KEYS[1], field, n)
end
local all = redis.call('HGET', KEYS[1], 'all')
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], '*', 'n', n, 'w', ARGV[2], 'e', ARGV[1], 'f', field, 'a', all)
redis.call('PEXPIRE', KEYS[1], ARGV[7])
redis.call('PEXPIRE', KEYS[2], ARGV[7])
return n
`);

/** KEYS members. ARGV who, up to which change it has heard, how long it is kept. */
export const PRESENT = new Script(`
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. time[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
`);

/**
 * KEYS members. ARGV after how many seconds of silence one has gone. Returns those who are there, each followed by what it said. The others
 * are dropped, where that can be.
 */
export const MEMBERS = new Script(`
local now = redis.call('TIME')[1]
local all, present = redis.call('HGETALL', KEYS[1]), {}
for at = 1, #all, 2 do
  local seen = tonumber(string.match(all[at + 1], ' (%d+)$') or '')
  if seen and math.abs(now - seen) <= tonumber(ARGV[1]) then
    present[#present + 1] = all[at]
    present[#present + 1] = all[at + 1]
  else
    redis.pcall('HDEL', KEYS[1], all[at])
  end
end
return present
`);
