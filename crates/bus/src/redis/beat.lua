-- Renews a node's lease, forgets whose lease is over, and returns the cards of all that are alive. By the server's clock.
-- KEYS: the nodes. ARGV: the node, its sealed card, the lease in milliseconds.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now + ARGV[3]) .. ':' .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
local all = redis.call('HGETALL', KEYS[1])
local alive = {}
for i = 1, #all, 2 do
  local colon = string.find(all[i + 1], ':', 1, true) or 0
  local ends = tonumber(string.sub(all[i + 1], 1, colon - 1)) or 0
  if ends > now then
    alive[#alive + 1] = string.sub(all[i + 1], colon + 1)
  else
    redis.call('HDEL', KEYS[1], all[i])
  end
end
return alive
