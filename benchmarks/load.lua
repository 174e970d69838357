-- Posts the bodies in the files named after `--`, in turn, and prints its summary as one line of JSON.
local prepared, turn = {}, 0

local function contents(name)
  local file = assert(io.open(name, "rb"))
  local body = file:read("*a")
  file:close()
  return body
end

local function in_turn()
  turn = turn % #prepared + 1
  return prepared[turn]
end

function init(arguments)
  wrk.method = "POST"
  if #arguments == 1 then
    wrk.body = contents(arguments[1]) -- without a function `request`, wrk does not copy the body for each request
    return
  end
  for index, name in ipairs(arguments) do
    prepared[index] = wrk.format(nil, nil, nil, contents(name))
  end
  request = in_turn
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
