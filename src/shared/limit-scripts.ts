// What Redis does for budget and limits in one step.

import { Script } from './link.ts';

/**
 * The reads of all processes, counted by slices of time: field `a` and the slice's number for all, `b` for those behind answers. What is
 * granted in a slice is sent in it or in the next, so a window's length of slices and two more keep the limit in every window. Beyond the
 * burst there is a share of each slice, the largest that lasts until the window gives back what was granted before.
 *
 * KEYS budget. ARGV wanted for callers, wanted behind, more for callers where there is plenty; how many of each were sent without having
 * been granted; most, most behind, burst; ms of a slice, slices in a window. Returns granted for callers, granted behind, ms until there
 * may be more, how many are left.
 */
export const GRANT = new Script(`
local n = {}
for i, text in ipairs(ARGV) do n[i] = tonumber(text) end
local wanted, wanted_behind, more, sent, sent_behind, max, max_behind, burst, ms, slices = unpack(n)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local slice = math.floor(now / ms)
local granted, all, behind, oldest = {}, 0, 0, 0
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  local sort, at = string.match(fields[i], '^([ab])(%d+)$')
  local age, count = slice - (tonumber(at) or -1), tonumber(fields[i + 1])
  if not sort or not count or age < 0 or age > slices + 1 then
    redis.call('HDEL', KEYS[1], fields[i])
  elseif sort == 'b' then
    behind = behind + count
  else
    granted[age] = count
    all = all + count
    oldest = math.max(oldest, age)
  end
end
granted[0] = (granted[0] or 0) + sent + sent_behind
all = all + sent + sent_behind
behind = behind + sent_behind
local free = max - all
local paced, given_back = max, 0
for ahead = 0, slices + 1 do
  if ahead > 0 then given_back = given_back + (granted[slices + 2 - ahead] or 0) end
  paced = math.min(paced, (free + granted[0] + given_back) / (ahead + 1))
end
local left = math.max(0, math.min(free, math.max(burst - all, math.ceil(paced) - granted[0])))
local for_callers = math.min(wanted, left)
for_callers = for_callers + math.min(more, math.floor((left - for_callers) / 8))
local for_behind = math.max(0, math.min(wanted_behind, left - for_callers, max_behind - behind))
local add, add_behind = for_callers + for_behind + sent + sent_behind, for_behind + sent_behind
if add > 0 then redis.call('HINCRBY', KEYS[1], 'a' .. slice, add) end
if add_behind > 0 then redis.call('HINCRBY', KEYS[1], 'b' .. slice, add_behind) end
if add > 0 then redis.call('PEXPIRE', KEYS[1], (slices + 2) * ms) end
local next_slice = (slice + 1) * ms - now
local wait = free > 0 and next_slice or (slice - oldest + slices + 2) * ms - now
return {for_callers, for_behind, math.max(1, wait), math.max(0, free - for_callers - for_behind)}
`);

/** KEYS counter. ARGV how many more, ms of the window, which begins with the first. Returns how many there are, ms until the window ends. */
export const COUNT = new Script(`
redis.call('SET', KEYS[1], 0, 'NX', 'PX', ARGV[2])
local count = redis.pcall('INCRBY', KEYS[1], ARGV[1])
local left = redis.call('PTTL', KEYS[1])
if type(count) ~= 'number' then -- None of ours.
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return {tonumber(ARGV[1]), tonumber(ARGV[2])}
end
if left < 0 or left > tonumber(ARGV[2]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  left = tonumber(ARGV[2])
end
return {count, left}
`);
