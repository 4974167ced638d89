"""Switches: every client's format in a tool loop that goes on with another provider; every fault of every provider.

SPDX-License-Identifier: MIT

The providers are the simulator in each of their formats, which refuses what the real ones refuse.
"""

import json
from concurrent.futures import ThreadPoolExecutor

from base import check, equal, slow
from client import request
from harness import Gateway, Sim, config, provider

PROVIDERS = {  # name: codec, path below the simulator's address
    "chat": ("openai", "/v1"),
    "anthropic": ("anthropic", "/v1"),
    "gemini": ("gemini", "/v1beta"),
    "responses": ("openai_responses", "/v1"),
    "ollama": ("ollama", ""),
}
TIMEOUTS = {"connect": 2, "first_byte": 4, "stall": 2, "total": 15}


class Stage:
    """One simulator, a provider for each format of it, a gateway."""

    def __init__(self, variants=("",), **more):
        self.variants = variants  # endings of the providers' names, for those that must not share their health
        self.more = more

    def __enter__(self):
        self.sim = Sim().__enter__()
        base = "http://" + self.sim.address
        providers = {
            name + variant: provider(base + path, codec=codec, key="k")
            for name, (codec, path) in PROVIDERS.items()
            for variant in self.variants
        }
        self.gateway = Gateway(config(providers, **self.more)).__enter__()
        return self

    def __exit__(self, *error):
        self.gateway.__exit__(*error)
        self.sim.__exit__(*error)

    def ask(self, path, body):
        headers = {"anthropic-version": "2023-06-01"} if "messages" in path else {}
        return request(self.gateway.address, "POST", path, json.dumps(body).encode(), headers)


# ---- a tool loop, as clients of each format go through it ---------------------------------------

QUESTION = "How is the weather in Paris?"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
FUNCTION = {"name": "get_weather", "description": "Weather", "parameters": SCHEMA}
TOOL = {"type": "function", "function": FUNCTION}
RESULT = "sunny"
USER = {"role": "user", "content": QUESTION}


class Chat:
    def ask(self, model, stream, turns=()):
        body = {"model": model, "stream": stream, "tools": [TOOL], "reasoning_effort": "low"}
        return "/v1/chat/completions", {**body, "messages": [USER, *turns]}

    def turns(self, answer):
        message = answer["choices"][0]["message"]
        results = [{"role": "tool", "tool_call_id": c["id"], "content": RESULT} for c in message["tool_calls"]]
        return [message, *results]


class Anthropic:
    def ask(self, model, stream, turns=()):
        tools = [{"name": "get_weather", "input_schema": SCHEMA}]
        thinking = {"type": "enabled", "budget_tokens": 1024}
        body = {"model": model, "stream": stream, "max_tokens": 3000, "tools": tools, "thinking": thinking}
        return "/v1/messages", {**body, "messages": [USER, *turns]}

    def turns(self, answer):
        calls = [block for block in answer["content"] if block["type"] == "tool_use"]
        results = [{"type": "tool_result", "tool_use_id": c["id"], "content": RESULT} for c in calls]
        return [{"role": "assistant", "content": answer["content"]}, {"role": "user", "content": results}]


class Responses:
    sealed = True  # does the client ask for sealed reasoning?

    def ask(self, model, stream, turns=()):
        tools = [{"type": "function", "name": "get_weather", "parameters": SCHEMA}]
        body = {"model": model, "stream": stream, "tools": tools, "store": False}
        body["reasoning"] = {"effort": "low", "summary": "auto"}
        if self.sealed:
            body["include"] = ["reasoning.encrypted_content"]
        return "/v1/responses", {**body, "input": [USER, *turns]}

    def turns(self, answer):
        calls = [item for item in answer["output"] if item["type"] == "function_call"]
        results = [{"type": "function_call_output", "call_id": c["call_id"], "output": RESULT} for c in calls]
        return answer["output"] + results


class Gemini:
    def ask(self, model, stream, turns=()):
        action = "streamGenerateContent?alt=sse" if stream else "generateContent"
        body = {
            "contents": [{"role": "user", "parts": [{"text": QUESTION}]}, *turns],
            "tools": [{"functionDeclarations": [{"name": "get_weather", "parametersJsonSchema": SCHEMA}]}],
            "generationConfig": {"thinkingConfig": {"includeThoughts": True}},
        }
        return f"/v1beta/models/{model}:{action}", body

    def turns(self, answer):
        content = answer["candidates"][0]["content"]
        parts = []
        for part in content["parts"]:
            if "functionCall" in part:
                call = {k: v for k, v in part["functionCall"].items() if k in ("id", "name")}
                parts.append({"functionResponse": {**call, "response": {"output": RESULT}}})
        return [content, {"role": "user", "parts": parts}]


class Ollama:
    def ask(self, model, stream, turns=()):
        body = {"model": model, "stream": stream, "tools": [TOOL], "think": True}
        return "/api/chat", {**body, "messages": [USER, *turns]}

    def turns(self, answer):
        message = answer["message"]
        results = [{"role": "tool", "tool_name": "get_weather", "content": RESULT} for _ in message["tool_calls"]]
        return [message, *results]


CLIENTS = (Chat(), Anthropic(), Responses(), Gemini(), Ollama())


def second_turns(stage, client, first):
    """What each provider makes of a conversation that another one began: (provider, answer)."""
    answer = stage.ask(*client.ask(first + "/pro", False))
    equal(answer.status, 200, answer.body)
    turns = client.turns(json.loads(answer.body))
    for then in PROVIDERS:
        for stream in (False, True):
            yield then, stage.ask(*client.ask(then + "/pro", stream, turns))


def test_a_tool_loop_goes_on_with_any_other_provider():
    with Stage() as stage:
        for client in CLIENTS:
            for first in PROVIDERS:
                for then, answer in second_turns(stage, client, first):
                    what = f"{type(client).__name__}: {first}, then {then}"
                    equal(answer.status, 200, f"{what}: {answer.body}")
                    check(answer.complete and RESULT.encode() in answer.body, lambda: f"{what}: {answer.body}")


def test_what_a_switch_leaves_out_is_reported():
    table = (  # client, who answered first, who then; whom it says it of
        (Anthropic(), "chat", "anthropic", "reasoning"),
        (Anthropic(), "gemini", "anthropic", "reasoning"),
        (Anthropic(), "anthropic", "chat", "reasoning"),
        (Responses(), "chat", "responses", "reasoning"),
        (Responses(), "ollama", "responses", "reasoning"),
        (Responses(), "anthropic", "gemini", "reasoning"),
        (Chat(), "responses", "anthropic", "reasoning"),
    )
    with Stage() as stage:
        for client, first, then, word in table:
            for to, answer in second_turns(stage, client, first):
                said = answer.header("x-baton-warnings") or ""
                check(to != then or word in said, f"{type(client).__name__}: {first}, then {then}: '{said}'")


def test_the_same_provider_gets_its_own_thoughts_and_nothing_is_reported():
    for client, name in ((Anthropic(), "anthropic"), (Responses(), "responses"), (Gemini(), "gemini")):
        with Stage() as stage:
            for to, answer in second_turns(stage, client, name):
                check(to != name or not answer.header("x-baton-warnings"), answer.header("x-baton-warnings"))


# ---- faults -------------------------------------------------------------------------------------

# A fault of every provider, asked for whole and as a stream by a chat client: how it ends. "CODE": a refusal with this
# status; "CODE word": and this code; "ok word": an answer with this finish_reason; "err word": an error after the
# first words. A list: one for each provider; a pair: whole, streamed.
OK, BAD = "ok stop", "502 bad_response"
BROKEN = (BAD, "err bad_response")
CALLS = "ok tool_calls"
FAULTS = {
    "429=1": "429",
    "quota": ["429", "502 auth", "429", "429", "502 auth"],
    "500": "502 unavailable",
    "503": "503 overloaded",
    "529": "503 overloaded",
    "401": "502 auth",
    "403": "502 auth",
    "404": ["404 model_not_found", "404 not_found", "404 not_found", "404 model_not_found", "404 not_found"],
    "413": "413 bad_request",
    "context": "400 context_length_exceeded",
    "blocked": ["400 invalid_prompt", "ok content_filter", "400 content_filter", "400 invalid_prompt", "400"],
    "filter": ["ok content_filter"] * 4 + [OK],  # Ollama has no word for it
    "odd-finish": ["ok something_new"] + [BROKEN] * 4,  # its own format: as it came
    "reset": "502 unavailable",
    "malformed": BROKEN,
    "error-event": [
        ("502 unavailable", "err unavailable"),
        ("503 overloaded", "err overloaded"),
        ("503 overloaded", "err overloaded"),
        ("502 server_error", "err server_error"),
        ("502 unavailable", "err unavailable"),
    ],
    "failed": ["502 unavailable", "503 overloaded", "503 overloaded", "502 server_error", "502 unavailable"],
    "no-done": OK,
    "no-finish": [("ok None", "err bad_response")] + [BROKEN] * 4,  # whole, of its own format: as it came
    "whole-arguments": CALLS,
    "no-arguments": CALLS,
    "no-ids": CALLS,
    "nulls": [BAD, BAD, BAD, (BAD, OK), BAD],  # Responses tell the text once more, at its end
    "nulls=optional": OK,
    "wrong-json": BAD,
    "wrong-json=shape": BAD,
    "html": BAD,
    "html=502": "502 unavailable",
    "empty": BAD,
    "wrong-type": OK,
    "gzip": OK,
    "crlf": OK,
    "shred": OK,
    "truncated": BROKEN,
    "cut": BROKEN,
    "huge-event": (OK, "err bad_response"),
    "keep-alive=50": OK,
}
TOOL_FAULTS = ("whole-arguments", "no-arguments", "no-ids")


def variant(fault, stream):
    return f"-{list(FAULTS).index(fault)}{'s' if stream else 'w'}"


def wanted(fault, position, stream):
    told = FAULTS[fault]
    told = told[position] if isinstance(told, list) else told
    return told[stream] if isinstance(told, tuple) else told


def chunks(answer):
    lines = [line[6:] for line in answer.body.decode().split("\n") if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"], lines[-1:] == ["[DONE]"]


def ending_of_stream(answer):
    """How it ended, and the calls: each one's arguments."""
    events, done = chunks(answer)
    finish, said, calls = None, "", {}
    for event in events:
        if "error" in event:
            equal(done, False, answer)
            return f"err {event['error']['code']}", []
        for choice in event["choices"]:
            finish = choice.get("finish_reason") or finish
            delta = choice.get("delta") or {}
            said += delta.get("content") or ""
            for call in delta.get("tool_calls") or []:
                index = call["index"]
                calls[index] = calls.get(index, "") + (call["function"].get("arguments") or "")
    check(done and (said or calls or finish != "stop"), lambda: f"neither error nor answer: {answer.body}")
    return f"ok {finish}", list(calls.values())


def ending_of_whole(answer):
    choice = answer.json()["choices"][0]
    message, finish = choice["message"], choice["finish_reason"]
    calls = [call["function"]["arguments"] for call in message.get("tool_calls") or []]
    check(message.get("content") or calls or finish != "stop", lambda: f"an empty answer: {answer.body}")
    return f"ok {finish}", calls


def ending(answer, stream):
    if answer.status != 200:
        return f"{answer.status} {answer.error()['code']}", []
    return ending_of_stream(answer) if stream else ending_of_whole(answer)


def check_calls(fault, calls, what):
    for arguments in calls:
        if fault == "no-arguments":
            check(arguments in ("", "{}"), what)
        else:
            equal(json.loads(arguments), {"city": "Paris"}, what)


def check_fault(stage, fault, name, stream):
    body = {"model": f"{name}{variant(fault, stream)}/mini:{fault}", "stream": stream}
    body["messages"] = [{"role": "user", "content": "Tell me about rivers and the sea."}]
    if fault in TOOL_FAULTS:
        body.update(messages=[USER], tools=[TOOL])
    answer = stage.ask("/v1/chat/completions", body)
    what = f"{fault}, {name}, {'streamed' if stream else 'whole'}: {answer}"
    want = wanted(fault, list(PROVIDERS).index(name), stream)
    got, calls = ending(answer, stream)
    check(got == want or got.startswith(want + " "), f"got '{got}', wanted '{want}': {what}")
    check(fault not in TOOL_FAULTS or calls, what)
    check_calls(fault, calls, what)


def test_every_fault_of_every_provider_has_its_code_or_a_right_answer():
    cases = [(fault, stream) for fault in FAULTS for stream in (False, True)]
    patient = {name: seconds * max(1, slow() / 2) for name, seconds in TIMEOUTS.items()}
    with Stage([variant(*case) for case in cases], timeouts=patient) as stage, ThreadPoolExecutor(8) as pool:
        everything = [(fault, name, stream) for fault, stream in cases for name in PROVIDERS]
        for _ in pool.map(lambda case: check_fault(stage, *case), everything):
            pass
