-- What a writer reports of the counters of one slot: as one step, with what it and others have reserved of budgets.
--
-- A writer sends the total of each counter since it began, not a difference. What it reported last stands beside the counters, so
-- that only what is new is added: a report that is sent twice adds nothing the second time.
--
-- KEYS  the writer's hash of what it reported; the hash of reservations, where the report has budgets; then those of counters
-- ARGV  see `wire.rs`
-- Returns `LOST` alone where Redis knows less than this writer was told to be kept: nothing was done, all totals are to be sent.
-- Else `KEPT`; where the report has budgets followed by the live processes, spent and reserved for each limit, and the verdicts.
--
-- Words in capitals are numbers and texts that `wire.rs` fills in.

local call, pcall, format, find = redis.call, redis.pcall, string.format, string.find

local at = 0
local function word()
  at = at + 1
  return ARGV[at]
end
local function number()
  return tonumber(word())
end

local reported = KEYS[1]
local report, expected, reported_kept_ms = word(), number(), word()
if tonumber(call('HGET', reported, 'report') or 0) < expected then return { LOST } end

-- Counters ----------------------------------------------------------------------------------------------------------------

-- What stands in a counter that Redis will not add to: the older module left texts such as NaN.
local function whole(text)
  local number = tonumber(text or 0)
  if not number or number ~= number or number < 0 or number > 2 ^ 53 then return 0 end
  return math.floor(number)
end

-- Adds to a counter; returns an error that is none of the counter's.
local function add(key, field, more)
  local by = format('%.0f', more)
  local added
  if field == '' then added = pcall('INCRBY', key, by) else added = pcall('HINCRBY', key, field, by) end
  if type(added) ~= 'table' or not added.err then return end
  if find(added.err, 'not an integer') then
    if field == '' then
      call('SET', key, format('%.0f', whole(call('GET', key)) + more))
    else
      call('HSET', key, field, format('%.0f', whole(call('HGET', key, field)) + more))
    end
  -- A key that somebody uses for something else, or a counter that is full, is left as it is.
  elseif not find(added.err, 'WRONGTYPE') and not find(added.err, 'overflow') then
    return added
  end
end

local keys, fields, totals, names = {}, {}, {}, {}
for index = 1, number() do
  local key, field, total = KEYS[number()], word(), word()
  keys[index], fields[index], totals[index] = key, field, total
  names[index] = field == '' and key or key .. ' ' .. field
end
local known = #names > 0 and call('HMGET', reported, unpack(names)) or {}
local written, failure = { 'report', report }, nil
for index, total in ipairs(totals) do
  local more = tonumber(total) - tonumber(known[index] or 0)
  if more > 0 then
    failure = add(keys[index], fields[index], more)
    if failure then break end
  end
  written[#written + 1], written[#written + 2] = names[index], total
end
-- Nothing was added where the very first one failed, which is the only one that Redis refuses for want of memory or disk.
if failure and #written == 2 then return failure end
if failure then written[2] = format('%.0f', expected) end
call('HSET', reported, unpack(written))
call('PEXPIRE', reported, reported_kept_ms)
if failure then return failure end
for _ = 1, number() do
  local key, kept_ms = KEYS[number()], word()
  call('PEXPIRE', key, kept_ms)
end

-- Budgets -----------------------------------------------------------------------------------------------------------------

local limits = number()
if limits == 0 then return { KEPT } end

local now = tonumber(word())
if not now then
  local time = call('TIME')
  now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
end
local reserved_key, process = KEYS[2], word()
-- Of each scope and unit (`org_1 tokens`): what this process has reserved, and all have.
local own, all = {}, {}
for _ = 1, number() do
  local name, amount = word(), number()
  own[name], all[name] = amount, amount
end
-- A process that has not reported for so long has died.
local live = 1
local reservations = call('HGETALL', reserved_key)
for index = 1, #reservations, 2 do
  local writer, text = reservations[index], reservations[index + 1]
  local since = tonumber(string.match(text, '^%d+')) or 0
  if writer == process then
    -- It has just said what it has now.
  elseif now - since > STALE_MS then
    call('HDEL', reserved_key, writer)
  else
    live = live + 1
    for name, amount in string.gmatch(string.sub(text, (find(text, ' ') or #text) + 1), '(%S+ %S+) (%d+)') do
      all[name] = (all[name] or 0) + tonumber(amount)
    end
  end
end

local by_name, said = {}, { KEPT, live }
for _ = 1, limits do
  local key, name, limit = KEYS[number()], word(), number()
  local spent = whole(call('HGET', key, name))
  by_name[name] = by_name[name] or {}
  table.insert(by_name[name], limit - spent)
  said[#said + 1] = format('%.0f', spent)
  said[#said + 1] = name
end

local function has_room(name)
  for _, room in ipairs(by_name[name] or {}) do
    if (all[name] or 0) >= room then return false end
  end
  return true
end

local verdicts = {}
for ask = 1, number() do
  local account, amounts = word(), { tokens = number(), nano_usd = number() }
  local names_of = {}
  for unit in pairs(amounts) do
    names_of[account .. ' ' .. unit] = unit
    names_of['* ' .. unit] = unit
  end
  local granted = true
  for name in pairs(names_of) do granted = granted and has_room(name) end
  if granted then
    for name, unit in pairs(names_of) do
      own[name] = (own[name] or 0) + amounts[unit]
      all[name] = (all[name] or 0) + amounts[unit]
    end
  end
  verdicts[ask] = granted and '1' or '0'
end

-- What all have reserved, these asks included.
for index = 4, #said, 2 do said[index] = format('%.0f', all[said[index]] or 0) end
said[#said + 1] = table.concat(verdicts)

local has_left = word() == '1'
if has_left then
  call('HDEL', reserved_key, process)
else
  local words = {}
  for name, amount in pairs(own) do
    if amount > 0 then words[#words + 1] = name .. ' ' .. format('%.0f', amount) end
  end
  table.sort(words)
  call('HSET', reserved_key, process, table.concat({ format('%.0f', now), unpack(words) }, ' '))
  call('PEXPIRE', reserved_key, STALE_MS * 2)
end
return said
