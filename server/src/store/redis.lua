-- The verbs of the Redis store that take more than one command. Each runs alone, so each is all or nothing.
--
-- Before this text the store writes `#!lua`, its random name and `local not_before`; redis.rs tells why.
-- ARGV[1] is the verb, ARGV[2] the caller's time, and a verb names the others. Times are Unix ms, lengths ms.

local now = tonumber(ARGV[2])
local session, nonces, spent = KEYS[1], KEYS[2], KEYS[3]

-- More than the clocks of two servers differ by. A time further ahead was written before a clock was set back.
local AHEAD = 60000
local MAX_NONCES = 32
local MAX_FINGERPRINTS = 64

local function text(number)
    return string.format('%.0f', number)
end

-- How long Redis keeps what belongs to the session: never shorter than the logic needs it.
local function keep(length)
    for _, key in ipairs({ session, nonces, spent }) do
        redis.call('PEXPIRE', key, text(math.max(length, 0) + AHEAD))
    end
end

-- What a session is read from, in the order of reply.rs. The last one is there only until the session is entered.
local FIELDS = {
    'user', 'confirmation_key', 'created', 'seen', 'expires', 'ip', 'agent', 'sign_secret',
    'frame_key', 'pending_frame_key', 'theft', 'enter_by',
}

-- The session's fields, with '' for one that is not there, and the end of the time to enter it; nil if it is not there or
-- expired.
local function load_session()
    local found = redis.call('HMGET', session, unpack(FIELDS))
    if not found[1] or now >= tonumber(found[5]) then
        return nil
    end
    local enter_by = tonumber(found[12])
    found[12] = nil
    for i = 9, 11 do
        found[i] = found[i] or ''
    end
    return found, enter_by
end

-- The fields of a session that was entered and is not over; otherwise nil.
local function living(idle)
    local found, enter_by = load_session()
    if not found or enter_by or now >= tonumber(found[4]) + idle then
        return nil
    end
    return found
end

-- The fields of a session that can still be entered; otherwise nil.
local function unentered()
    local found, enter_by = load_session()
    return enter_by and now < enter_by and found or nil
end

-- How many it was.
local function forget_old(key, life)
    return redis.call('ZREMRANGEBYSCORE', key, '-inf', text(now - life))
end

-- Forgets spent nonces that are too old, and remembers until when: should the clock be set back to before that, nobody
-- can tell whether an invented nonce is new.
local function forget_spent(life)
    if forget_old(spent, life) > 0 then
        local before = tonumber(redis.call('HGET', session, 'forgotten')) or 0
        redis.call('HSET', session, 'forgotten', text(math.max(before, now - life)))
    end
end

-- What is not from after this moment may be from before Redis lost its memory.
local function since()
    -- Our own clock was set back since the script was loaded: what it says of that moment means nothing.
    return not_before <= now + AHEAD and not_before or 0
end

-- Whether a nonce that was issued at that time may be spent.
local function is_live(issued, life)
    return issued and issued > now - life and issued > since() and issued <= now + AHEAD
end

-- Issues ARGV[first] to ARGV[last], and forgets what can never be spent: were nonces of a clock that was set back
-- left to be the youngest, they would push out the new ones.
local function issue(first, last)
    for i = first, last do
        redis.call('ZADD', nonces, text(now), ARGV[i])
    end
    redis.call('ZREMRANGEBYSCORE', nonces, '(' .. text(now + AHEAD), '+inf')
    redis.call('ZREMRANGEBYRANK', nonces, 0, -1 - MAX_NONCES)
end

-- Moves `seen`, never back: requests overtake each other.
local function touch(seen)
    redis.call('HSET', session, 'seen', text(math.max(now, seen)))
end

-- One more in a fixed window, which is kept as "count end". The window to keep, or nil; how many more it takes, and how
-- long it still lasts.
local function one_more(window, max, length)
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

-- Remembers the sample that begins at ARGV[first], if one does: its fingerprint or '-', then its numbers. Whether the
-- fingerprint was known, and the numbers' count, means and sums of squares (Welford 1962) as they were before.
local function learn(first)
    local fingerprint = ARGV[first]
    if not fingerprint then
        return 0, ''
    end
    local known, before = unpack(redis.call('HMGET', session, 'fingerprints', 'running'))
    known, before = known or '', before or ''
    local repeated = string.find(known, fingerprint, 1, true) and 1 or 0
    if repeated == 0 and fingerprint ~= '-' then
        known = string.sub(known .. fingerprint .. ' ', -MAX_FINGERPRINTS * (#fingerprint + 1))
    end
    local numbers = {}
    for number in string.gmatch(before, '%S+') do
        numbers[#numbers + 1] = tonumber(number)
    end
    local features = #ARGV - first
    local count = (numbers[1] or 0) + 1
    local after = { text(count) }
    for i = 1, features do
        local mean, squares = numbers[1 + i] or 0, numbers[1 + features + i] or 0
        local off = tonumber(ARGV[first + i]) - mean
        mean = mean + off / count
        after[1 + i] = string.format('%.17g', mean)
        after[1 + features + i] = string.format('%.17g', squares + off * (tonumber(ARGV[first + i]) - mean))
    end
    redis.call('HSET', session, 'fingerprints', known, 'running', table.concat(after, ' '))
    return repeated, before
end

local verbs = {}

-- enter_by, then field and value by turns
function verbs.open()
    redis.call('DEL', session, nonces, spent)
    redis.call('HSET', session, unpack(ARGV, 4))
    keep(tonumber(ARGV[3]) - now)
    return 1
end

-- none
function verbs.unentered()
    return unentered() or {}
end

-- none
function verbs.enter()
    local found = unentered()
    if not found then
        return {}
    end
    redis.call('HDEL', session, 'enter_by')
    redis.call('HSET', session, 'seen', text(now))
    keep(tonumber(found[5]) - now)
    found[4] = text(now)
    return found
end

-- idle, secret, key, nonce...
function verbs.bind()
    local idle, secret, key = tonumber(ARGV[3]), ARGV[4], ARGV[5]
    local found = living(idle)
    -- Both are hashes of 256 random bits, so how long the comparison takes tells nothing.
    if not found or found[8] ~= secret then
        return { 'no session' }
    end
    if found[2] == key then
        return { 'confirmation key' }
    end
    local before = found[9]
    if before ~= '' and before ~= key then
        redis.call('HSET', session, 'pending_frame_key', key)
        return { 'pending', unpack(living(idle)) }
    end
    redis.call('HSET', session, 'frame_key', key)
    issue(6, #ARGV)
    keep(tonumber(found[5]) - now)
    return { before == '' and 'bound' or 'again', unpack(living(idle)) }
end

-- idle, nonce life, counter, max, window, nonce, next nonce, whether it is use, and a sample if there is one
function verbs.admit()
    local idle, life = tonumber(ARGV[3]), tonumber(ARGV[4])
    local limit, nonce = 'limit:' .. ARGV[5], ARGV[8]
    local found = living(idle)
    if not found then
        return { 'no session', redis.call('HGET', session, 'ended') or '' }
    end
    if redis.call('ZSCORE', spent, nonce) then
        return { 'replayed', unpack(found) }
    end
    if not is_live(tonumber(redis.call('ZSCORE', nonces, nonce)), life) then
        return { 'bad nonce', unpack(found) }
    end
    local window, more, left = one_more(redis.call('HGET', session, limit), tonumber(ARGV[6]), tonumber(ARGV[7]))
    if not window then
        return { 'limited', text(left) }
    end
    redis.call('HSET', session, limit, window)
    if ARGV[10] == '1' then
        touch(tonumber(found[4]))
    end
    redis.call('ZREM', nonces, nonce)
    forget_old(nonces, life)
    forget_spent(life)
    redis.call('ZADD', spent, text(now), nonce)
    issue(9, 9)
    local repeated, before = learn(11)
    keep(math.min(idle, tonumber(found[5]) - now))
    return { 'admitted', text(more), text(left), text(repeated), before, unpack(living(idle)) }
end

-- idle
function verbs.session()
    return living(tonumber(ARGV[3])) or {}
end

-- idle: whether the session lives or can still be entered
function verbs.alive()
    return (living(tonumber(ARGV[3])) or unentered()) and 1 or 0
end

-- idle
function verbs.accuse()
    local found = living(tonumber(ARGV[3]))
    if not found then
        return {}
    end
    local times, last = string.match(found[11], '^(%d+) (%d+)$')
    times, last = text((tonumber(times) or 0) + 1), text(math.max(tonumber(last) or 0, now))
    redis.call('HSET', session, 'theft', times .. ' ' .. last)
    return { times, last }
end

-- why. What is left of the session says it, for as long as the session could have lived.
function verbs.finish()
    local expires, ended = unpack(redis.call('HMGET', session, 'expires', 'ended'))
    if ended then
        return 0
    end
    redis.call('DEL', session, nonces, spent)
    local left = (tonumber(expires) or 0) - now
    if left <= 0 then
        return 0
    end
    redis.call('HSET', session, 'ended', ARGV[3])
    redis.call('PEXPIRE', session, text(left))
    return 1
end

-- handle, created, expires, most, whether the new one is refused at the cap. The one key lists a user's sessions.
function verbs.enlist()
    local too_many = redis.call('ZCARD', KEYS[1]) + 1 - tonumber(ARGV[6])
    local ended = {}
    if too_many > 0 then
        if ARGV[7] == '1' then
            return { 'full' }
        end
        ended = redis.call('ZRANGE', KEYS[1], 0, too_many - 1)
        redis.call('ZREMRANGEBYRANK', KEYS[1], 0, too_many - 1)
    end
    redis.call('ZADD', KEYS[1], ARGV[4], ARGV[3])
    local left = math.max(tonumber(ARGV[5]) - now + AHEAD, redis.call('PTTL', KEYS[1]))
    redis.call('PEXPIRE', KEYS[1], text(left))
    return { 'enlisted', unpack(ended) }
end

-- idle, nonce life, when it was signed, spent nonce, the pending key that replaces the frame key or '', nonce...
function verbs.refill()
    local idle, life, created, nonce = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
    local restored = ARGV[7]
    local found = living(idle)
    if not found then
        return 'no session'
    end
    if created <= since() then
        return 'too old'
    end
    if created <= (tonumber(redis.call('HGET', session, 'forgotten')) or 0) then
        return 'no session'
    end
    if redis.call('ZSCORE', spent, nonce) then
        return 'replayed'
    end
    if restored ~= '' then
        if found[10] ~= restored then
            return 'not pending'
        end
        redis.call('HDEL', session, 'pending_frame_key')
        redis.call('HSET', session, 'frame_key', restored)
    end
    redis.call('ZADD', spent, text(math.max(now, created)), nonce)
    forget_spent(life)
    forget_old(nonces, life)
    issue(8, #ARGV)
    keep(math.min(idle, tonumber(found[5]) - now))
    return 'done'
end

-- max, window; the one key is the counter's
function verbs.count()
    local window, more, left = one_more(redis.call('GET', KEYS[1]), tonumber(ARGV[3]), tonumber(ARGV[4]))
    if window then
        redis.call('SET', KEYS[1], window, 'PX', text(left + AHEAD))
    end
    return { window and 1 or 0, text(more), text(left) }
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

-- the last entry as the caller knows it, the new last one, how many to keep, how many of each user and for how long;
-- for each entry its number, its line and which key, if any, lists its user's. KEYS[1] is the log, KEYS[2] its last entry.
function verbs.append()
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

-- how many, a place in the log of events: what came after it, or nothing but 'gone'. The one key is the log.
function verbs.since()
    local after = ARGV[4]
    if after == '0-0' then
        -- From the very beginning: it must all be there still.
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
    local answer = { 'news' }
    for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '(' .. after, '+', 'COUNT', ARGV[3])) do
        answer[#answer + 1] = entry[1]
        answer[#answer + 1] = entry[2][2]
    end
    return answer
end

return verbs[ARGV[1]]()
