
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

-- Checks a proof of the session's device: 'valid', 'missing' or 'not needed'. Binds an offered device. Returns why the request
-- is rejected, if it is.
local function check_device(device, proof, must_be_bound)
    local offered = string.match(device, '^- (.*)$')
    if offered and proof == 'valid' then
        redis.call('HSET', session, 'device', text(now) .. ' ' .. offered)
        offered = nil
    end
    local is_bound = device ~= '' and not offered
    if is_bound and proof == 'missing' then
        return 'no device proof'
    end
    return must_be_bound and not is_bound and 'tier too low' or nil
end

-- idle timeout, nonce lifetime, counter, max, window, nonce, next nonce, whether the request is use, the proof of the
-- device, whether the session must be bound to one, and perhaps a sample
function functions.authorize_request()
    local idle, life = tonumber(ARGV[3]), tonumber(ARGV[4])
    local limit, nonce = 'limit:' .. ARGV[5], ARGV[8]
    local found = live(idle)
    if not found then
        return { 'no session', redis.call('HGET', session, 'ended') or '' }
    end
    local rejected = check_device(found[DEVICE], ARGV[11], ARGV[12] == '1')
    if rejected then
        return { rejected, unpack(found) }
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
    local repeated, before = learn(13)
    keep(math.min(idle, tonumber(found[5]) - now))
    return { 'authorized', text(left), text(reset), text(repeated), before, unpack(live(idle)) }
end
