
-- Request counters. KEYS are the counters of one request.

-- max and window of each counter by turns. Returns for each counter whether the request is within the limit, how many are
-- left, and how long the window still lasts; up to the first that is over its limit. Then the request is not counted.
function functions.count()
    local windows, answer = {}, {}
    for i, key in ipairs(KEYS) do
        local max, length = tonumber(ARGV[1 + 2 * i]), tonumber(ARGV[2 + 2 * i])
        local window, left, reset = count_in_window(redis.call('GET', key), max, length)
        answer[i] = { window and 1 or 0, text(left), text(reset) }
        if not window then
            return answer
        end
        windows[i] = { key, window, text(reset + MAX_SKEW) }
    end
    for _, window in ipairs(windows) do
        redis.call('SET', window[1], window[2], 'PX', window[3])
    end
    return answer
end
