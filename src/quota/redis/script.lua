-- A batch of operations on the lanes of one model group: one step for all who share them.
--
-- The arithmetic is that of `quota/bucket.rs`, `claims.rs`, `crowd.rs`, `learned.rs`, `volume.rs`, `choose.rs` and `lane/`,
-- operation by operation in the same order, so that both stores give the same answers. Why it is so is said there. Whoever
-- changes one changes the other; a test feeds both the same histories.
--
-- KEYS  the line, then a hash for each lane that the batch names
-- ARGV  the clock in ms, empty for the server's own (tests set it); the lanes' configured limits; then one operation each
--       (`wire.rs` has their layout: packed doubles, since numbers as text cost several times the arithmetic)
-- Returns the packed answer of each `book`, `look` and `count_processes`, in order.
--
-- The line's hash: last_ticket, and process:P for each process that uses these lanes: when it said so last, in ms.
--
-- A lane's hash, times in ms:
--   since_ms                                       when it came to be; a booking from before is not of this lane
--   level:M, capacity:M, at_ms:M                   the bucket of metric M: `level` was left at `at_ms`
--   capacity_is_known:M                            there and 0 where the capacity is only the most that was ever seen left
--   corrected:M                                    the sum of its corrections
--   configured                                     the limits that users named last, by metric; 0 where none was named
--   volume                                         all that was booked: requests, estimated tokens, tokens, squares of tokens
--   crowd, crowd_peak                              sent close together: requests, tokens, at_ms
--   last_send_ms, first_booking_ms, blocked_until_ms, unsettled, answers, tokens_are_told
--   confirmed:requests                             the latest believed reading: send_ms, requests of the volume
--   confirmed:tokens                               the same for tokens: send_ms, volume
--   learned                                        estimated, booked, corrected, decayed_at_ms, squared_errors, squares, readings
--   claims                                         how many have a claim
--   charged:P                                      the last charge of process P that was taken, when
--   claim:C                                        who was told to come back: ticket, urgency, due_ms, requests, tokens, until_ms
-- All is written at the end, so a batch that fails before has changed nothing.
--
-- Words in capitals are numbers that `script.rs` fills in from the Rust files: as locals they would cost more at the start of
-- each batch than all of its arithmetic. For the same reason what is done for each candidate compares by itself instead of
-- calling `max` and `min`.

local call, pack, unpack_doubles, decode = redis.call, struct.pack, struct.unpack, cjson.decode
local max, min, exp, sqrt = math.max, math.min, math.exp, math.sqrt
local format, match, sub = string.format, string.match, string.sub
local INFINITY, UNKNOWN = math.huge, 0 / 0

local NAMES = { 'requests_per_minute', 'tokens_per_minute', 'requests_per_day', 'tokens_per_day' }
local WINDOWS = { MINUTE_MS, MINUTE_MS, DAY_MS, DAY_MS }

local now = tonumber(ARGV[1])
if not now then
  local time = call('TIME')
  now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
end

-- Buckets -----------------------------------------------------------------------------------------------------------------

-- `left` is the level now, `rate` what flows back in a millisecond. What a lane has learned of it stands with it: `corrected`,
-- and its `doubt` as soon as that is asked for.
local function bucket_of(metric, capacity, level, at, known, corrected)
  local rate = capacity / WINDOWS[metric]
  local left = level
  if now > at then left = level + rate * (now - at) end
  if left > capacity then left = capacity end
  return {
    metric = metric, capacity = capacity, rate = rate, level = level, at = at, left = left, known = known,
    corrected = corrected, changed = false,
  }
end

local function full(metric, capacity)
  local bucket = bucket_of(metric, capacity, capacity, now, true, 0)
  bucket.changed = true
  return bucket
end

-- The level at a later moment.
local function level_at(bucket, at)
  local level, passed = bucket.level, at - bucket.at
  if passed > 0 then level = level + bucket.rate * passed end
  if level > bucket.capacity then return bucket.capacity end
  return level
end

local function set_level(bucket, level)
  if level > bucket.capacity then level = bucket.capacity end
  bucket.level, bucket.left, bucket.changed = level, level, true
  if now > bucket.at then bucket.at = now end
end

local function set_capacity(bucket, capacity)
  bucket.capacity = capacity
  bucket.rate = capacity / WINDOWS[bucket.metric]
  bucket.known = true
  bucket.doubt = nil
  set_level(bucket, bucket.left)
end

-- What a lane has learned -------------------------------------------------------------------------------------------------

local function squared_spread(learned)
  local first = FIRST_SPREAD * FIRST_SPREAD
  if learned.readings == 0 then return first end
  local weight = FIRST_READINGS / learned.readings
  local errors = first * weight * learned.squares + learned.squared_errors
  local squared = errors / ((weight + 1) * learned.squares)
  return max(squared, LEAST_SPREAD * LEAST_SPREAD)
end

local function variance_of(lane, squares)
  local spread = lane.squared_spread
  if not spread then
    spread = squared_spread(lane.learned)
    lane.squared_spread = spread
  end
  if squares < 0 then return 0 end
  return spread * squares
end

local function doubt_of(lane, bucket)
  local share = DOUBT_SHARE * bucket.capacity
  local part = share / (lane.learned.estimated + share)
  bucket.doubt = FIRST_DOUBT * (part * part)
  return bucket.doubt
end

local function margin_of(lane, bucket, tokens, squares)
  local capacity = bucket.capacity
  local spread = MARGIN_DEVIATIONS * sqrt(variance_of(lane, squares))
  local most = MOST_FOR_SPREAD * capacity
  if spread > most then spread = most end
  local doubt = (bucket.doubt or doubt_of(lane, bucket)) * tokens
  most = MOST_FOR_DOUBT * capacity
  if doubt < 0 then doubt = 0 elseif doubt > most then doubt = most end
  local margin, least = spread + doubt, LEAST_MARGIN * capacity
  if margin < least then margin = least end
  if bucket.metric == TPD then
    most = MOST_OF_A_DAY * capacity
    if margin > most then margin = most end
  end
  return margin
end

local function factor_of(lane)
  local factor = lane.factor
  if factor then return factor end
  local bucket = lane[TPM] or lane[TPD]
  factor = 1
  if bucket then
    local learned = lane.learned
    local prior = PRIOR_SHARE * bucket.capacity
    factor = (learned.booked - learned.corrected + prior) / (learned.estimated + prior)
    factor = min(max(factor, LEAST_FACTOR), MOST_FACTOR)
  end
  lane.factor = factor
  return factor
end

local function decay(learned)
  local passed = max(now - learned.decayed_at, 0)
  local left = exp(-passed / MEMORY_MS)
  learned.estimated = learned.estimated * left
  learned.booked = learned.booked * left
  learned.corrected = learned.corrected * left
  learned.decayed_at = max(learned.decayed_at, now)
end

local function trust(variance, crowd)
  local noise = crowd * crowd / 3
  if variance + noise > 0 then return variance / (variance + noise) end
  return 1
end

-- Lanes -------------------------------------------------------------------------------------------------------------------

local lanes, touched = {}, {}
local limits = ARGV[2]

local function numbers_of(text)
  return decode('[' .. text .. ']')
end

local function limits_of(place)
  return unpack_doubles('<dddd', limits, place * 32 + 1)
end

local function claim_of(text)
  local ticket, urgency, due, requests, tokens, until_ms = match(text, '(%S+) (%S+) (%S+) (%S+) (%S+) (%S+)')
  return {
    ticket = tonumber(ticket), urgency = tonumber(urgency), due = tonumber(due) or INFINITY,
    requests = tonumber(requests), tokens = tonumber(tokens), until_ms = tonumber(until_ms),
  }
end

local function new_lane(place)
  local lane = {
    place = place, fields = {}, claims = {}, since = now, is_new = true,
    requests = 0, estimated = 0, tokens = 0, squares = 0,
    confirmed = { -INFINITY, 0, 0, 0, 0 },
    learned = {
      estimated = 0, booked = 0, corrected = 0, decayed_at = 0, squared_errors = 0, squares = 0, readings = 0,
    },
    last_send = -INFINITY, blocked_until = -INFINITY, first_booking = -INFINITY,
    unsettled = 0, answers = 0, tokens_are_told = false,
  }
  lane.configured = { limits_of(place) }
  for metric = 1, 4 do
    local limit = lane.configured[metric]
    if limit == limit then lane[metric] = full(metric, limit) else lane.configured[metric] = 0 end
  end
  return lane
end

-- One `decode` for all numbers takes a third of the time of one `tonumber` for each.
local function read_lane(place, flat)
  local fields = {}
  for index = 1, #flat, 2 do fields[flat[index]] = flat[index + 1] end
  local rpm, tpm = fields['level:requests_per_minute'], fields['level:tokens_per_minute']
  local n = decode('[' .. (fields.volume or '0,0,0,0')
    .. ',' .. (fields['confirmed:tokens'] or '-1e999,0,0,0,0')
    .. ',' .. (fields.learned or '0,0,0,0,0,0,0')
    .. ',' .. fields.since_ms
    .. ',' .. (fields.last_send_ms or '-1e999')
    .. ',' .. (fields.first_booking_ms or '-1e999')
    .. ',' .. (fields.blocked_until_ms or '-1e999')
    .. ',' .. (fields.unsettled or '0')
    .. ',' .. (fields.answers or '0')
    .. ',' .. (rpm or '0')
    .. ',' .. (fields['at_ms:requests_per_minute'] or '0')
    .. ',' .. (fields['capacity:requests_per_minute'] or '0')
    .. ',' .. (fields['corrected:requests_per_minute'] or '0')
    .. ',' .. (tpm or '0')
    .. ',' .. (fields['at_ms:tokens_per_minute'] or '0')
    .. ',' .. (fields['capacity:tokens_per_minute'] or '0')
    .. ',' .. (fields['corrected:tokens_per_minute'] or '0')
    .. ',' .. (fields.configured or '0,0,0,0')
    .. ']')
  local lane = {
    place = place, fields = fields, claims = {}, since = n[17], is_new = false,
    requests = n[1], estimated = n[2], tokens = n[3], squares = n[4],
    confirmed = { n[5], n[6], n[7], n[8], n[9] },
    learned = {
      estimated = n[10], booked = n[11], corrected = n[12], decayed_at = n[13],
      squared_errors = n[14], squares = n[15], readings = n[16],
    },
    last_send = n[18], first_booking = n[19], blocked_until = n[20], unsettled = n[21], answers = n[22],
    tokens_are_told = fields.tokens_are_told == '1',
    configured = { n[31], n[32], n[33], n[34] },
  }
  if rpm then
    lane[RPM] = bucket_of(RPM, n[25], n[23], n[24], not fields['capacity_is_known:requests_per_minute'], n[26])
  end
  if tpm then
    lane[TPM] = bucket_of(TPM, n[29], n[27], n[28], not fields['capacity_is_known:tokens_per_minute'], n[30])
  end
  for metric = RPD, TPD do
    local name = NAMES[metric]
    local level = fields['level:' .. name]
    if level then
      lane[metric] = bucket_of(metric, tonumber(fields['capacity:' .. name]), tonumber(level),
        tonumber(fields['at_ms:' .. name]), true, tonumber(fields['corrected:' .. name]) or 0)
    end
  end
  if fields.claims and fields.claims ~= '0' then
    for field, text in pairs(fields) do
      if sub(field, 1, 6) == 'claim:' then lane.claims[sub(field, 7)] = claim_of(text) end
    end
  end
  return lane
end

local function lane_at(place)
  local lane = lanes[place]
  if not lane then
    local flat = call('HGETALL', KEYS[place + 2])
    lane = #flat == 0 and new_lane(place) or read_lane(place, flat)
    lanes[place] = lane
  end
  return lane
end

local function touch(lane)
  if not lane.is_touched then
    lane.is_touched = true
    touched[#touched + 1] = lane
  end
end

local function configure(lane, metric, limit)
  local before, bucket = lane.configured[metric], lane[metric]
  if limit == before or limit ~= limit then return end
  lane.configured[metric] = limit
  lane.is_configured_anew = true
  touch(lane)
  lane.factor = nil
  if not bucket then
    lane[metric] = full(metric, limit)
    return
  end
  if bucket.known and (before == 0 or bucket.capacity < before) and bucket.capacity < limit then limit = bucket.capacity end
  set_capacity(bucket, limit)
end

-- The lane with the limits that the batch names for it.
local function configured_lane_at(place)
  local lane = lane_at(place)
  if not lane.is_configured then
    lane.is_configured = true
    local rpm, tpm, rpd, tpd = limits_of(place)
    configure(lane, RPM, rpm)
    configure(lane, TPM, tpm)
    configure(lane, RPD, rpd)
    configure(lane, TPD, tpd)
  end
  return lane
end

local function cost_of(lane, estimate)
  local tokens = estimate * (lane.factor or factor_of(lane))
  local bucket = lane[TPM]
  if bucket then
    local most = bucket.capacity
    if estimate > most then most = estimate end
    if tokens > most then return most end
  end
  return tokens
end

local function exceeded_by(lane, requests, estimate)
  local tokens = lane.factor or factor_of(lane)
  if tokens > 1 then tokens = 1 end
  tokens = estimate * tokens
  for metric = 1, 4 do
    local bucket = lane[metric]
    if bucket and bucket.known then
      local amount = metric % 2 == 0 and tokens or requests
      if amount > bucket.capacity then return metric, bucket.capacity end
    end
  end
end

local function is_before(claim, turn)
  if claim.urgency ~= turn.urgency then return claim.urgency > turn.urgency end
  if claim.due ~= turn.due then return claim.due < turn.due end
  return claim.ticket < turn.ticket
end

-- What those whose turn comes before another will take: requests, tokens as estimated, squares of these.
local function before(lane, turn)
  local requests, tokens, squares = 0, 0, 0
  for _, claim in pairs(lane.claims) do
    if is_before(claim, turn) and claim.until_ms > now then
      requests = requests + claim.requests
      tokens = tokens + claim.tokens
      squares = squares + claim.tokens * claim.tokens
    end
  end
  return requests, tokens, squares
end

local function wait_behind(bucket, ahead, amount)
  local capacity = bucket.capacity
  if amount > capacity then amount = capacity end
  local missing = ahead + amount - bucket.left
  if missing <= 0 then return 0 end
  return missing / bucket.rate
end

local function wait_for_tokens(lane, bucket, ahead, ahead_squares, cost, least)
  local own_tokens, own_squares = cost + ahead, cost * cost + ahead_squares
  local tokens, squares = own_tokens, own_squares
  if lane.tokens_are_told or lane.answers < ANSWERS_WITHOUT_READING then
    local confirmed = lane.confirmed
    tokens = lane.tokens - confirmed[4] + own_tokens
    squares = lane.squares - confirmed[5] + own_squares
  end
  local with_margin = wait_behind(bucket, ahead, cost + margin_of(lane, bucket, tokens, squares))
  -- It is the longest that this bucket can ask for.
  if with_margin <= least then return least end
  local by_books = wait_behind(bucket, ahead, cost)
  local own = margin_of(lane, bucket, own_tokens, own_squares)
  local surely = lane.last_send + (ahead + cost + own) / bucket.rate - now
  local wait = with_margin
  if surely < wait then wait = surely end
  if by_books > wait then wait = by_books end
  if wait < least then return least end
  return wait
end

local function wait_for(lane, requests, cost, turn)
  local requests_ahead, tokens_ahead, squares_ahead = 0, 0, 0
  if next(lane.claims) then
    local factor = factor_of(lane)
    requests_ahead, tokens_ahead, squares_ahead = before(lane, turn)
    tokens_ahead, squares_ahead = tokens_ahead * factor, squares_ahead * factor * factor
  end
  local wait = lane.blocked_until - now
  if wait < 0 then wait = 0 end
  for metric = RPM, RPD, 2 do
    local bucket = lane[metric]
    if bucket then
      local by_books = wait_behind(bucket, requests_ahead, requests)
      if by_books > wait then wait = by_books end
    end
  end
  for metric = TPM, TPD, 2 do
    local bucket = lane[metric]
    if bucket then wait = wait_for_tokens(lane, bucket, tokens_ahead, squares_ahead, cost, wait) end
  end
  return wait
end

local function start_wait(lane, turn)
  local first = lane.first_booking
  if first == -INFINITY or lane[RPM] or lane[TPM] or lane[RPD] or lane[TPD] then return 0 end
  local ahead = before(lane, turn)
  local _, doublings = math.frexp(lane.unsettled + math.floor(ahead))
  return max(first + (doublings - lane.answers) * DOUBLING_MS - now, 0)
end

local function share_left_after(lane, requests, cost, at)
  local share
  for metric = 1, 4 do
    local bucket = lane[metric]
    if bucket then
      local amount = metric % 2 == 0 and cost or requests
      local left = ((at == now and bucket.left or level_at(bucket, at)) - amount) / bucket.capacity
      if not share or left < share then share = left end
    end
  end
  return share or 1 / (1 + lane.unsettled)
end

-- Sent close together -----------------------------------------------------------------------------------------------------

local function read_crowd(lane)
  if not lane.crowd then
    lane.crowd = numbers_of(lane.fields.crowd or '0,0,0')
    lane.peak = numbers_of(lane.fields.crowd_peak or '0,0,0')
  end
end

local function join(lane, requests, tokens, send)
  read_crowd(lane)
  local crowd, peak = lane.crowd, lane.peak
  local fading = exp(-max(send - crowd[3], 0) / OVERTAKING_MS)
  local near_requests, near_tokens = crowd[1] * fading, crowd[2] * fading
  crowd[1], crowd[2], crowd[3] = near_requests + requests, near_tokens + tokens, max(crowd[3], send)
  if near_tokens >= peak[2] * exp(-max(send - peak[3], 0) / PEAK_MEMORY_MS) then
    lane.peak = { near_requests, near_tokens, send }
  end
  return near_requests, near_tokens
end

local function around(lane, requests, tokens, send)
  read_crowd(lane)
  local peak = lane.peak
  local before_peak = peak[3] - send
  if before_peak < 0 or before_peak > BEFORE_PEAK_MS then return requests, tokens end
  return max(requests, peak[1]), max(tokens, peak[2])
end

-- Claims ------------------------------------------------------------------------------------------------------------------

local last_ticket, tickets_given

local function next_ticket()
  last_ticket = (last_ticket or tonumber(call('HGET', KEYS[1], 'last_ticket') or 0)) + 1
  tickets_given = true
  return last_ticket
end

local function change_claim(lane, claimant, claim)
  lane.claims[claimant] = claim
  local changed = lane.changed_claims
  if not changed then
    changed = {}
    lane.changed_claims = changed
  end
  changed[claimant] = true
  touch(lane)
end

local function take_claim(place, claimant)
  if place < 0 then return nil end
  local lane = lane_at(place)
  local claim = lane.claims[claimant]
  if not claim then return nil end
  change_claim(lane, claimant, nil)
  return claim.ticket
end

local function enter_claim(lane, ask, turn, after)
  local ended = {}
  for claimant, claim in pairs(lane.claims) do
    if claim.until_ms <= now then ended[#ended + 1] = claimant end
  end
  for index = 1, #ended do change_claim(lane, ended[index], nil) end
  change_claim(lane, ask.claimant, {
    ticket = turn.ticket == INFINITY and next_ticket() or turn.ticket, urgency = turn.urgency, due = turn.due,
    requests = ask.requests, tokens = ask.tokens, until_ms = now + after + GRACE_MS,
  })
end

-- The choice --------------------------------------------------------------------------------------------------------------

-- The wait, and the preference among equal waits.
local function rank(candidate, lane, ask, turn)
  local cost = cost_of(lane, ask.tokens)
  local wait = wait_for(lane, ask.requests, cost, turn)
  if candidate.not_before > wait then wait = candidate.not_before end
  local used = 1 - share_left_after(lane, ask.requests, cost, now + wait)
  return wait, -used / candidate.weight
end

-- Either the index of the candidate that takes it, its wait, and why; or the index where it starts; or what it exceeds.
local function choose(ask, turn)
  local candidates, waits, nearness, offers = ask.candidates, {}, {}, 0
  local earliest, preferred, home, to_be, to_be_wait, metric, limit
  for index = 1, #candidates do
    local candidate = candidates[index]
    local lane = configured_lane_at(candidate.place)
    local exceeded, capacity
    if not ask.force then
      exceeded, capacity = exceeded_by(lane, ask.requests, ask.tokens)
    end
    if exceeded then
      if not limit or capacity > limit then metric, limit = exceeded, capacity end
    else
      local tpm = lane[TPM]
      local near = candidate.affinity * candidate.weight * (tpm and tpm.capacity or HOME_SHARE_OF_UNKNOWN)
      nearness[index] = near
      local start = ask.force and 0 or start_wait(lane, turn)
      if start > 0 then
        if candidate.not_before > start then start = candidate.not_before end
        if not to_be or near > nearness[to_be] then to_be, to_be_wait = index, start end
      else
        local wait, preference = rank(candidate, lane, ask, turn)
        waits[index], offers = wait, offers + 1
        if not home or near > nearness[home] then home = index end
        if not earliest or wait < waits[earliest] or wait == waits[earliest] and preference > preferred then
          earliest, preferred = index, preference
        end
      end
    end
  end
  if not earliest then
    return { starting = to_be, metric = metric or RPM, limit = limit or 0 }
  end
  local soonest = waits[earliest]
  local latest = min(soonest + ask.cache_worth, max(ask.patience, soonest))
  if to_be then
    local is_worth_it = soonest > HORIZON_MS and to_be_wait < soonest
    if nearness[to_be] > nearness[home] then is_worth_it = to_be_wait <= latest end
    if is_worth_it then return { starting = to_be } end
  end
  local chosen, because = earliest, nil
  if ask.force then
    because = FORCED
  elseif offers == 1 and not to_be then
    because = ONLY
  elseif nearness[home] > 0 then
    chosen = nil
    for index = 1, #candidates do
      local wait = waits[index]
      if wait and wait <= latest and (not chosen or nearness[index] > nearness[chosen]) then
        chosen = index
      end
    end
    -- Several keys of one organization are one home.
    because = candidates[chosen].place == candidates[home].place and CACHE or SPILLED
  else
    because = EARLIEST
    for index = 1, #candidates do
      if index ~= earliest and waits[index] == soonest then because = MOST_ROOM end
    end
  end
  return { candidate = chosen, wait = waits[chosen], because = because, waits = waits }
end

local function later(ask, index, turn, after, wait)
  enter_claim(lane_at(ask.candidates[index].place), ask, turn, after)
  return pack('<dddd', LATER, after, wait, index - 1)
end

local function book(ask)
  local ticket = take_claim(ask.claim_place, ask.claimant) or INFINITY
  local turn = { urgency = ask.urgency, due = now + ask.due_in, ticket = ticket }
  local choice = choose(ask, turn)
  if choice.starting then return later(ask, choice.starting, turn, START_AGAIN_MS, 0) end
  if not choice.candidate then return pack('<ddd', NEVER, choice.metric - 1, choice.limit) end
  local wait = choice.wait
  if ask.force then
    wait = 0
  elseif wait > HORIZON_MS then
    return later(ask, choice.candidate, turn, wait - HORIZON_MS, wait)
  end
  local lane = lane_at(ask.candidates[choice.candidate].place)
  touch(lane)
  lane.is_booked = true
  local cost, send = cost_of(lane, ask.tokens), now + wait
  local levels, corrected = {}, {}
  for metric = 1, 4 do
    local bucket = lane[metric]
    if bucket then
      -- What would flow over until it is sent is gone as well.
      local most = bucket.capacity - bucket.rate * wait
      set_level(bucket, min(bucket.left, most) - (metric % 2 == 0 and cost or ask.requests))
      levels[metric] = bucket.left
      corrected[metric] = bucket.corrected
    else
      levels[metric], corrected[metric] = UNKNOWN, 0
    end
  end
  -- After the clock was set back.
  lane.since = min(lane.since, now)
  lane.unsettled = lane.unsettled + 1
  if lane.first_booking == -INFINITY then lane.first_booking = now end
  lane.last_send = max(lane.last_send, send)
  lane.requests = lane.requests + ask.requests
  lane.estimated = lane.estimated + ask.tokens
  lane.tokens = lane.tokens + cost
  lane.squares = lane.squares + cost * cost
  local near_requests, near_tokens = join(lane, ask.requests, cost, send)
  local tokens_left = UNKNOWN
  if lane[TPM] then tokens_left = max(level_at(lane[TPM], now + wait), 0) end
  local answer = {
    pack('<ddddddddddddddddddddddd', BOOKED, choice.candidate - 1, wait, choice.because, tokens_left,
      ask.requests, cost, now, send, levels[1], levels[2], levels[3], levels[4],
      corrected[1], corrected[2], corrected[3], corrected[4],
      lane.requests, lane.estimated, lane.tokens, lane.squares, near_requests, near_tokens),
  }
  for index = 1, #ask.candidates do
    answer[index + 1] = pack('<d', choice.waits[index] or INFINITY)
  end
  return table.concat(answer)
end

local LAST = { urgency = -2147483648, due = INFINITY, ticket = INFINITY }

local function look(ask)
  local answer = {}
  for index = 1, #ask.candidates do
    local candidate = ask.candidates[index]
    local lane = configured_lane_at(candidate.place)
    local wait, preference = rank(candidate, lane, ask, LAST)
    if exceeded_by(lane, ask.requests, ask.tokens) then wait = INFINITY end
    local rpm, tpm = lane[RPM], lane[TPM]
    answer[index] = pack('<dddddd', wait, preference,
      rpm and max(rpm.left, 0) or UNKNOWN, tpm and max(tpm.left, 0) or UNKNOWN,
      rpm and rpm.known and rpm.capacity or UNKNOWN, tpm and tpm.known and tpm.capacity or UNKNOWN)
  end
  return table.concat(answer)
end

-- The end of a booking ----------------------------------------------------------------------------------------------------

local function learn_limit(lane, metric, limit, remaining)
  local ours = lane.configured[metric]
  if ours ~= 0 and ours < limit then limit = ours end
  lane.factor = nil
  local bucket = lane[metric]
  if not bucket then
    bucket = full(metric, limit)
    lane[metric] = bucket
    if remaining == remaining then set_level(bucket, remaining) end
  elseif not bucket.known or bucket.capacity ~= limit then
    set_capacity(bucket, limit)
  end
end

local function learn(lane, taken, error, step, between, crowd, trusted, refused)
  local learned = lane.learned
  local deviation = error
  if refused then deviation = max(math.abs(error - taken.tokens), taken.tokens) end
  local squares = max(between.squares, 1)
  local most = MOST_SPREAD * MOST_SPREAD * squares
  local squared_error = min(max(deviation * deviation - crowd * crowd / 3, 0), most)
  learned.squared_errors = learned.squared_errors * READING_MEMORY + squared_error
  learned.squares = learned.squares * READING_MEMORY + squares
  learned.readings = learned.readings * READING_MEMORY + 1
  if not refused then
    decay(learned)
    local most_step = (MOST_FACTOR - 1) * max(between.tokens, 0)
    learned.corrected = learned.corrected + min(max(step, -most_step), most_step)
    if trusted then
      decay(learned)
      learned.estimated = learned.estimated + between.estimated
      learned.booked = learned.booked + between.tokens
    end
  end
  lane.factor, lane.squared_spread = nil, nil
  for metric = TPM, TPD, 2 do
    if lane[metric] then lane[metric].doubt = nil end
  end
end

-- The latest reading that was believed, of tokens or of requests.
local function confirmed_of(lane, of_tokens)
  if of_tokens then return lane.confirmed end
  if not lane.confirmed_requests then
    local text = lane.fields['confirmed:requests']
    lane.confirmed_requests = text and numbers_of(text) or { -INFINITY, 0 }
  end
  return lane.confirmed_requests
end

local function correct(lane, metric, taken, remaining, limit, refused)
  local bucket, level = lane[metric], taken.levels[metric]
  if not bucket or level ~= level then return end
  local of_tokens = metric % 2 == 0
  local confirmed = confirmed_of(lane, of_tokens)
  if confirmed[1] > taken.send or confirmed[1] == taken.send and confirmed[2] > taken.volume[1] then return end
  local refill = bucket.rate * (taken.send - taken.booked)
  local predicted = min(level + refill, bucket.capacity)
  local error = remaining - predicted - (bucket.corrected - taken.corrected[metric])
  -- What is left of a larger limit than the user allows is not the user's to use.
  if limit == limit and limit > bucket.capacity and error > 0 then error = 0 end

  local between = { requests = taken.volume[1] - confirmed[2] }
  if between.requests < taken.requests then
    between = {
      requests = taken.requests, estimated = taken.tokens,
      tokens = taken.tokens, squares = taken.tokens * taken.tokens,
    }
  elseif of_tokens then
    between.estimated = taken.volume[2] - confirmed[3]
    between.tokens = taken.volume[3] - confirmed[4]
    between.squares = taken.volume[4] - confirmed[5]
  end
  local crowd_requests, crowd_tokens = around(lane, taken.near_requests, taken.near_tokens, taken.send)
  local crowd = of_tokens and crowd_tokens or crowd_requests
  local trusted = 1
  if not refused then
    if of_tokens then
      trusted = trust(variance_of(lane, between.squares), crowd)
    else
      trusted = trust(SPREAD_OF_REQUESTS * SPREAD_OF_REQUESTS * between.requests, crowd)
    end
  end
  local gain = 1
  if not refused then gain = (error < 0 and GAIN_DOWN or GAIN_UP) * trusted end
  local step = error * gain
  set_level(bucket, bucket.left + step)
  bucket.corrected = bucket.corrected + step
  local is_trusted = trusted >= CONFIRMING_TRUST
  if is_trusted then
    confirmed[1] = taken.send
    if taken.volume[1] > confirmed[2] then
      confirmed[2] = taken.volume[1]
      if of_tokens then
        confirmed[3], confirmed[4], confirmed[5] = taken.volume[2], taken.volume[3], taken.volume[4]
      end
    end
    confirmed.changed = true
  end
  if metric == TPM or metric == TPD and not lane[TPM] then
    learn(lane, taken, error, step, between, crowd, is_trusted, refused)
  end
end

-- Nothing is sent on a lane for so long; `block` is unknown where nothing was said.
local function block_for(lane, block)
  if block == block then
    lane.blocked_until = max(lane.blocked_until, now + block)
    lane.is_blocked = true
  end
end

local function settle(operation)
  local words = { unpack_doubles('<dddddddddddddddddddddddddddddd', operation, 2) }
  local lane = lane_at(words[1])
  local taken = {
    requests = words[2], tokens = words[3], booked = words[4], send = words[5],
    levels = { words[6], words[7], words[8], words[9] },
    corrected = { words[10], words[11], words[12], words[13] },
    volume = { words[14], words[15], words[16], words[17] },
    near_requests = words[18], near_tokens = words[19],
  }
  -- Redis has lost the lane of this booking since.
  if lane.is_new and not lane.is_touched or taken.booked < lane.since then return end
  local refused, unspent = words[20] == 1, words[21]
  local requests_limit, requests_remaining, requests_metric = words[22], words[23], words[24] * 2 + 1
  local tokens_limit, tokens_remaining, tokens_metric = words[25], words[26], words[27] * 2 + 2
  local hit_metric, hit_limit, block = words[28], words[29], words[30]
  touch(lane)
  lane.is_settled = true
  lane.unsettled = max(lane.unsettled - 1, 0)
  if unspent ~= ALL then lane.answers = lane.answers + 1 end
  local requests_are_told, tokens_are_told = requests_remaining == requests_remaining, tokens_remaining == tokens_remaining
  lane.tokens_are_told = lane.tokens_are_told or tokens_are_told
  if requests_limit == requests_limit then learn_limit(lane, requests_metric, requests_limit, requests_remaining) end
  if tokens_limit == tokens_limit then learn_limit(lane, tokens_metric, tokens_limit, tokens_remaining) end
  if hit_limit == hit_limit then learn_limit(lane, hit_metric + 1, hit_limit, UNKNOWN) end
  for metric = 1, 4 do
    local of_tokens = metric % 2 == 0
    local remaining
    if of_tokens and tokens_are_told and metric == tokens_metric then remaining = tokens_remaining end
    if not of_tokens and requests_are_told and metric == requests_metric then remaining = requests_remaining end
    local level, bucket = taken.levels[metric], lane[metric]
    if remaining then
      correct(lane, metric, taken, remaining, of_tokens and tokens_limit or requests_limit, refused)
    elseif bucket and level == level then
      local amount = 0
      if of_tokens then
        if unspent == ALL or unspent == TOKENS_ONLY then amount = taken.tokens end
      elseif unspent == ALL then
        amount = taken.requests
      end
      set_level(bucket, bucket.left + amount)
    end
  end
  block_for(lane, block)
end

local function observe(operation)
  local place, requests, tokens, requests_left, tokens_left = unpack_doubles('<ddddd', operation, 2)
  local lane = configured_lane_at(place)
  touch(lane)
  lane.factor = nil
  for metric = RPM, TPM do
    local amount, left = requests, requests_left
    if metric == TPM then amount, left = tokens, tokens_left end
    local bucket = lane[metric]
    if left == left then
      if not bucket then
        bucket = full(metric, max(left + amount, 1))
        bucket.known = false
        lane[metric] = bucket
      elseif not bucket.known and left + amount > bucket.capacity then
        set_capacity(bucket, left + amount)
        bucket.known = false
      end
      set_level(bucket, left)
    elseif bucket then
      set_level(bucket, bucket.left - amount)
    end
  end
  if lane[RPD] then set_level(lane[RPD], lane[RPD].left - requests) end
  if lane[TPD] then set_level(lane[TPD], lane[TPD].left - tokens) end
end

-- What was used of the lane while its process could not say so: of each metric, and the most that can be left before that, which
-- counts for a lane that has come to be since `alone` ms, for then Redis has lost the lane of before.
local function charge(operation)
  local place, number, alone, block, rpm, tpm, rpd, tpd, most_rpm, most_tpm, most_rpd, most_tpd, at =
    unpack_doubles('<dddddddddddd', operation, 2)
  local used, most = { rpm, tpm, rpd, tpd }, { most_rpm, most_tpm, most_rpd, most_tpd }
  local lane = lane_at(place)
  lane.charged = lane.charged or {}
  local process = 'charged:' .. sub(operation, at)
  local last = lane.charged[process] or tonumber(match(lane.fields[process] or '0', '%S+'))
  -- Its process was not told that it had arrived.
  if number <= last then return end
  lane.charged[process] = number
  touch(lane)
  local is_lost = lane.since > now - alone
  for metric = 1, 4 do
    local bucket = lane[metric]
    if bucket then
      local left = bucket.left
      if is_lost and most[metric] < left then left = most[metric] end
      set_level(bucket, left - used[metric])
    end
  end
  block_for(lane, block)
end

-- How many processes use these lanes, this one included.
local this_process, gone_processes

local function count_processes(operation)
  this_process = 'process:' .. sub(operation, 2)
  gone_processes = {}
  local flat, count = call('HGETALL', KEYS[1]), 1
  for index = 1, #flat, 2 do
    local field = flat[index]
    if sub(field, 1, 8) == 'process:' and field ~= this_process then
      if tonumber(flat[index + 1]) + PROCESS_KEPT_MS > now then count = count + 1
      else gone_processes[#gone_processes + 1] = field end
    end
  end
  return pack('<d', count)
end

-- The batch ---------------------------------------------------------------------------------------------------------------

-- Most who ask at the same time ask for the same lanes.
local known_candidates = {}

local function candidates_of(words, count)
  local candidates = known_candidates[words]
  if not candidates then
    candidates = {}
    local at, place, weight, not_before, affinity = 1
    for index = 1, count do
      place, weight, not_before, affinity, at = unpack_doubles('<dddd', words, at)
      candidates[index] = { place = place, weight = weight, not_before = not_before, affinity = affinity }
    end
    known_candidates[words] = candidates
  end
  return candidates
end

local function ask_of(operation)
  local claim_place, claimant, requests, tokens, force, urgency, due_in, patience, cache_worth, count, at =
    unpack_doubles('<dc16dddddddd', operation, 2)
  return {
    claim_place = claim_place, claimant = claimant, requests = requests, tokens = tokens,
    force = force == 1, urgency = urgency, due_in = due_in, patience = patience, cache_worth = cache_worth,
    candidates = candidates_of(sub(operation, at), count),
  }
end

local function save(lane)
  local key, fields = KEYS[lane.place + 2], lane.fields
  local words, count, gone = { key }, 1, {}
  local function set(field, text)
    words[count + 1], words[count + 2] = field, text
    count = count + 2
  end
  local function number(field, value)
    set(field, format('%.17g', value))
  end
  if lane.since ~= tonumber(fields.since_ms) then number('since_ms', lane.since) end
  if lane.is_new or lane.is_configured_anew then
    local limit = lane.configured
    set('configured', format('%.17g, %.17g, %.17g, %.17g', limit[1], limit[2], limit[3], limit[4]))
  end
  local kept = max(lane.blocked_until - now, 0)
  for metric = 1, 4 do
    local bucket = lane[metric]
    if bucket then
      local name = NAMES[metric]
      if bucket.changed then
        number('level:' .. name, bucket.level)
        number('at_ms:' .. name, bucket.at)
        number('capacity:' .. name, bucket.capacity)
        if not bucket.known then
          set('capacity_is_known:' .. name, '0')
        elseif fields['capacity_is_known:' .. name] then
          gone[#gone + 1] = 'capacity_is_known:' .. name
        end
        if lane.is_settled then number('corrected:' .. name, bucket.corrected) end
      end
      kept = max(kept, (bucket.capacity - bucket.left) / bucket.rate)
    end
  end
  if lane.is_booked then
    set('volume', format('%.17g, %.17g, %.17g, %.17g', lane.requests, lane.estimated, lane.tokens, lane.squares))
    set('crowd', format('%.17g, %.17g, %.17g', lane.crowd[1], lane.crowd[2], lane.crowd[3]))
    set('crowd_peak', format('%.17g, %.17g, %.17g', lane.peak[1], lane.peak[2], lane.peak[3]))
    number('last_send_ms', lane.last_send)
    number('first_booking_ms', lane.first_booking)
  end
  if lane.is_booked or lane.is_settled then number('unsettled', lane.unsettled) end
  if lane.is_settled then
    number('answers', lane.answers)
    if lane.tokens_are_told then set('tokens_are_told', '1') end
    local requests, tokens, learned = lane.confirmed_requests, lane.confirmed, lane.learned
    if requests and requests.changed then
      set('confirmed:requests', format('%.17g, %.17g', requests[1], requests[2]))
    end
    if tokens.changed then
      set('confirmed:tokens',
        format('%.17g, %.17g, %.17g, %.17g, %.17g', tokens[1], tokens[2], tokens[3], tokens[4], tokens[5]))
    end
    set('learned', format('%.17g, %.17g, %.17g, %.17g, %.17g, %.17g, %.17g', learned.estimated, learned.booked,
      learned.corrected, learned.decayed_at, learned.squared_errors, learned.squares, learned.readings))
  end
  if lane.is_blocked then number('blocked_until_ms', lane.blocked_until) end
  for claimant in pairs(lane.changed_claims or {}) do
    local claim = lane.claims[claimant]
    if claim then
      local due = claim.due == INFINITY and 'never' or format('%.17g', claim.due)
      set('claim:' .. claimant, format('%.17g %.17g %s %.17g %.17g %.17g',
        claim.ticket, claim.urgency, due, claim.requests, claim.tokens, claim.until_ms))
    else
      gone[#gone + 1] = 'claim:' .. claimant
    end
  end
  if lane.charged then
    for process, number in pairs(lane.charged) do set(process, format('%.0f %.0f', number, now)) end
    for field, text in pairs(fields) do
      local is_old = sub(field, 1, 8) == 'charged:' and tonumber(match(text, '%S+ (%S+)')) + CHARGE_KEPT_MS < now
      if is_old and not lane.charged[field] then gone[#gone + 1] = field end
    end
  end
  local claims = 0
  for _, claim in pairs(lane.claims) do
    claims = claims + 1
    kept = max(kept, claim.until_ms - now)
  end
  if lane.changed_claims then number('claims', claims) end
  if count > 1 then call('HSET', unpack(words)) end
  if #gone > 0 then call('HDEL', key, unpack(gone)) end
  -- Redis takes no number of any size.
  call('PEXPIRE', key, format('%.0f', min(kept, LONGEST_KEPT_MS) + KEPT_MS))
end

local answers = {}
for index = 3, #ARGV do
  local operation = ARGV[index]
  local kind = sub(operation, 1, 1)
  if kind == 'b' then
    answers[#answers + 1] = book(ask_of(operation))
  elseif kind == 's' then
    settle(operation)
  elseif kind == 'l' then
    answers[#answers + 1] = look(ask_of(operation))
  elseif kind == 'o' then
    observe(operation)
  elseif kind == 'c' then
    charge(operation)
  elseif kind == 'p' then
    answers[#answers + 1] = count_processes(operation)
  else
    take_claim(unpack_doubles('<dc16', operation, 2))
  end
end
if tickets_given then call('HSET', KEYS[1], 'last_ticket', format('%.0f', last_ticket)) end
if this_process then
  call('HSET', KEYS[1], this_process, format('%.0f', now))
  if #gone_processes > 0 then call('HDEL', KEYS[1], unpack(gone_processes)) end
end
if tickets_given or this_process then call('PEXPIRE', KEYS[1], LINE_KEPT_MS) end
for index = 1, #touched do save(touched[index]) end
return answers
