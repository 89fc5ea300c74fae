
-- The audit log. KEYS[1] is the stream, KEYS[2] its head, and the others are lists of users.

-- the head that the caller knows, the new head, how many entries to keep, how many per user and for how long; for each
-- entry its number, its line, and which key lists its user's entries (0 for none). Returns the head if it has moved.
function functions.append()
    local head = redis.call('GET', KEYS[2]) or ''
    if head ~= ARGV[3] then
        return head
    end
    for i = 8, #ARGV, 3 do
        redis.call('XADD', KEYS[1], ARGV[i] .. '-0', 'entry', ARGV[i + 1])
        local list = KEYS[tonumber(ARGV[i + 2])]
        if list then
            redis.call('LPUSH', list, ARGV[i + 1])
            redis.call('LTRIM', list, 0, tonumber(ARGV[6]) - 1)
            redis.call('PEXPIRE', list, ARGV[7])
        end
    end
    redis.call('XTRIM', KEYS[1], 'MAXLEN', ARGV[5])
    redis.call('SET', KEYS[2], ARGV[4])
    return false
end
