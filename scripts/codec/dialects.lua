-- codec.dialects: where servers that speak OpenAI's formats differ from OpenAI.
-- SPDX-License-Identifier: MIT
--
-- One entry a dialect; members that are absent mean "as OpenAI":
--   hosts         hosts of base_url that speak it; with a dot before it, endings of them
--   limit         the member for the longest answer: "max_tokens" where the newer name is unknown
--   stream_options false: refused; usage comes without being asked for
--   refuses       members of a request that are refused or mean something else: they are left out
--   takes         members of the hub that OpenAI has not, and this server has
--   reasoning     the reasoning that goes back with an assistant's message: "reasoning_content", or
--                 "reasoning"; with reasoning_when = "tools" only in messages that call tools
--   details       true: takes reasoning_details of any provider
--   extra_content true: takes what Google's own form hangs on tool calls
--   json_schema   false: response_format knows only json_object
--   rename        members that have another name there
--   cache_control true: takes Anthropic's cache_control on parts
--   names         false: messages must not have a name
--   text_only     true: a message's content must be a string
--   developer     false: knows only the role "system"
--   tool_ids      { pattern, least, most characters } of the only ids of tool calls that are taken
--   efforts       reasoning_effort: what each word becomes; a word that is absent is left out
--   instructions  false: the Responses API has none; they go as a message
--   prefix        true: a last message that the model is to go on from must say "prefix"; a text: and only
--                 where the address has it in its path
--   is_openai     true: OpenAI's own rules for its reasoning models hold

local dialects = {}

local list = {
   -- An id of a tool call of more than 40 characters is refused ("string too long").
   openai = { hosts = { "api.openai.com" }, is_openai = true, tool_ids = { "", 1, 40 } },
   -- learn.microsoft.com: Azure OpenAI REST reference. The models' rules are OpenAI's.
   azure = { hosts = { ".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com" },
      is_openai = true, tool_ids = { "", 1, 40 } },
   -- console.groq.com/docs/openai: logprobs, logit_bias, top_logprobs and messages[].name are refused (400),
   -- n must be 1. docs/reasoning: the text comes as "reasoning" and may go back.
   groq = { hosts = { "api.groq.com" }, names = false, reasoning = "reasoning",
      refuses = { "logprobs", "top_logprobs", "logit_bias", "n", "metadata", "store" } },
   -- docs.mistral.ai/api: unknown members are refused (422, "extra_forbidden"); seed is random_seed. Ids
   -- of tool calls are nine letters and digits ("must be a-z, A-Z, 0-9, with a
   -- length of 9"). Usage comes in the last chunk of every stream.
   mistral = { hosts = { "api.mistral.ai", "codestral.mistral.ai" }, limit = "max_tokens",
      stream_options = false, developer = false, tool_ids = { "^%w+$", 9, 9 },
      rename = { seed = "random_seed" }, names = false, prefix = true,
      refuses = { "logprobs", "top_logprobs", "logit_bias", "user", "store", "metadata", "service_tier",
         "verbosity", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "web_search_options",
         "modalities", "audio" },
      efforts = { none = "none", high = "high", xhigh = "high", max = "high" } },
   -- api-docs.deepseek.com/guides/thinking_mode: in turns with tool calls the reasoning must go back, in
   -- others it is passed over (older models: refused).
   -- guides/chat_prefix_completion: below /beta.
   deepseek = { hosts = { "api.deepseek.com" }, prefix = "/beta", limit = "max_tokens",
      developer = false, reasoning = "reasoning_content", reasoning_when = "tools", text_only = true,
      json_schema = false,
      refuses = { "n", "seed", "logit_bias", "store", "metadata", "service_tier", "verbosity", "modalities",
         "audio", "parallel_tool_calls" },
      efforts = { none = "none", minimal = "low", low = "low", medium = "high", high = "high",
         xhigh = "high", max = "max" } },
   -- docs.x.ai: reasoning models refuse presence_penalty, frequency_penalty and stop; the Responses API
   -- refuses instructions.
   xai = { hosts = { "api.x.ai" }, reasoning = "reasoning_content", instructions = false,
      refuses = { "logit_bias", "store", "metadata", "service_tier", "verbosity", "modalities", "audio" },
      refuses_when_reasoning = { "presence_penalty", "frequency_penalty", "stop" } },
   -- openrouter.ai/docs: reasoning_details go back unchanged; cache_control as Anthropic writes it; top_k.
   openrouter = { hosts = { "openrouter.ai" }, details = true, cache_control = true,
      takes = { top_k = true, reasoning = true, reasoning_effort = true }, reasoning = "reasoning" },
   -- docs.together.ai/reference/chat-completions-1
   together = { hosts = { "api.together.xyz", "api.together.ai" }, limit = "max_tokens", developer = false,
      takes = { top_k = true }, reasoning = "reasoning",
      refuses = { "store", "metadata", "service_tier", "verbosity", "modalities", "audio" } },
   -- docs.perplexity.ai: tools are not known, roles must alternate, content is text or images.
   perplexity = { hosts = { "api.perplexity.ai" }, limit = "max_tokens", developer = false,
      takes = { top_k = true }, stream_options = false, names = false,
      refuses = { "tools", "tool_choice", "parallel_tool_calls", "seed", "n", "logprobs", "top_logprobs",
         "logit_bias", "store", "metadata", "user", "service_tier", "verbosity", "modalities", "audio",
         "stop" } },
   -- platform.moonshot.ai/docs/api/chat: max_tokens; thinking models want their reasoning back in turns with
   -- tool calls.
   moonshot = { hosts = { "api.moonshot.ai", "api.moonshot.cn" }, limit = "max_tokens", developer = false,
      reasoning = "reasoning_content", reasoning_when = "tools",
      refuses = { "logit_bias", "store", "metadata", "service_tier", "verbosity", "modalities", "audio" } },
   -- docs.fireworks.ai/api-reference/post-chatcompletions
   fireworks = { hosts = { "api.fireworks.ai" }, limit = "max_tokens", developer = false,
      takes = { top_k = true }, reasoning = "reasoning_content",
      refuses = { "store", "service_tier", "verbosity", "modalities", "audio" } },
   -- inference-docs.cerebras.ai/resources/openai: logit_bias, frequency_penalty, presence_penalty and
   -- service_tier are refused (400).
   cerebras = { hosts = { "api.cerebras.ai" }, developer = false, reasoning = "reasoning", text_only = true,
      refuses = { "logit_bias", "frequency_penalty", "presence_penalty", "service_tier", "store", "metadata",
         "n", "verbosity", "modalities", "audio" } },
   -- ai.google.dev/gemini-api/docs/openai: thought signatures stand in extra_content of tool calls.
   google = { hosts = { "generativelanguage.googleapis.com" }, extra_content = true,
      refuses = { "seed", "logprobs", "top_logprobs", "logit_bias", "store", "metadata", "service_tier",
         "verbosity", "user" } },
   -- docs.vllm.ai, OpenAI-compatible server: takes sampling members of its own; null is refused in places.
   vllm = { takes = { top_k = true }, reasoning = "reasoning_content", developer = false,
      refuses = { "store", "metadata", "service_tier", "verbosity", "prediction", "modalities", "audio" } },
   -- github.com/ggml-org/llama.cpp, tools/server
   llamacpp = { takes = { top_k = true }, limit = "max_tokens", reasoning = "reasoning_content",
      developer = false, refuses = { "store", "metadata", "service_tier", "verbosity", "prediction" } },
   -- docs.ollama.com/api/openai-compatibility: what it does not know it passes over. The name of the default
   -- provider; the "ollama" codec is the better way.
   ollama = { limit = "max_tokens", developer = false, reasoning = "reasoning" },
}

-- A server that is not known; all know the older name. Of what its own clients say nothing is renamed.
local other = { limit = "max_tokens", is_unknown = true }

local function ends_with(text, ending)
   return text == ending or ending:sub(1, 1) == "." and text:sub(-#ending) == ending
end

local function find(provider)
   if provider.dialect and list[provider.dialect] then return list[provider.dialect] end
   local host = provider.host or ""
   for _, entry in pairs(list) do
      for _, ending in ipairs(entry.hosts or {}) do
         if ends_with(host, ending) then return entry end
      end
   end
   local named = list[provider.name or ""]
   if named and (host == "" or not named.hosts) then return named end
   return other
end

local found = setmetatable({}, { __mode = "k" }) -- by the facts of the provider, which stay

-- dialects.of(provider) -> the entry.
--   provider: its facts of the configuration, { name =, host =, dialect = }, any of them absent, or nil. The
--   address tells more than the name: who calls his own server "openai" still means his own server.
function dialects.of(provider)
   if type(provider) ~= "table" then return other end
   if not found[provider] then found[provider] = find(provider) end
   return found[provider]
end

-- The model's own name: "openai/gpt-5" -> "gpt-5".
local function bare(model)
   return (model or ""):lower():match "[^/]*$"
end

local function has(list_, wanted)
   for _, value in ipairs(list_ or {}) do
      if value == wanted then return true end
   end
   return false
end

-- Does the model's entry of the catalogue say so?
local function is_told(facts, name)
   return type(facts) == "table" and has(facts.dialect, name)
end

-- dialects.reasons(model, facts) -> does the model think before it answers? nil: nothing tells.
--   facts: its entry of the catalogue ({ capabilities =, dialect = }), or nil
function dialects.reasons(model, facts)
   local capabilities = type(facts) == "table" and facts.capabilities
   if has(capabilities, "reasoning") then return true end
   local name = bare(model)
   if name:find "^gpt%-5.*chat" then return false end
   if name:find "^o%d" or name:find "^gpt%-5" or name:find "^codex" then return true end
   if capabilities or name:find "^gpt%-[34]" or name:find "^chatgpt" then return false end
end

-- dialects.newer_limit(model, facts) -> does OpenAI take only max_completion_tokens for it?
function dialects.newer_limit(model, facts)
   if is_told(facts, "max_completion_tokens") then return true end
   local name = bare(model)
   return name:find "^o%d" ~= nil or name:find "^gpt%-5" ~= nil or name:find "^codex" ~= nil
end

-- dialects.fixed_sampling(model, facts, effort) -> does OpenAI refuse temperature, top_p, logprobs for it?
-- Reasoning models do; gpt-5.1 and later only while they reason, and unless told to, they do not.
-- Source: developers.openai.com, "Using GPT-5.2", parameter compatibility.
function dialects.fixed_sampling(model, facts, effort)
   local name = bare(model)
   if name:find "^gpt%-5%.%d" and not name:find "codex" and not name:find "pro" then
      return effort ~= nil and effort ~= "none"
   end
   return is_told(facts, "no_sampling") or dialects.newer_limit(model) and dialects.reasons(model, facts)
end

return dialects
