-- Keeps or forgets how one person stands on a node, and forgets what was not put again. By the server's clock.
-- KEYS: the person. ARGV: the node, the time to live in milliseconds, the sealed standing or nothing.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local colon = string.find(all[i + 1], ':', 1, true) or 0
  if (tonumber(string.sub(all[i + 1], 1, colon - 1)) or 0) <= now then
    redis.call('HDEL', KEYS[1], all[i])
  end
end
if ARGV[3] == '' then
  return redis.call('HDEL', KEYS[1], ARGV[1])
end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now + ARGV[2]) .. ':' .. ARGV[3])
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
