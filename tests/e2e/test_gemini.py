"""Gemini's and Ollama's clients and providers: the binary, from socket to socket.

SPDX-License-Identifier: MIT
"""

import contextlib
import json

from base import check, equal, vectors
from client import request
from harness import Gateway, Sim, config
from upstream import Provider

QUESTION = {"contents": [{"role": "user", "parts": [{"text": "What is the capital of Australia?"}]}]}
PROMPT = "What is the capital of Australia?"
MESSAGES = [{"role": "user", "content": PROMPT}]
THINKING = {"thinkingConfig": {"includeThoughts": True, "thinkingBudget": 2000}}
CODECS = {"gemini": "/v1beta", "ollama": "", "openai": "/v1"}


@contextlib.contextmanager
def behind_sim():
    """A gateway whose providers are the simulator, by each API of CODECS."""
    with Sim() as sim:
        root = sim.base_url.removesuffix("/v1")
        providers = {name: {"codec": name, "base_url": root + path, "key": "k"} for name, path in CODECS.items()}
        with Gateway(config(providers)) as gateway:
            yield gateway


@contextlib.contextmanager
def behind_one(play, codec):
    with Provider(play) as upstream:
        root = upstream.base_url.removesuffix("/v1")
        with Gateway(config({"up": {"codec": codec, "base_url": root, "key": "k"}})) as gateway:
            yield gateway


def post(gateway, path, body, headers=None):
    return request(gateway.address, "POST", path, json.dumps(body).encode(), headers)


def frames(answer, array=False):
    if array:
        return json.loads(answer.body)
    text = answer.body.decode().replace("\r\n", "\n")
    return [json.loads(line[6:]) for line in text.split("\n") if line.startswith("data: ")]


def text_of(candidate):
    return "".join(part.get("text", "") for part in candidate.get("content", {}).get("parts", []))


def test_gemini_clients_have_three_ways_to_read_an_answer():
    with behind_sim() as gateway:
        for name in CODECS:
            path = f"/v1beta/models/{name}/mini:"
            answer = post(gateway, path + "generateContent", QUESTION, {"x-goog-api-key": "k"})
            equal(answer.status, 200, answer.body)
            got = answer.json()
            equal((text_of(got["candidates"][0]), got["candidates"][0]["finishReason"]), ("Canberra", "STOP"), name)
            used = got["usageMetadata"]
            for array in (False, True):
                answer = post(gateway, path + "streamGenerateContent" + ("" if array else "?alt=sse"), QUESTION)
                kind = "application/json" if array else "text/event-stream"
                check(answer.header("content-type").startswith(kind), answer.header("content-type"))
                got = frames(answer, array)
                equal("".join(text_of(f["candidates"][0]) for f in got), "Canberra", name)
                equal(got[-1]["candidates"][0]["finishReason"], "STOP", name)
                equal(got[-1]["usageMetadata"]["totalTokenCount"], used["totalTokenCount"], name)


def test_ollama_clients_chat_and_generate():
    with behind_sim() as gateway:
        for name in CODECS:
            model = f"{name}/mini"
            for path, body in (("/api/chat", {"messages": MESSAGES}), ("/api/generate", {"prompt": PROMPT})):
                for stream in (False, True):
                    answer = post(gateway, path, {"model": model, "stream": stream, **body})
                    equal(answer.status, 200, answer.body)
                    lines = [json.loads(line) for line in answer.body.splitlines() if line]
                    said = "".join(line.get("response") or line.get("message", {}).get("content", "") for line in lines)
                    last = lines[-1]
                    equal((said, last["done"], last["done_reason"]), ("Canberra", True, "stop"), name)
                    check(last["eval_count"] > 0 and last["eval_duration"] > 0, last)
            answer = post(gateway, "/api/generate", {"model": model})
            equal(answer.json()["done_reason"], "load")
        tags = request(gateway.address, "GET", "/api/tags").json()["models"]
        check("auto" in [m["name"] for m in tags], tags)


def test_a_stream_that_is_one_array_stays_one_when_it_breaks_off():
    with behind_sim() as gateway:
        for name in CODECS:
            answer = post(gateway, f"/v1beta/models/{name}/mini:cut:streamGenerateContent", QUESTION)
            got = frames(answer, array=True)
            check("error" in got[-1] and text_of(got[0]["candidates"][0]), got)


def test_an_error_without_the_form_of_an_event_is_one():
    folder = vectors("provider-fixtures/firebase-gemini")
    recording = (folder / "vertexai-streaming-failure-error-mid-stream.txt").read_bytes()
    with behind_one(lambda exchange: exchange.stream(recording), "gemini") as gateway:
        answer = post(gateway, "/v1beta/models/up/x:streamGenerateContent?alt=sse", QUESTION)
        got = frames(answer)
        equal([text_of(f["candidates"][0]) for f in got[:-1]], ["First ", "Second "])
        check("error" in got[-1], got[-1])
        answer = post(gateway, "/v1/chat/completions", {"model": "up/x", "messages": MESSAGES, "stream": True})
        check(b"cancelled" in answer.body and b"[DONE]" not in answer.body, answer.body)


def test_recorded_streams_reach_clients_of_another_format():
    folder = vectors("provider-fixtures")
    played = {}

    def play(exchange):
        exchange.stream(*played["parts"])

    with behind_one(play, "gemini") as gateway:
        n = 0
        for entry in json.loads((folder / "index.json").read_text()):
            if entry["provider"] != "gemini" or entry["transport"] != "sse":
                continue
            n += 1
            raw = (folder / entry["response"]).read_bytes()
            expected = json.loads((folder / f"{entry['id']}.expected.json").read_text())
            for size in (len(raw), 37):
                played["parts"] = [raw[i : i + size] for i in range(0, len(raw), size)]
                answer = post(gateway, "/v1beta/models/up/x:streamGenerateContent?alt=sse", QUESTION)
                equal(answer.body, raw, entry["id"])
                answer = post(gateway, "/v1/chat/completions", {"model": "up/x", "messages": MESSAGES, "stream": True})
                deltas = [c["delta"] for f in chunks(answer) for c in f["choices"]]
                equal("".join(d.get("content") or "" for d in deltas), expected["text"], entry["id"])
                calls = [c["function"] for d in deltas for c in d.get("tool_calls", [])]
                equal([(c["name"], json.loads(c["arguments"])) for c in calls],
                      [(c["name"], c["args"]) for c in expected["function_calls"]], entry["id"])
        check(n >= 8, n)


def chunks(answer):
    lines = [line[6:] for line in answer.body.decode().split("\n") if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def test_tools_over_two_turns_and_signatures_that_come_back():
    with behind_sim() as gateway:
        tools = [{"functionDeclarations": [{"name": "get_weather", "parameters": {"type": "OBJECT", "properties": {
            "city": {"type": "STRING"}}}}]}]
        for name in CODECS:
            question = {"role": "user", "parts": [{"text": "Weather in Paris? Use get_weather."}]}
            body = {"contents": [question], "tools": tools, "generationConfig": THINKING}
            path = f"/v1beta/models/{name}/mini:generateContent"
            said = post(gateway, path, body).json()["candidates"][0]["content"]
            call = next(part["functionCall"] for part in said["parts"] if "functionCall" in part)
            result = {**{k: call[k] for k in ("id", "name") if k in call}, "response": {"temp": 20}}
            body["contents"] += [said, {"role": "user", "parts": [{"functionResponse": result}]}]
            for other in (name, *CODECS):
                answer = post(gateway, f"/v1beta/models/{other}/mini:generateContent", body)
                equal(answer.status, 200, answer.body)
                check("20" in text_of(answer.json()["candidates"][0]), answer.body)


def test_an_ollama_client_keeps_what_only_ollama_knows():
    seen = []

    def play(exchange):
        seen.append((exchange.path, exchange.json()))
        exchange.reply({"model": "x", "message": {"role": "assistant", "content": "ok"}, "done": True,
                        "prompt_eval_count": 1, "eval_count": 1})

    with behind_one(play, "ollama") as gateway:
        options = {"num_ctx": 8192, "temperature": 0.5}
        answer = post(gateway, "/api/chat", {"model": "up/x", "messages": MESSAGES, "stream": False, "options": options,
                                             "keep_alive": "5m", "later": 1})
        equal(answer.json()["message"]["content"], "ok")
        equal(seen[-1], ("/api/chat", {"model": "x", "messages": MESSAGES, "stream": False, "options": options,
                                       "keep_alive": "5m", "later": 1}))
        answer = post(gateway, "/api/generate", {"model": "up/x", "prompt": "Hi", "stream": False, "options": options})
        equal((answer.json()["response"], seen[-1][0], seen[-1][1]["options"]), ("ok", "/api/chat", options))


