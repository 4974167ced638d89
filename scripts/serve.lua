-- serve: from a client's request to its answer. Finds the policy, runs it, sends what it returned.
-- SPDX-License-Identifier: MIT

local clock = require "clock"
local config = require "config"
local errors = require "errors"
local json = require "json"
local llm = require "llm"
local models = require "models"
local policies = require "policies"
local policy = require "policy"
local trace = require "trace"

local serve = {}

-- The doors: which codec a client speaks.
local doors = { openai = require "codec.openai" }

-- Every policy's parameters: its own defaults under those of the configuration.
local params = {}
for name, definition in pairs(policies) do
   params[name] = policy.params(definition, config.policies[name])
end
for name in pairs(config.policies) do
   if policies[name] == nil then
      error(("configuration: policies.%s: there is no policy of that name"):format(name), 0)
   end
end
if policies[config.default_policy] == nil then
   error(("configuration: default_policy: there is no policy '%s'"):format(config.default_policy), 0)
end

-- Each run gets parameters of its own: what it does to them is gone with it.
local function copy(value)
   if type(value) ~= "table" then return value end
   local own = {}
   for key, item in pairs(value) do own[key] = copy(item) end
   return own
end

-- What a client means by 'model': the definition of a policy, its parameters, and whether the client
-- named a model instead of the policy | nil, err.
local function choose(name)
   if type(name) ~= "string" or name == "" then
      return nil, errors.new { code = "bad_request", param = "model", type = "invalid_request_error",
         message = "you must provide a model: the name of a policy, \"auto\", or \"provider/model\"" }
   end
   local wanted = name == "auto" and config.default_policy or name:match("^baton/(.+)$") or name
   if policies[wanted] ~= nil then return policies[wanted], copy(params[wanted]) end
   local entry, err = models.resolve(wanted)
   if not entry then return nil, err end
   return policies.direct, { model = wanted }, true
end

local function meta_of(req, name, include_usage)
   return {
      id = "chatcmpl-" .. trace.id(), created = math.floor(clock.now()), model = name,
      include_usage = include_usage,
   }
end

local function asked_for_usage(req)
   local options = req.stream_options
   return type(options) == "table" and options.include_usage == true
end

-- The comment that a debugging client finds at the end of a stream.
local function debug_comment(door, reply)
   local total = trace.total()
   return door.comment("baton " .. json.encode {
      model = reply.name or json.null, attempts = total.attempts, cost_usd = total.cost_usd,
      usage = { input_tokens = total.input_tokens, output_tokens = total.output_tokens },
   })
end

local function finish_stream(answer, door, reply, debug)
   if debug then answer:send(debug_comment(door, reply)) end
   answer:send(door.stream_end)
   answer:finish()
end

-- A stream of the client's own format flows through C; the end mark is ours to send.
local function pass_on(req, answer, door, stream, debug)
   answer:start(200, door.stream_type)
   local ok, err = stream.call:forward(answer, not asked_for_usage(req))
   err = not ok and stream:failure(err) or nil
   stream:settle(err)
   if err then return answer:fail(err) end
   finish_stream(answer, door, stream, debug)
end

-- May the provider's bytes go to the client as they are?
local function untouched(door, reply)
   return reply.codec and reply.codec.format == door.format and reply.raw and not reply.edited
      and (not reply.view or json.same(reply.view.body, reply.raw))
end

local function send_whole(req, answer, door, reply)
   local body = untouched(door, reply) and reply.raw
      or door.answer(reply, meta_of(req, reply.name or "baton"))
   answer:reply(200, "application/json", nil, body)
end

local function send_streamed(req, answer, door, reply, debug)
   local meta = meta_of(req, reply.name or "baton", asked_for_usage(req))
   answer:start(200, door.stream_type)
   answer:send(door.answer_stream(reply, meta))
   finish_stream(answer, door, reply, debug)
end

-- What run returned, as something that can be sent: a reply or a stream.
local function check_result(definition, result, err)
   if llm.is_reply(result) or llm.is_stream(result) then return result end
   if result == nil and err ~= nil then return nil, err end
   errors.raise(("run returned %s; it must return a reply (llm.reply{ text = ... } makes one), a stream, "
      .. "or nil and an error"):format(result == nil and "nothing" or "a " .. type(result)))
end

local function as_error(err)
   if type(err) == "table" and type(err.code) == "string" then return err end
   return errors.new { code = "internal", message = tostring(err) }
end

-- A model that is not there is the client's mistake only when the client named it.
local function blame_policy(definition, err)
   local of_model = err.provider and err.model or err.provider_code == "model_not_found"
   if err.code ~= "not_found" or not of_model then return err end
   local who = ("policy '%s'"):format(definition.name)
   if err.provider and err.model then who = ("%s, model '%s/%s'"):format(who, err.provider, err.model) end
   return errors.new { code = "internal", message = who .. ": " .. err.message, provider = err.provider,
      model = err.model, cause = err }
end

-- Runs a policy: a reply or a stream | nil, err.
local function run_policy(definition, req, p, named)
   trace.policy(definition.name)
   local result, err = check_result(definition, definition.run(req, p))
   if result then return result end
   err = as_error(err)
   return nil, named and err or blame_policy(definition, err)
end

local function send(req, answer, door, result, debug)
   trace.answered(result.name or "baton")
   if llm.is_stream(result) then
      if result.taken then
         errors.raise "run returned a stream that it has read from; return what stream:reply() gives"
      end
      if req.stream == true and result.codec.format == door.format then
         return pass_on(req, answer, door, result, debug)
      end
      local reply, err = result:reply()
      if not reply then return answer:fail(err) end
      result = reply
   end
   if req.stream == true then return send_streamed(req, answer, door, result, debug) end
   send_whole(req, answer, door, result)
end

-- serve.request(req, answer, door, debug): one request of the door (its codec's name). Yields.
function serve.request(req, answer, door_name, debug)
   local door = doors[door_name]
   local wrong = door.check_request(req)
   local definition, p, named = choose(req.model)
   if not definition then return answer:fail(p) end
   if wrong then return answer:fail(wrong) end
   local result, err = run_policy(definition, req, p, named)
   if not result then
      if err.provider and err.model then trace.answered(err.provider .. "/" .. err.model) end
      return answer:fail(err)
   end
   send(req, answer, door, result, debug)
end

-- serve.run(req, name) -> reply or stream | nil, err: a request without a client, for the command
-- line. Yields.
function serve.run(req, name)
   local definition, p, named = choose(name)
   if not definition then return nil, p end
   return run_policy(definition, req, p, named)
end

-- serve.names() -> the names of the policies, as JSON text.
function serve.names()
   local names = json.array {}
   for name in pairs(policies) do names[#names + 1] = name end
   return json.encode(names)
end

local function model_object(name, owner)
   return { id = name, object = "model", created = 0, owned_by = owner }
end

-- serve.models(answer, id): the list of models (policies first), or one of them, in OpenAI's form.
function serve.models(answer, id)
   if id ~= "" then
      local definition, err = choose(id)
      if not definition then return answer:fail(err) end
      local entry = models.resolve(id)
      local owner = policies[id] == nil and entry and entry.provider or "baton"
      return answer:reply(200, "application/json", nil, json.encode(model_object(id, owner)))
   end
   local data = { model_object("auto", "baton") }
   for name in pairs(policies) do data[#data + 1] = model_object(name, "baton") end
   for name in pairs(config.aliases) do data[#data + 1] = model_object(name, "baton") end
   for _, entry in ipairs(models.all()) do data[#data + 1] = model_object(entry.name, entry.provider) end
   answer:reply(200, "application/json", nil, json.encode { object = "list", data = json.array(data) })
end

return serve
