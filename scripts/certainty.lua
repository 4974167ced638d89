-- certainty: how sure an answer is of itself, by what it comes with; no model is asked.
-- SPDX-License-Identifier: MIT
local certainty = {}

-- certainty.of_logprobs(logprobs) -> mean, least | nil. logprobs as in a reply ({ content = { { logprob = },
-- ... } }): the geometric mean of the tokens' probabilities, which does not fall with the length of the
-- answer (Malinin and Gales 2021, arXiv 2002.07650), and the least of them. nil where there are none.
function certainty.of_logprobs(logprobs)
   local content = type(logprobs) == "table" and logprobs.content
   if type(content) ~= "table" then return nil end
   local sum, n, least = 0, 0, 0
   for _, token in ipairs(content) do
      local p = type(token) == "table" and tonumber(token.logprob)
      if p and p <= 0 then sum, n, least = sum + math.max(p, -100), n + 1, math.min(least, p) end
   end
   if n == 0 then return nil end
   return math.exp(sum / n), math.exp(least)
end

-- The words in which models say it when they are asked to (Tian et al. 2023, arXiv 2305.14975).
local NUMBER <const> = "(%d?%d?%d%.?%d?%d?%d?)" -- bounded, so that no text makes a match long
local REPORTS = {
   "confidence ?[:=]? ?%*?%*? ?" .. NUMBER .. " ?(%%?)", "confidence is " .. NUMBER .. " ?(%%?)",
   "<confidence> ?" .. NUMBER .. " ?(%%?)", NUMBER .. " ?(%%) confiden[tc]", NUMBER .. " ?(%%) sure",
   NUMBER .. " ?(%%) certain",
}

-- certainty.of_text(s) -> 0..1 | nil: what an answer says of itself ("Confidence: 85%", "90% sure",
-- "confidence = 0.7"); the last time that it does. A number above 1 is one of 100.
function certainty.of_text(s)
   if type(s) ~= "string" then return nil end
   local tail = s:sub(-2000):lower()
   if not (tail:find("conf", 1, true) or tail:find("sure", 1, true) or tail:find("certain", 1, true)) then
      return nil -- most answers; the patterns would look at every byte
   end
   tail = tail:gsub("%s+", " ")
   for _, pattern in ipairs(REPORTS) do
      local value, percent
      for number, sign in tail:gmatch(pattern) do value, percent = tonumber(number), sign == "%" end
      if value then
         if percent or value > 1 then value = value / 100 end
         if value <= 1 then return value end
      end
   end
   return nil
end

-- certainty.of_number(s, top) -> 0..1 | nil: the first number of an answer to "from 0 to 'top'?"; nil when
-- there is none, or it lies outside.
function certainty.of_number(s, top)
   local value = type(s) == "string" and tonumber(s:match("%d+%.?%d*"))
   if not value or value > top then return nil end
   return value / top
end

-- certainty.of(reply, is_silent?) -> 0..1 | nil, source: the reply's own 'confidence', else by its log
-- probabilities, else by what it says; is_silent: it says nothing of that, there is no need to look.
-- source: "given" | "logprobs" | "report".
function certainty.of(reply, is_silent)
   local p
   if type(reply) == "string" then
      p = certainty.of_text(reply)
      return p, p and "report" or nil
   end
   if type(reply.confidence) == "number" then return reply.confidence, "given" end
   p = certainty.of_logprobs(reply.logprobs)
   if p then return p, "logprobs" end
   if is_silent then return nil end
   p = certainty.of_text(reply.text)
   return p, p and "report" or nil
end

return certainty
