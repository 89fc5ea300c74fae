
-- Nonces of a session: live ones in one sorted set, spent ones in another.

local MAX_NONCES = 32

-- Returns how many were forgotten.
local function forget_old(key, life)
    return redis.call('ZREMRANGEBYSCORE', key, '-inf', text(now - life))
end

-- Forgets spent nonces that are too old, and records up to which time. If the clock is set back to before that time, the
-- script cannot distinguish a new nonce from a spent one.
local function forget_spent(life)
    if forget_old(spent, life) > 0 then
        local before = tonumber(redis.call('HGET', session, 'forgotten')) or 0
        redis.call('HSET', session, 'forgotten', text(math.max(before, now - life)))
    end
end

-- Returns the start of what Redis remembers. A request from before this time may have been answered already.
local function memory_start()
    -- If our own clock was set back since the script was loaded, `not_before` means nothing.
    return not_before <= now + MAX_SKEW and not_before or 0
end

-- Whether a nonce that was issued at that time can be spent.
local function is_live(issued, life)
    return issued and issued > now - life and issued > memory_start() and issued <= now + MAX_SKEW
end

-- Issues ARGV[first] to ARGV[last] and removes nonces from before the clock was set back. Those can never be spent, but
-- as the youngest they would push out the new ones.
local function issue(first, last)
    for i = first, last do
        redis.call('ZADD', nonces, text(now), ARGV[i])
    end
    redis.call('ZREMRANGEBYSCORE', nonces, '(' .. text(now + MAX_SKEW), '+inf')
    redis.call('ZREMRANGEBYRANK', nonces, 0, -1 - MAX_NONCES)
end

-- idle timeout, nonce lifetime, time of signature, spent nonce, nonces
function functions.issue_nonces()
    local idle, life, created, nonce = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
    local found = live(idle)
    if not found then
        return 'no session'
    end
    if created <= memory_start() then
        return 'too old'
    end
    if created <= (tonumber(redis.call('HGET', session, 'forgotten')) or 0) then
        return 'no session'
    end
    if redis.call('ZSCORE', spent, nonce) then
        return 'replayed'
    end
    redis.call('ZADD', spent, text(math.max(now, created)), nonce)
    forget_spent(life)
    forget_old(nonces, life)
    issue(7, #ARGV)
    keep(math.min(idle, tonumber(found[5]) - now))
    return 'issued'
end

-- idle timeout, key. Returns whether it is the frame key now.
function functions.restore_frame_key()
    local key = ARGV[4]
    local found = live(tonumber(ARGV[3]))
    if not found then
        return 0
    end
    if found[10] == key then
        redis.call('HDEL', session, 'pending_frame_key')
        redis.call('HSET', session, 'frame_key', key)
        return 1
    end
    return found[9] == key and 1 or 0
end

-- idle timeout, nonce lifetime, nonce. KEYS[4] has the outcome of the nonce's request, or 'void'.
function functions.settle()
    local idle, life, nonce = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
    if not live(idle) then
        return { 'unknown' }
    end
    local outcome = redis.call('GET', KEYS[4])
    if outcome then
        return outcome == 'void' and { 'void' } or { 'recorded', outcome }
    end
    if redis.call('ZSCORE', spent, nonce) then
        return { 'spent' }
    end
    if not is_live(tonumber(redis.call('ZSCORE', nonces, nonce)), life) then
        return { 'unknown' }
    end
    redis.call('ZREM', nonces, nonce)
    redis.call('SET', KEYS[4], 'void', 'PX', ARGV[4])
    return { 'void' }
end

-- idle timeout, secret, key, nonces
function functions.bind_frame_key()
    local idle, secret, key = tonumber(ARGV[3]), ARGV[4], ARGV[5]
    local found = live(idle)
    -- Both are hashes of 256 random bits, so the time that the comparison takes reveals nothing.
    if not found or found[8] ~= secret then
        return { 'no session' }
    end
    if found[2] == key then
        return { 'confirmation key' }
    end
    local before = found[9]
    if before ~= '' and before ~= key then
        redis.call('HSET', session, 'pending_frame_key', key)
        return { 'pending', unpack(live(idle)) }
    end
    redis.call('HSET', session, 'frame_key', key)
    issue(6, #ARGV)
    keep(tonumber(found[5]) - now)
    return { before == '' and 'bound' or 'again', unpack(live(idle)) }
end
