
-- The audit logs. KEYS[1] is a log's stream, KEYS[2] its head, and the others are lists and hashes of users.

-- Deletes old entries from the oldest on, some per call.
local function delete_before(stream, since)
    local first_kept
    for _, entry in ipairs(redis.call('XRANGE', stream, '-', '+', 'COUNT', 100)) do
        local at = tonumber(string.match(entry[2][2], '"at":(%d+)'))
        if not at or at >= since then
            break
        end
        first_kept = tonumber(string.match(entry[1], '^%d+')) + 1
    end
    if first_kept then
        redis.call('XTRIM', stream, 'MINID', text(first_kept) .. '-0')
    end
end

-- the head that the caller knows, the new head, how many entries to keep, from which time on, how many per user and for
-- how long; for each entry its number, its line, its user's key (0 for none), the field that counts it in a hash ('' for
-- a list), how often it happened, and when. Returns the head if it has moved.
function functions.append()
    local head = redis.call('GET', KEYS[2]) or ''
    if head ~= ARGV[3] then
        return head
    end
    for i = 9, #ARGV, 6 do
        local n, line, key, field, times, at = unpack(ARGV, i, i + 5)
        redis.call('XADD', KEYS[1], n .. '-0', 'entry', line)
        local of_user = KEYS[tonumber(key)]
        if of_user and field == '' then
            redis.call('LPUSH', of_user, line)
            redis.call('LTRIM', of_user, 0, tonumber(ARGV[7]) - 1)
        elseif of_user then
            local known = redis.call('HGET', of_user, field) or ''
            local before, first, last = string.match(known, '^(%d+) (%d+) (%d+)$')
            times = text((tonumber(before) or 0) + tonumber(times))
            last = text(math.max(tonumber(last) or 0, tonumber(at)))
            redis.call('HSET', of_user, field, table.concat({ times, first or at, last }, ' '))
        end
        if of_user then
            redis.call('PEXPIRE', of_user, ARGV[8])
        end
    end
    redis.call('XTRIM', KEYS[1], 'MAXLEN', ARGV[5])
    if tonumber(ARGV[6]) > 0 then
        delete_before(KEYS[1], tonumber(ARGV[6]))
    end
    redis.call('SET', KEYS[2], ARGV[4])
    return false
end
