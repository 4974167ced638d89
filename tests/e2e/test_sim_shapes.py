"""The simulator's answers beside recorded ones of the real providers: the same members in the same events.

Of each kind of event, what every recording has must be there, and nothing that no recording has.
SPDX-License-Identifier: MIT
"""

import json

from base import check, vectors
from client import request
from harness import Sim

WEATHER = "How is the weather in Paris?"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}

# What these hold belongs to the request, not to the format.
FREE = {"metadata", "parameters", "input", "args", "tools", "format", "arguments"}


def paths(value, at=""):
    """The members of a decoded value: {".choices", ".choices[].delta", …}."""
    found = set()
    if isinstance(value, dict):
        for key, inner in value.items():
            found.add(f"{at}.{key}")
            if key not in FREE:
                found |= paths(inner, f"{at}.{key}")
    elif isinstance(value, list):
        for inner in value:
            found |= paths(inner, f"{at}[]")
    return found


def events_of(text):
    """The decoded data of a stream's events, or of its lines."""
    if "data:" not in text:
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    found = []
    for block in text.replace("\r\n", "\n").split("\n\n"):
        data = "".join(line[5:].strip() for line in block.split("\n") if line.startswith("data:"))
        if data.startswith("{"):
            found.append(json.loads(data))
    return found


def recorded(pattern):
    found = []
    for path in sorted(vectors("provider-fixtures").glob(pattern)):
        found += events_of(path.read_text(encoding="utf-8"))
    check(found, f"no recording is like {pattern}")
    return found


def by_kind(events, kind_of):
    kinds = {}
    for event in events:
        kinds.setdefault(kind_of(event), []).append(paths(event))
    return kinds


def compare(real, ours, kind_of, except_for=()):
    real, ours = by_kind(real, kind_of), by_kind(ours, kind_of)
    for kind, list_of_paths in ours.items():
        check(kind in real, f"no provider sends '{kind}'")
        lacks = set.intersection(*real[kind]) - set.intersection(*list_of_paths) - set(except_for)
        check(not lacks, f"'{kind}' lacks {sorted(lacks)}")
        more = set.union(*list_of_paths) - set.union(*real[kind])
        more = {p for p in more if not any(p.startswith(e) for e in except_for)}
        check(not more, f"'{kind}' has what no provider sends: {sorted(more)}")


def ask(sim, path, *bodies):
    found = []
    for body in bodies:
        answer = request(sim.address, "POST", path, json.dumps(body).encode(), {"anthropic-version": "2023-06-01"})
        text = answer.body.decode("utf-8")
        check(answer.status == 200, text)
        found += events_of(text)
    return found


def with_each(base, *more):
    return [{**base, **m} for m in more]


def kind_of_anthropic(event):
    inner = event.get("content_block") or event.get("delta") or {}
    return f"{event['type']} {inner.get('type', '')}"


def test_anthropic_s_events_are_those_of_the_recordings():
    base = {"model": "pro", "max_tokens": 3000, "stream": True, "messages": [{"role": "user", "content": WEATHER}]}
    bodies = with_each(
        base,
        {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        {"tools": [{"name": "get_weather", "input_schema": SCHEMA}]},
    )
    with Sim() as sim:
        compare(recorded("anthropic/messages*.response.sse"), ask(sim, "/v1/messages", *bodies), kind_of_anthropic)


def test_responses_events_are_those_of_the_recordings():
    base = {"model": "pro", "stream": True, "input": WEATHER}
    bodies = with_each(
        base,
        {"reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"]},
        {"tools": [{"type": "function", "name": "get_weather", "parameters": SCHEMA}]},
    )
    with Sim() as sim:
        compare(
            recorded("openai/responses*.response.sse"),
            ask(sim, "/v1/responses", *bodies),
            lambda e: f"{e['type']} {e.get('item', {}).get('type', '')}",
        )


def test_chat_s_events_are_those_of_the_recordings():
    base = {
        "model": "pro",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "user", "content": WEATHER}],
    }
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}

    def kind(event):
        if not event.get("choices"):
            return "usage"
        choice = event["choices"][0]
        return "finish" if choice.get("finish_reason") else " ".join(sorted(set(choice["delta"]) - {"role"}))

    with Sim() as sim:
        ours = ask(sim, "/v1/chat/completions", *with_each(base, {}, {"tools": [tool]}))
        compare(recorded("openai/chat*.response.sse"), ours, kind)


def test_azure_s_first_event_is_that_of_the_recordings():
    body = {"stream": True, "messages": [{"role": "user", "content": WEATHER}]}
    with Sim() as sim:
        ours = ask(sim, "/openai/deployments/pro/chat/completions?api-version=2024-10-21", body)
        real = [e for e in recorded("azure/chat*.response.sse") if "prompt_filter_results" in e]
        compare(real, ours[:1], lambda e: "first", [".prompt_filter_results[].content_filter_results.jailbreak"])


def test_gemini_s_events_are_those_of_the_recordings():
    base = {"contents": [{"role": "user", "parts": [{"text": WEATHER}]}]}
    part = ".candidates[].content.parts[]"  # which of them a part has depends on what is said
    bodies = with_each(
        base,
        {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}},
        {"tools": [{"functionDeclarations": [{"name": "get_weather", "parameters": SCHEMA}]}]},
    )
    with Sim() as sim:
        compare(
            recorded("gemini/stream*.response.sse"),
            ask(sim, "/v1beta/models/pro:streamGenerateContent?alt=sse", *bodies),
            lambda e: "last" if "finishReason" in e["candidates"][0] else "part",
            [part, part + ".text"],
        )


def test_ollama_s_lines_are_those_of_the_recordings():
    base = {"model": "pro", "messages": [{"role": "user", "content": WEATHER}]}
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
    with Sim() as sim:
        ours = ask(sim, "/api/chat", *with_each(base, {"think": True}, {}))
        compare(recorded("ollama/api_chat*.response.ndjson"), ours, lambda e: e["done"])
        whole = ask(sim, "/api/chat", *with_each(base, {"stream": False, "think": True, "tools": [tool]}))
        real = recorded("ollama/api_chat-toolcall*.response.json")
        compare(real, whole, lambda e: "calls")
