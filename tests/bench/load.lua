-- load: one POST again and again; prints what wrk counted as one line of JSON.
-- SPDX-License-Identifier: MIT
--
-- Body and model come from the environment (BODY_FILE): wrk's own command line has no body.
local file = assert(io.open(os.getenv("BODY_FILE"), "rb"))
wrk.method = "POST"
wrk.body = file:read("a") or file:read("*a")
wrk.headers["Content-Type"] = "application/json"
file:close()

function done(summary, latency)
   local e = summary.errors
   print(string.format('RESULT {"requests":%d,"us":%d,"status":%d,"failed":%d,"p50":%d,"p99":%d}',
      summary.requests, summary.duration, e.status, e.connect + e.read + e.write + e.timeout,
      latency:percentile(50), latency:percentile(99)))
end
