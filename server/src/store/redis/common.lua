-- The functions of the Redis store that take more than one command. Each runs alone, so each is all or nothing.
--
-- The store writes `#!lua`, a random name and `local not_before` before this text; node.rs explains why.
-- ARGV[1] is the function and ARGV[2] the caller's time. The comment of a function lists its other arguments, from
-- ARGV[3] on. Times are Unix ms, lengths are ms.

local now = tonumber(ARGV[2])
local functions = {}

-- More than the clocks of two servers differ by. A time that is further ahead was written before a clock was set back.
local MAX_SKEW = 60000

local function text(number)
    return string.format('%.0f', number)
end

-- Counts one request in a fixed window, which is stored as "count end". Returns the window to store, or nil if the
-- limit is reached; how many requests are left; and how long the window still lasts.
local function count_in_window(window, max, length)
    local count, ends = string.match(window or '', '^(%d+) (%d+)$')
    count, ends = tonumber(count), tonumber(ends)
    if not ends or now >= ends or ends > now + length then
        count, ends = 0, now + length
    end
    if count >= max then
        return nil, 0, ends - now
    end
    return text(count + 1) .. ' ' .. text(ends), max - count - 1, ends - now
end
