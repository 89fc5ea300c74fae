
-- Records. Each is stored as "version:value".

-- for each key: the version that the writer has read, and the value. Returns whether all were written.
function functions.write()
    local checked = {}
    for i, key in ipairs(KEYS) do
        local version = string.match(redis.call('GET', key) or '', '^(%d+):') or '0'
        if version ~= ARGV[1 + 2 * i] or checked[key] then
            return 0
        end
        checked[key] = true
    end
    for i, key in ipairs(KEYS) do
        redis.call('SET', key, text(tonumber(ARGV[1 + 2 * i]) + 1) .. ':' .. ARGV[2 + 2 * i])
    end
    return 1
end
