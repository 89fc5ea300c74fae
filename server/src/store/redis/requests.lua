
-- The authorization of a request.

local MAX_FINGERPRINTS = 64

-- Adds the sample at ARGV[first], if there is one: a fingerprint or '-', then its features. Returns whether the
-- fingerprint is known, and the count, means and sums of squares of the features (Welford 1962) from before.
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

-- idle timeout, nonce lifetime, counter, max, window, nonce, next nonce, whether the request is use, and perhaps a
-- sample
function functions.authorize_request()
    local idle, life = tonumber(ARGV[3]), tonumber(ARGV[4])
    local limit, nonce = 'limit:' .. ARGV[5], ARGV[8]
    local found = live(idle)
    if not found then
        return { 'no session', redis.call('HGET', session, 'ended') or '' }
    end
    if redis.call('ZSCORE', spent, nonce) then
        return { 'replayed', unpack(found) }
    end
    if not is_live(tonumber(redis.call('ZSCORE', nonces, nonce)), life) then
        return { 'bad nonce', unpack(found) }
    end
    local window, left, reset = count_in_window(redis.call('HGET', session, limit), tonumber(ARGV[6]), tonumber(ARGV[7]))
    if not window then
        return { 'limited', text(reset) }
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
    return { 'authorized', text(left), text(reset), text(repeated), before, unpack(live(idle)) }
end
