-- Takes one from a strict budget: window.rs, word for word. Returns what was kept before: moments with spaces between.
-- KEYS: the budget. ARGV: now, period; in milliseconds; limit.
local kept = redis.call('GET', KEYS[1]) or ''
local now, period, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local moments = {}
for word in string.gmatch(kept, '%d+') do
  local at = math.min(tonumber(word), now)
  if now - at < period then
    moments[#moments + 1] = string.format('%.0f', at)
  end
end
if #moments < limit then
  moments[#moments + 1] = string.format('%.0f', now)
end
local after = table.concat(moments, ' ')
if after ~= kept then
  redis.call('SET', KEYS[1], after, 'PX', ARGV[2])
end
return kept
