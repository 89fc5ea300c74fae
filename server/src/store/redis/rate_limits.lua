
-- Request counters. KEYS[1] is the counter.

-- max, window. Returns whether the request is within the limit, how many are left, and how long the window still lasts.
function functions.count()
    local window, left, reset = count_in_window(redis.call('GET', KEYS[1]), tonumber(ARGV[3]), tonumber(ARGV[4]))
    if window then
        redis.call('SET', KEYS[1], window, 'PX', text(reset + MAX_SKEW))
    end
    return { window and 1 or 0, text(left), text(reset) }
end
