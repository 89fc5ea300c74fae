
-- Sessions: live from entering until expiry, idle timeout or end.

local session, nonces, spent = KEYS[1], KEYS[2], KEYS[3]

-- The fields of a session, in the order of decode.rs. `enter_by` exists only until the session is entered.
local FIELDS = {
    'user', 'confirmation_key', 'created', 'seen', 'expires', 'ip', 'agent', 'sign_secret',
    'frame_key', 'pending_frame_key', 'theft', 'device', 'enter_by',
}
local FRAME_KEY, THEFT, DEVICE, ENTER_BY = 9, 11, 12, 13

-- Sets how long Redis keeps the keys of the session: never shorter than the logic needs them.
local function keep(length)
    for _, key in ipairs({ session, nonces, spent }) do
        redis.call('PEXPIRE', key, text(math.max(length, 0) + MAX_SKEW))
    end
end

-- The session's fields, with '' for a missing one, and the deadline for entering; nil if there is none or it has
-- expired.
local function load_session()
    local found = redis.call('HMGET', session, unpack(FIELDS))
    if not found[1] or now >= tonumber(found[5]) then
        return nil
    end
    local enter_by = tonumber(found[ENTER_BY])
    found[ENTER_BY] = nil
    for i = FRAME_KEY, DEVICE do
        found[i] = found[i] or ''
    end
    return found, enter_by
end

-- The fields of a live session; otherwise nil.
local function live(idle)
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

-- Updates `seen`, which never moves back: requests can overtake each other.
local function touch(seen)
    redis.call('HSET', session, 'seen', text(math.max(now, seen)))
end

-- enter_by, then fields and values by turns
function functions.create()
    redis.call('DEL', session, nonces, spent)
    redis.call('HSET', session, unpack(ARGV, 4))
    keep(tonumber(ARGV[3]) - now)
    return 1
end

-- The fields of a session that can be entered, its deadline, and whether it was entered before: then it has no frame key yet,
-- and its browser may not know that it was entered. Otherwise nil.
local function enterable()
    local found, deadline = load_session()
    local is_again = found and not deadline
    if is_again and found[FRAME_KEY] == '' then
        deadline = tonumber(redis.call('HGET', session, 'again_by') or nil)
    end
    if not deadline or now >= deadline then
        return nil
    end
    return found, deadline, is_again
end

-- no arguments. Returns the handle of the session that it replaces, or '', and the fields.
function functions.find_enterable()
    local found = enterable()
    return found and { redis.call('HGET', session, 'replaces') or '', unpack(found) } or {}
end

-- no arguments. Returns 'entered' or 'again', and the fields; or 'no session'.
function functions.enter()
    local found, deadline, is_again = enterable()
    if not found then
        return { 'no session' }
    end
    if is_again then
        return { 'again', unpack(found) }
    end
    redis.call('HSET', session, 'seen', text(now), 'again_by', text(deadline))
    redis.call('HDEL', session, 'enter_by')
    keep(tonumber(found[5]) - now)
    found[4] = text(now)
    return { 'entered', unpack(found) }
end

-- idle timeout
function functions.find()
    return live(tonumber(ARGV[3])) or {}
end

-- idle timeout. Returns whether the session is live or can still be entered.
function functions.is_alive()
    return (live(tonumber(ARGV[3])) or unentered()) and 1 or 0
end

-- A session's device is when it was bound, or '-', and its key.
-- idle timeout, key. Offers a device. Returns whether it is offered or bound.
function functions.offer_device()
    local found = live(tonumber(ARGV[3]))
    if not found then
        return 0
    end
    local bound = string.match(found[DEVICE], '^%d+ (.*)$')
    if bound then
        return bound == ARGV[4] and 1 or 0
    end
    redis.call('HSET', session, 'device', '- ' .. ARGV[4])
    return 1
end

-- idle timeout
function functions.record_theft()
    local found = live(tonumber(ARGV[3]))
    if not found then
        return {}
    end
    local times, last = string.match(found[THEFT], '^(%d+) (%d+)$')
    times, last = text((tonumber(times) or 0) + 1), text(math.max(tonumber(last) or 0, now))
    redis.call('HSET', session, 'theft', times .. ' ' .. last)
    return { times, last }
end

-- reason. It is kept in the session's key until the session would have expired.
function functions.end_session()
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

-- handle, created, deadline. Lists an unentered session. KEYS[1] lists the newest 32 of the user, until the last deadline.
function functions.add_unentered()
    redis.call('ZADD', KEYS[1], ARGV[4], ARGV[3])
    redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -33)
    redis.call('PEXPIRE', KEYS[1], text(tonumber(ARGV[5]) - now + MAX_SKEW))
end

-- handle, created, expires, cap, whether the new session is rejected at the cap. KEYS[1] lists the user's entered sessions.
-- Returns 'full', or 'listed' and the handles of the sessions that must end.
function functions.add_to_list()
    local displaced = {}
    if not redis.call('ZSCORE', KEYS[1], ARGV[3]) then
        local too_many = redis.call('ZCARD', KEYS[1]) + 1 - tonumber(ARGV[6])
        if too_many > 0 then
            if ARGV[7] == '1' then
                return { 'full' }
            end
            displaced = redis.call('ZRANGE', KEYS[1], 0, too_many - 1)
            redis.call('ZREMRANGEBYRANK', KEYS[1], 0, too_many - 1)
        end
        redis.call('ZADD', KEYS[1], ARGV[4], ARGV[3])
    end
    local left = math.max(tonumber(ARGV[5]) - now + MAX_SKEW, redis.call('PTTL', KEYS[1]))
    redis.call('PEXPIRE', KEYS[1], text(left))
    return { 'listed', unpack(displaced) }
end
