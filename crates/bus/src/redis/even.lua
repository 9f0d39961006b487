-- Takes one from an evenly refilling budget: gcra.rs, word for word. Returns what was kept before.
-- KEYS: the budget. ARGV: now, cost of one, whole budget; all in microseconds, whole numbers below 2^53.
local kept = redis.call('GET', KEYS[1])
local now, cost, whole = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local whole_at = tonumber(kept or '0') or 0
local owed = math.min(math.max(whole_at - now, 0), whole)
if owed + cost <= whole then
  owed = owed + cost
end
-- Nothing to write when it is refused, unless the clock went back.
if now + owed ~= whole_at then
  local ttl = string.format('%.0f', math.ceil(owed / 1000) + 1000)
  redis.call('SET', KEYS[1], string.format('%.0f', now + owed), 'PX', ttl)
end
return kept
