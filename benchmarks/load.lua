-- Sends what the files named after `--` hold, in turn, and prints its summary as one line of JSON. A file is a body that
-- is posted, or, where its name ends in `.http`, whole requests, each behind a line with its length.
local prepared, turn = {}, 0

local function in_turn()
  turn = turn % #prepared + 1
  return prepared[turn]
end

function init(arguments)
  wrk.method = "POST"
  for _, name in ipairs(arguments) do
    local file = assert(io.open(name, "rb"))
    if name:find("%.http$") then
      for line in file:lines() do
        prepared[#prepared + 1] = file:read(tonumber(line))
      end
    elseif #arguments == 1 then
      wrk.body = file:read("*a") -- without a function `request`, wrk does not copy the body for each request
    else
      prepared[#prepared + 1] = wrk.format(nil, nil, nil, file:read("*a"))
    end
    file:close()
  end
  if #prepared > 0 then
    request = in_turn
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
