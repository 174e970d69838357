-- Posts the bodies in the files named after `--`, in turn, and prints its summary as one line of JSON.
local prepared, turn = {}, 0

function init(arguments)
  local headers = { ["Content-Type"] = arguments[1] }
  for index = 2, #arguments do
    local file = assert(io.open(arguments[index], "rb"))
    prepared[#prepared + 1] = wrk.format("POST", nil, headers, file:read("*a"))
    file:close()
  end
end

function request()
  turn = turn % #prepared + 1
  return prepared[turn]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
