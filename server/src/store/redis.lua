-- The verbs of the Redis store that take more than one command. Each runs alone, so each is all or nothing.
--
-- Before this text the store writes `#!lua`, its random name and `local not_before`; redis.rs tells why.
-- ARGV[1] is the verb, ARGV[2] the caller's time, and a verb names the others. Times are Unix ms, lengths ms.

local now = tonumber(ARGV[2])
local session, nonces, spent = KEYS[1], KEYS[2], KEYS[3]

-- More than the clocks of two servers differ by. A time further ahead was written before a clock was set back.
local AHEAD = 60000
local MAX_NONCES = 32

local function text(number)
    return string.format('%.0f', number)
end

-- How long Redis keeps what belongs to the session: never shorter than the logic needs it.
local function keep(length)
    for _, key in ipairs({ session, nonces, spent }) do
        redis.call('PEXPIRE', key, text(math.max(length, 0) + AHEAD))
    end
end

-- The fields that make a session when it is bound and not over; else nil.
local function living(idle)
    local found = redis.call('HMGET', session, 'user', 'key', 'created', 'seen', 'expires', 'ip', 'agent')
    local key, seen, expires = found[2], tonumber(found[4]), tonumber(found[5])
    if not key or now >= expires or now >= seen + idle then
        return nil
    end
    return found
end

local function forget_old(key, life)
    redis.call('ZREMRANGEBYSCORE', key, '-inf', text(now - life))
end

-- Whether a nonce that was issued at that time may be spent.
local function is_live(issued, life)
    -- Our own clock was set back since the script was loaded: what it says of that moment means nothing.
    local since = not_before <= now + AHEAD and not_before or 0
    return issued and issued > now - life and issued > since and issued <= now + AHEAD
end

-- Issues ARGV[first] and all after it, and forgets what can never be spent: were nonces of a clock that was set back
-- left to be the youngest, they would push out the new ones.
local function issue(first)
    for i = first, #ARGV do
        redis.call('ZADD', nonces, text(now), ARGV[i])
    end
    redis.call('ZREMRANGEBYSCORE', nonces, '(' .. text(now + AHEAD), '+inf')
    redis.call('ZREMRANGEBYRANK', nonces, 0, -1 - MAX_NONCES)
end

-- Moves `seen`, never back: requests overtake each other.
local function touch(seen)
    redis.call('HSET', session, 'seen', text(math.max(now, seen)))
end

-- One more in a fixed window, which is kept as "count end". The window to keep, or nil and how long it still lasts.
local function one_more(window, max, length)
    local count, ends = string.match(window or '', '^(%d+) (%d+)$')
    count, ends = tonumber(count), tonumber(ends)
    if not ends or now >= ends or ends > now + length then
        count, ends = 0, now + length
    end
    if count >= max then
        return nil, ends - now
    end
    return text(count + 1) .. ' ' .. text(ends), ends - now
end

-- Whether the session waits for a key and this is its secret. Both are hashes of 256 random bits, so how long the
-- comparison takes tells nothing.
local function may_bind(secret)
    local key, bind_by, expected = unpack(redis.call('HMGET', session, 'key', 'bind_by', 'bind_secret'))
    return not key and bind_by and now < tonumber(bind_by) and secret == expected
end

local verbs = {}

-- bind_by, then field and value by turns
function verbs.open()
    redis.call('HSET', session, unpack(ARGV, 4))
    keep(tonumber(ARGV[3]) - now)
    return 1
end

-- secret, challenge
function verbs.challenge()
    if not may_bind(ARGV[3]) then
        return 0
    end
    redis.call('HSET', session, 'challenge', ARGV[4])
    return 1
end

-- secret, challenge, key, nonce...
function verbs.bind()
    if not may_bind(ARGV[3]) then
        return 0
    end
    local challenge, expires = unpack(redis.call('HMGET', session, 'challenge', 'expires'))
    redis.call('HDEL', session, 'challenge')
    if challenge ~= ARGV[4] or now >= tonumber(expires) then
        return 0
    end
    redis.call('HDEL', session, 'bind_secret', 'bind_by')
    redis.call('HSET', session, 'key', ARGV[5], 'seen', text(now))
    issue(6)
    keep(tonumber(expires) - now)
    return 1
end

-- idle, nonce life, counter, max, window, nonce, next nonce
function verbs.admit()
    local idle, life = tonumber(ARGV[3]), tonumber(ARGV[4])
    local limit, nonce = 'limit:' .. ARGV[5], ARGV[8]
    local found = living(idle)
    if not found then
        return { 'no session' }
    end
    if not is_live(tonumber(redis.call('ZSCORE', nonces, nonce)), life) then
        return { 'bad nonce' }
    end
    local window, left = one_more(redis.call('HGET', session, limit), tonumber(ARGV[6]), tonumber(ARGV[7]))
    if not window then
        return { 'limited', text(left) }
    end
    redis.call('HSET', session, limit, window)
    touch(tonumber(found[4]))
    redis.call('ZREM', nonces, nonce)
    forget_old(nonces, life)
    issue(9)
    keep(math.min(idle, tonumber(found[5]) - now))
    return { 'admitted', unpack(living(idle)) }
end

-- idle
function verbs.session()
    return living(tonumber(ARGV[3])) or {}
end

-- nonce life, spent nonce, nonce...
function verbs.refill()
    local life, nonce = tonumber(ARGV[3]), ARGV[4]
    local found = living(math.huge)
    if not found then
        return 0
    end
    forget_old(spent, life)
    if redis.call('ZADD', spent, 'NX', text(now), nonce) == 0 then
        return 0
    end
    forget_old(nonces, life)
    touch(tonumber(found[4]))
    issue(5)
    keep(tonumber(found[5]) - now)
    return 1
end

-- max, window; the one key is the counter's
function verbs.count()
    local window, left = one_more(redis.call('GET', KEYS[1]), tonumber(ARGV[3]), tonumber(ARGV[4]))
    if not window then
        return text(left)
    end
    redis.call('SET', KEYS[1], window, 'PX', text(left + AHEAD))
    return false
end

-- for each key: version seen, value. A record is kept as "version:value".
function verbs.write()
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

return verbs[ARGV[1]]()
