
-- The event log. KEYS[1] is the stream.

-- how many, cursor. Returns 'events' and the events after the cursor, or 'gone'.
function functions.since()
    local after = ARGV[4]
    if after == '0-0' then
        -- From the very beginning: no event may have been trimmed.
        local length, added = redis.call('XLEN', KEYS[1]), 0
        if length > 0 then
            local info = redis.call('XINFO', 'STREAM', KEYS[1])
            for i = 1, #info, 2 do
                added = info[i] == 'entries-added' and info[i + 1] or added
            end
        end
        if length > 0 and added ~= length then
            return { 'gone' }
        end
    elseif #redis.call('XRANGE', KEYS[1], after, after) == 0 then
        return { 'gone' }
    end
    local answer = { 'events' }
    for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '(' .. after, '+', 'COUNT', ARGV[3])) do
        answer[#answer + 1] = entry[1]
        answer[#answer + 1] = entry[2][2]
    end
    return answer
end
