"""translation - what translation costs: requests whose client and provider speak the same API beside those
where they do not, and each event of their streams.

SPDX-License-Identifier: MIT

The upstream is nginx with one answer for each API, whole (1 KB) and as streams of two lengths: the
difference of their CPU time over the difference of their events is what an event costs.
"""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from base import eventually
from client import request
from harness import Gateway, config, provider
from production import median, report, title
from stand import HERE, NGINX, cores, cpu_us, free_port, pin, say

SHORT, LONG = 40, 840  # events
TEXT = "A word and a word. " * 40
PIECE = "A word "
CONNECTIONS, SECONDS = 64, 1
APIS = ("openai", "responses", "anthropic", "gemini", "ollama")
CODECS = {"responses": "openai_responses"}


def compact(value):
    return json.dumps(value, separators=(",", ":"))


# ---- what providers answer ----------------------------------------------------------------------


def openai_whole():
    message = {"role": "assistant", "content": TEXT}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 250, "completion_tokens": 160, "total_tokens": 410},
    }


def openai_stream(n):
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "m"}
    for i in range(n):
        delta = {"role": "assistant", "content": PIECE} if i == 0 else {"content": PIECE}
        yield {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}], "usage": None}
    yield {**base, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": None}
    yield {**base, "choices": [], "usage": openai_whole()["usage"]}


def responses_whole(text=TEXT):
    part = {"type": "output_text", "text": text, "annotations": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1700000000,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": "m",
        "output": [item],
        "usage": {"input_tokens": 250, "output_tokens": 160, "total_tokens": 410},
    }


def responses_stream(n):
    begun = {**responses_whole(), "status": "in_progress", "output": [], "usage": None}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": "", "annotations": []}
    said = PIECE * n
    full = responses_whole(said)["output"][0]
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    yield {"type": "response.output_item.added", "output_index": 0, "item": item}
    yield {"type": "response.content_part.added", **at, "part": part}
    for _ in range(n):
        yield {"type": "response.output_text.delta", **at, "delta": PIECE}
    yield {"type": "response.output_text.done", **at, "text": said}
    yield {"type": "response.content_part.done", **at, "part": full["content"][0]}
    yield {"type": "response.output_item.done", "output_index": 0, "item": full}
    yield {"type": "response.completed", "response": responses_whole(said)}


def anthropic_whole():
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": TEXT}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 250, "output_tokens": 160},
    }


def anthropic_stream(n):
    begun = {**anthropic_whole(), "content": [], "stop_reason": None}
    delta = {"type": "text_delta", "text": PIECE}
    yield {"type": "message_start", "message": begun}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    for _ in range(n):
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    yield {"type": "message_delta", "delta": end, "usage": {"output_tokens": 160}}
    yield {"type": "message_stop"}


def gemini_whole(text=TEXT, reason="STOP"):
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    if reason:
        candidate["finishReason"] = reason
    usage = {"promptTokenCount": 250, "candidatesTokenCount": 160, "totalTokenCount": 410}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m", "responseId": "r1"}


def gemini_stream(n):
    for _ in range(n):
        yield gemini_whole(PIECE, None)
    yield gemini_whole(PIECE)


def ollama_whole(text=TEXT, done=True):
    line = {"model": "m", "created_at": "2026-01-01T00:00:00Z", "message": {"role": "assistant", "content": text}}
    end = {"done_reason": "stop", "prompt_eval_count": 250, "eval_count": 160, "total_duration": 1}
    return {**line, "done": done, **(end if done else {})}


def ollama_stream(n):
    for _ in range(n):
        yield ollama_whole(PIECE, False)
    yield ollama_whole("")


WHOLE = {
    "openai": openai_whole,
    "responses": responses_whole,
    "anthropic": anthropic_whole,
    "gemini": gemini_whole,
    "ollama": ollama_whole,
}
STREAM = {
    "openai": openai_stream,
    "responses": responses_stream,
    "anthropic": anthropic_stream,
    "gemini": gemini_stream,
    "ollama": ollama_stream,
}


def framed(api, events):
    """The bytes of a stream as that provider sends it."""
    if api == "ollama":
        return "".join(compact(e) + "\n" for e in events)
    if api in ("responses", "anthropic"):
        return "".join(f"event: {e['type']}\ndata: {compact(e)}\n\n" for e in events)
    return "".join(f"data: {compact(e)}\n\n" for e in events) + ("data: [DONE]\n\n" if api == "openai" else "")


# ---- what clients ask ---------------------------------------------------------------------------


def question(api, model, stream):
    """Path and body of a request of 1 KB."""
    text = "Once upon a time, " * 45
    messages = [{"role": "user", "content": text}]
    if api == "responses":
        return "/v1/responses", {"model": model, "input": text, "stream": stream}
    if api == "anthropic":
        return "/v1/messages", {"model": model, "max_tokens": 500, "messages": messages, "stream": stream}
    if api == "gemini":
        action = "streamGenerateContent?alt=sse" if stream else "generateContent"
        contents = [{"role": "user", "parts": [{"text": text}]}]
        return f"/v1beta/models/{model}:{action}", {"contents": contents}
    if api == "ollama":
        return "/api/chat", {"model": model, "messages": messages, "stream": stream}
    return "/v1/chat/completions", {"model": model, "messages": messages, "stream": stream}


# ---- the upstream -------------------------------------------------------------------------------


class Upstream:
    """nginx with one answer for each API and kind: below /whole-openai, /short-openai, ..."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="baton-bench-")
        os.chmod(self.dir, 0o755)
        self.port = free_port()
        places = []
        for api in APIS:
            kind = "application/x-ndjson" if api == "ollama" else "text/event-stream"
            for name, text, content_type in (
                ("whole", compact(WHOLE[api]()), "application/json"),
                ("short", framed(api, STREAM[api](SHORT)), kind),
                ("long", framed(api, STREAM[api](LONG)), kind),
            ):
                file = f"{name}-{api}.answer"
                Path(self.dir, file).write_text(text)
                places.append(
                    f"location /{name}-{api}/ {{ error_page 418 =200 /{file}; return 418; }}\n"
                    f"location = /{file} {{ default_type {content_type}; }}"
                )
        server = "server {{ listen 127.0.0.1:{} backlog=4096; root {}; {} }}".format(
            self.port, self.dir, "\n".join(places)
        )
        Path(self.dir, "nginx.conf").write_text(NGINX.format(dir=self.dir, servers=server))
        self.popen = subprocess.Popen(
            ["nginx", "-p", self.dir, "-c", f"{self.dir}/nginx.conf"],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(self.answers, "nginx answering", 10)

    def answers(self):
        try:
            return request(f"127.0.0.1:{self.port}", "POST", "/whole-openai/x", b"{}").status == 200
        except OSError:
            return False

    def stop(self):
        self.popen.terminate()
        self.popen.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class Stand:
    def __init__(self, upstream, folder):
        base = f"http://127.0.0.1:{upstream.port}"
        providers = {
            f"{kind}-{api}": provider(f"{base}/{kind}-{api}", codec=CODECS.get(api, api))
            for kind in ("whole", "short", "long")
            for api in APIS
        }
        self.gateway = Gateway(config(providers), args=("--no-watch",), workers=1)
        self.folder = folder

    def request(self, door, api):
        return self.measure(door, api, "whole")

    def measure(self, door, api, kind):
        """CPU of a request, microseconds."""
        path, body = question(door, f"{kind}-{api}/m", kind != "whole")
        file = Path(self.folder, f"{door}-{api}-{kind}.json")
        file.write_text(compact(body))
        answer = request(self.gateway.address, "POST", path, file.read_bytes())
        if answer.status != 200 or b'"error":{' in answer.body[:200]:
            raise SystemExit(f"bench: {door} of {api}: {answer}")
        before = cpu_us(self.gateway.pid)
        done = subprocess.run(
            ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--timeout", "30s", "-s", str(HERE / "load.lua")]
            + [f"http://{self.gateway.address}{path}"],
            env={**os.environ, "BODY_FILE": str(file)},
            capture_output=True,
            text=True,
        )
        spent = cpu_us(self.gateway.pid) - before
        line = next((t for t in done.stdout.splitlines() if t.startswith("RESULT ")), None)
        if line is None:
            raise SystemExit(f"bench: wrk failed: {done.stdout}{done.stderr}")
        result = json.loads(line.removeprefix("RESULT "))
        if result["status"] + result["failed"]:
            raise SystemExit(f"bench: {door} of {api}: {result}")
        return spent / max(1, result["requests"])

    def event(self, door, api):
        """CPU of an event."""
        short, long = (self.measure(door, api, kind) for kind in ("short", "long"))
        return (long - short) / (LONG - SHORT)

    def stop(self):
        self.gateway.stop()


PAIRS = [(api, api) for api in APIS] + [
    pair for api in APIS[1:] for pair in (("openai", api), (api, "openai"))
]


def costs_of(stand, rounds):
    """Medians of what pairs of door and provider cost: (what, door, api) -> µs. Each round measures every pair once,
    so that a change of the machine's mood meets all of them."""
    found = {}
    for n in range(rounds):
        for door, api in PAIRS:
            say(f"translation: round {n + 1} of {rounds}, {door} to {api}")
            for what in ("request", "event"):
                found.setdefault((what, door, api), []).append(getattr(stand, what)(door, api))
    return {name: median(values) for name, values in found.items()}


def tell(costs, door, api):
    own, other = costs["request", door, door], costs["request", door, api]
    event, ratio = costs["event", door, api], other / own
    if door == api:
        report(f"{api} passed on: µs a request", f"{own:.0f}")
        report(f"{api} passed on: µs an event", f"{event:.1f}", "3", event <= 3)
        return
    report(f"{door} to {api}: µs a request", f"{other:.0f}: {ratio:.2f} x", "2 x", ratio <= 2)
    report(f"{door} to {api}: µs an event", f"{event:.1f}", "20", event <= 20)


def translation(_upstream, folder, a):
    title("translation between APIs: CPU of a request of 1 KB and of an event; one worker")
    everywhere = os.sched_getaffinity(0)
    if cores() >= 2:
        os.sched_setaffinity(0, {1})  # load and upstream; the engine has core 0
    upstream = Upstream()
    stand = Stand(upstream, folder)
    pin(stand.gateway.pid, 0)
    try:
        costs = costs_of(stand, a.rounds)
        for door, api in PAIRS:
            tell(costs, door, api)
    finally:
        stand.stop()
        upstream.stop()
        os.sched_setaffinity(0, everywhere)


SECTIONS = {"translation": translation}
