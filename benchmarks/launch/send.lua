-- Sends each request of a file once (wrk's own scripting). Arguments: the file, the status that every answer must have.
-- Requests are written out whole and end with a NUL, so that the client spends nothing on making them.

local ffi = require("ffi")
ffi.cdef("int getpid(void); int kill(int pid, int signal);")
local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
end

function init(args)
  requests, sent, right, wrong, first_wrong = {}, nil, 0, 0, 0
  local file = assert(io.open(args[1], "rb"))
  for one in file:read("*a"):gmatch("([^%z]+)%z") do
    requests[#requests + 1] = one
  end
  file:close()
  wanted = tonumber(args[2])
  nothing = "GET /livez HTTP/1.1\r\nHost: tool.example\r\n\r\n"
end

function request()
  if sent == nil then -- wrk asks once before it opens a connection, and sends that nowhere
    sent = 0
    return nothing
  end
  sent = sent + 1
  return requests[sent] or "" -- nothing more: what is asked of the server while the last answers are on their way counts
end

function response(status)
  if status == wanted then
    right = right + 1
  elseif status ~= 200 then
    wrong, first_wrong = wrong + 1, first_wrong == 0 and status or first_wrong
  end
  if right + wrong == #requests then
    ffi.C.kill(ffi.C.getpid(), 2) -- wrk knows no number of requests: as if somebody pressed Ctrl-C
  end
end

function done(summary, latency)
  local thread, errors = threads[1], summary.errors
  io.write(string.format(
    '\n{"right": %d, "wrong": %d, "first_wrong": %d, "broken": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f}\n',
    thread:get("right"), thread:get("wrong"), thread:get("first_wrong"),
    errors.connect + errors.read + errors.write + errors.timeout,
    summary.duration / 1e6, latency:percentile(50.0) / 1000, latency:percentile(99.0) / 1000))
end
