"""wire - the formats of clients and providers as a test sees them: what to ask, and what an answer must look like.

SPDX-License-Identifier: MIT

One class a format. As a client: `body` makes a request of a case, `whole` and `stream` read an answer into an Answer and
raise where its form or the order of its events is wrong, `again` makes the next turn, `error` and `error_event` check an
error's form. As a provider's witness: `received` tells what a request that reached the simulator says.
"""

import json
from dataclasses import dataclass, field

from base import check, equal, short
from client import sse_events

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL = "get_weather"
RESULT = '{"weather":"rain"}'


@dataclass
class Case:
    """What a client asks for."""

    prompt: str
    stream: bool = False
    tools: bool = False
    must_call: bool = False
    image: str = ""  # base64 of a PNG
    schema: dict = None
    think: bool = False
    usage: bool = False  # OpenAI: does the client ask for it in a stream?


@dataclass
class Answer:
    text: str = ""
    calls: list = field(default_factory=list)  # (id, name, arguments as an object)
    finish: str = None  # as OpenAI says it
    usage: tuple = None  # input, output
    thoughts: str = ""
    native: object = None  # what the client sends back in the next turn

    def add_call(self, identity, name, arguments):
        value = json.loads(arguments) if isinstance(arguments, str) else arguments
        check(isinstance(value, dict), f"arguments that are no object: {arguments!r}")
        self.calls.append((identity, name, value))


@dataclass
class Received:
    """What a provider was asked."""

    texts: list = field(default_factory=list)
    tools: dict = field(default_factory=dict)  # name: schema
    images: list = field(default_factory=list)
    calls: list = field(default_factory=list)  # ids (where the format has them) and names
    results: list = field(default_factory=list)  # the id or name it answers, text
    schema: dict = None
    sealed: list = field(default_factory=list)  # signatures and other opaque reasoning
    stream: bool = False


def listed(value):
    return value if isinstance(value, list) else []


def named_events(raw):
    """(event's name, data decoded) of each event; every one must have both."""
    found = []
    for block in raw.decode().split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        if not lines:
            continue
        check(
            len(lines) == 2 and lines[0].startswith("event: ") and lines[1].startswith("data: "),
            lambda: f"no event: {short(block)}",
        )
        found.append((lines[0][7:], json.loads(lines[1][6:])))
    for name, data in found:
        equal(data.get("type"), name, "the event's name and its type")
    return found


class OpenAI:
    """Chat Completions."""

    key = ("authorization", "Bearer ")

    def path(self, model, stream):
        return "/v1/chat/completions"

    def body(self, model, case):
        content = case.prompt
        if case.image:
            url = "data:image/png;base64," + case.image
            content = [
                {"type": "text", "text": case.prompt},
                {"type": "image_url", "image_url": {"url": url}},
            ]
        body = {"model": model, "messages": [{"role": "user", "content": content}]}
        if case.stream:
            body["stream"] = True
            if case.usage:
                body["stream_options"] = {"include_usage": True}
        if case.tools:
            function = {"name": TOOL, "description": "The weather.", "parameters": WEATHER}
            body["tools"] = [{"type": "function", "function": function}]
            if case.must_call:
                body["tool_choice"] = "required"
        if case.schema:
            json_schema = {"name": "place", "strict": True, "schema": case.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": json_schema}
        if case.think:
            body["reasoning_effort"] = "high"
        return body

    def message(self, message, finish, usage):
        answer = Answer(message.get("content") or "", finish=finish, native=message)
        answer.thoughts = message.get("reasoning_content") or ""
        for call in message.get("tool_calls") or []:
            equal(call["type"], "function")
            answer.add_call(call["id"], call["function"]["name"], call["function"]["arguments"])
        if usage:
            answer.usage = usage["prompt_tokens"], usage["completion_tokens"]
            equal(usage["total_tokens"], sum(answer.usage))
        return answer

    def whole(self, body):
        equal(body["object"], "chat.completion")
        (choice,) = body["choices"]
        equal((choice["index"], choice["message"]["role"]), (0, "assistant"))
        return self.message(choice["message"], choice["finish_reason"], body["usage"])

    def stream(self, raw, case):
        data = sse_events(raw)
        equal(data[-1], "[DONE]", "the last event")
        chunks = [json.loads(text) for text in data[:-1]]
        # Azure's first word is about its filters.
        chunks = [c for c in chunks if "prompt_filter_results" not in c or c["choices"]]
        equal(len({(c["id"], c["created"], c["model"]) for c in chunks}), 1, "ids of the chunks")
        usage = None
        if case.usage:
            last = chunks.pop()
            equal(last["choices"], [], "the chunk with the usage")
            usage = last["usage"]
            equal({c.get("usage") for c in chunks}, {None}, "usage before the last chunk")
        else:
            check(not any(c.get("usage") for c in chunks), "usage that nobody asked for")
        for chunk in chunks:
            equal((chunk["object"], len(chunk["choices"])), ("chat.completion.chunk", 1))
        choices = [c["choices"][0] for c in chunks]
        equal(choices[0]["delta"].get("role"), "assistant", "the first chunk's role")
        reasons = [c.get("finish_reason") for c in choices]
        check(not any(reasons[:-1]) and reasons[-1], f"finish reasons {reasons}")
        message = {"role": "assistant", "content": ""}
        for choice in choices:
            self.fold(message, choice["delta"])
        return self.message(message, reasons[-1], usage)

    def fold(self, message, delta):
        """Puts a chunk's delta to what came before, as clients do."""
        message["content"] += delta.get("content") or ""
        if delta.get("reasoning_content"):
            message["reasoning_content"] = (
                message.get("reasoning_content", "") + delta["reasoning_content"]
            )
        for detail in delta.get("reasoning_details") or []:
            details = message.setdefault("reasoning_details", [])
            same = [
                d
                for d in details
                if "index" in d
                and d["index"] == detail.get("index")
                and d["type"] == detail["type"]
            ]
            if same:
                for name in ("text", "summary", "signature", "data"):
                    if detail.get(name):
                        same[0][name] = (same[0].get(name) or "") + detail[name]
            else:
                details.append(dict(detail))
        for part in delta.get("tool_calls") or []:
            calls = message.setdefault("tool_calls", [])
            if part["index"] == len(calls):
                check(
                    part["id"] and part["function"]["name"], f"a call's first fragment: {part}"
                )
                calls.append({**part, "function": {**part["function"], "arguments": ""}})
            else:
                check("name" not in part["function"], f"a call's name came twice: {part}")
            call = calls[part["index"]]
            call["function"]["arguments"] += part["function"].get("arguments") or ""

    def again(self, body, answer):
        turn = {name: value for name, value in answer.native.items()}
        for call in turn.get("tool_calls", []):
            call.pop("index", None)
        results = [
            {"role": "tool", "tool_call_id": identity, "content": RESULT}
            for identity, _, _ in answer.calls
        ]
        body = {**body, "messages": body["messages"] + [turn, *results]}
        body.pop("tool_choice", None)
        return body

    def error(self, body):
        error = body["error"]
        equal(set(body), {"error"})
        check(set(error) >= {"message", "type", "param", "code"}, f"members of {error}")
        return error["message"]

    def error_event(self, raw):
        data = sse_events(raw)
        check("[DONE]" not in data, "an error, and [DONE]")
        return self.error(json.loads(data[-1]))

    def received(self, body):
        seen = Received(stream=body.get("stream", False))
        for message in body["messages"]:
            content = message.get("content")
            parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
            for part in parts or []:
                if part["type"] == "text":
                    seen.texts.append(part["text"])
                elif part["type"] == "image_url":
                    seen.images.append(part["image_url"]["url"].split(",", 1)[1])
            if message["role"] == "tool":
                seen.results.append((message["tool_call_id"], seen.texts.pop()))
            for call in message.get("tool_calls") or []:
                seen.calls.append((call["id"], call["function"]["name"]))
        for tool in body.get("tools", []):
            seen.tools[tool["function"]["name"]] = tool["function"]["parameters"]
        seen.schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
        return seen


class Responses:
    """OpenAI Responses."""

    key = ("authorization", "Bearer ")

    def path(self, model, stream):
        return "/v1/responses"

    def body(self, model, case):
        content = [{"type": "input_text", "text": case.prompt}]
        if case.image:
            url = "data:image/png;base64," + case.image
            content.append({"type": "input_image", "image_url": url, "detail": "auto"})
        body = {"model": model, "input": [{"role": "user", "content": content}], "store": False}
        if case.stream:
            body["stream"] = True
        if case.tools:
            body["tools"] = [
                {"type": "function", "name": TOOL, "parameters": WEATHER, "strict": True}
            ]
            if case.must_call:
                body["tool_choice"] = "required"
        if case.schema:
            format = {"type": "json_schema", "name": "place", "strict": True, "schema": case.schema}
            body["text"] = {"format": format}
        if case.think:
            body["reasoning"] = {"effort": "high", "summary": "auto"}
            body["include"] = ["reasoning.encrypted_content"]
        return body

    def whole(self, response):
        equal((response["object"], response["error"]), ("response", None))
        answer = Answer(native=response["output"])
        for item in response["output"]:
            if item["type"] == "message":
                for part in item["content"]:
                    answer.text += part["text"] if part["type"] == "output_text" else ""
            elif item["type"] == "function_call":
                check(item["id"] != item["call_id"], "an item's id is its call's id")
                answer.add_call(item["call_id"], item["name"], item["arguments"])
            elif item["type"] == "reasoning":
                for part in [*item.get("summary", []), *item.get("content", [])]:
                    answer.thoughts += part["text"]
        equal(response["status"], "completed")
        answer.finish = "tool_calls" if answer.calls else "stop"
        usage = response["usage"]
        answer.usage = usage["input_tokens"], usage["output_tokens"]
        equal(usage["total_tokens"], sum(answer.usage))
        return answer

    def stream(self, raw, case):
        events = named_events(raw)
        numbers = [data["sequence_number"] for _, data in events]
        equal(numbers, list(range(len(numbers))), "sequence numbers")
        names = [name for name, _ in events]
        equal(names[:2], ["response.created", "response.in_progress"], "the first events")
        equal(names[-1], "response.completed", "the last event")
        equal(names.count("response.completed"), 1)
        response = events[-1][1]["response"]
        equal(events[0][1]["response"]["id"], response["id"], "the response's id")
        items = Items()
        for name, data in events[2:-1]:
            items.take(name, data)
        equal(items.open, {}, "items that were not closed")
        equal(items.done, response["output"], "the items one by one, and together")
        return self.whole(response)

    def again(self, body, answer):
        results = [
            {"type": "function_call_output", "call_id": identity, "output": RESULT}
            for identity, _, _ in answer.calls
        ]
        body = {**body, "input": body["input"] + answer.native + results}
        body.pop("tool_choice", None)
        return body

    error = OpenAI.error

    def error_event(self, raw):
        events = named_events(raw)
        name, data = events[-1]
        check(name in ("error", "response.failed"), f"the last event is {name}")
        check("response.completed" not in [n for n, _ in events], "an error, and completed")
        return data["message"] if name == "error" else data["response"]["error"]["message"]

    def received(self, body):
        seen = Received(stream=body.get("stream", False))
        items = body["input"]
        for item in [{"role": "user", "content": items}] if isinstance(items, str) else items:
            kind = item.get("type", "message")
            if kind == "function_call":
                seen.calls.append((item["call_id"], item["name"]))
            elif kind == "function_call_output":
                seen.results.append((item["call_id"], item["output"]))
            elif kind == "reasoning":
                seen.sealed += [item["encrypted_content"]] if item.get("encrypted_content") else []
            elif isinstance(item["content"], str):
                seen.texts.append(item["content"])
            else:
                for part in item["content"]:
                    if "text" in part:
                        seen.texts.append(part["text"])
                    if "image_url" in part:
                        seen.images.append(part["image_url"].split(",", 1)[1])
        for tool in body.get("tools", []):
            seen.tools[tool["name"]] = tool["parameters"]
        seen.schema = body.get("text", {}).get("format", {}).get("schema")
        return seen


class Items:
    """The output items of a stream of Responses, event by event."""

    PARTS = {  # of an item: what opens it, what adds to it, what says all of it
        "output_text": ("content_part", "content_index", "text"),
        "refusal": ("content_part", "content_index", "refusal"),
        "reasoning_summary_text": ("reasoning_summary_part", "summary_index", "text"),
        "reasoning_text": ("content_part", "content_index", "text"),
        "function_call_arguments": (None, None, "arguments"),
    }

    def __init__(self):
        self.open, self.done, self.parts, self.texts = {}, [], set(), {}

    def take(self, name, data):
        kind, _, step = name.removeprefix("response.").rpartition(".")
        index = data["output_index"]
        if kind == "output_item" and step == "added":
            equal(index, len(self.done) + len(self.open), "the item's place")
            self.open[index] = data["item"]
            return
        check(index in self.open, f"{name} for an item that is not open")
        if kind == "output_item":
            equal(data["item"]["id"], self.open.pop(index)["id"], "the item's id")
            self.done.append(data["item"])
            return
        equal(data["item_id"], self.open[index]["id"], f"{name}: the item's id")
        if kind.endswith("_part"):
            place = index, kind, data.get("content_index", data.get("summary_index"))
            check((place in self.parts) == (step == "done"), f"{name} at the wrong time")
            self.parts ^= {place}
            return
        if name == "response.output_text.annotation.added":
            return
        part, place, member = self.PARTS[kind]
        if part:
            check((index, part, data[place]) in self.parts, f"{name} without its part")
        key = index, kind, data.get(place)
        if step == "delta":
            self.texts[key] = self.texts.get(key, "") + data["delta"]
        else:
            equal(self.texts.get(key, ""), data[member], f"{name}: fragments and the whole")


class Anthropic:
    """Anthropic Messages."""

    key = ("x-api-key", "")
    FINISH = {
        "end_turn": "stop",
        "tool_use": "tool_calls",
        "max_tokens": "length",
        "refusal": "content_filter",
    }

    def path(self, model, stream):
        return "/v1/messages"

    def body(self, model, case):
        content = [{"type": "text", "text": case.prompt}]
        if case.image:
            source = {"type": "base64", "media_type": "image/png", "data": case.image}
            content.insert(0, {"type": "image", "source": source})
        body = {
            "model": model,
            "max_tokens": 4000,
            "messages": [{"role": "user", "content": content}],
        }
        if case.stream:
            body["stream"] = True
        if case.tools:
            body["tools"] = [
                {"name": TOOL, "description": "The weather.", "input_schema": WEATHER}
            ]
            if case.must_call:
                body["tool_choice"] = {"type": "any"}
        if case.schema:
            body["output_config"] = {"format": {"type": "json_schema", "schema": case.schema}}
        if case.think:
            body["thinking"] = {"type": "enabled", "budget_tokens": 2048}
        return body

    def whole(self, message):
        equal((message["type"], message["role"]), ("message", "assistant"))
        answer = Answer(native=message["content"], finish=self.FINISH[message["stop_reason"]])
        check("stop_sequence" in message, "no stop_sequence")
        for block in message["content"]:
            if block["type"] == "text":
                answer.text += block["text"]
            elif block["type"] == "tool_use":
                answer.add_call(block["id"], block["name"], block["input"])
            elif block["type"] == "thinking":
                answer.thoughts += block["thinking"]
                check(block["signature"], "thinking without a signature")
        usage = message["usage"]
        cached = usage.get("cache_read_input_tokens", 0) + usage.get(
            "cache_creation_input_tokens", 0
        )
        answer.usage = usage["input_tokens"] + cached, usage["output_tokens"]
        return answer

    DELTAS = {
        "text_delta": ("text", "text"),
        "thinking_delta": ("thinking", "thinking"),
        "signature_delta": ("thinking", "signature"),
        "input_json_delta": ("tool_use", "partial_json"),
        "citations_delta": ("text", None),
    }

    def stream(self, raw, case):
        events = [(name, data) for name, data in named_events(raw) if name != "ping"]
        names = [name for name, _ in events]
        equal(names[0], "message_start", "the first event")
        equal(names[-2:], ["message_delta", "message_stop"], "the last events")
        message = events[0][1]["message"]
        equal((message["content"], message["stop_reason"]), ([], None), "the message at its start")
        block = None
        for name, data in events[1:-2]:
            if name == "content_block_start":
                check(block is None, "a block begins inside another")
                equal(data["index"], len(message["content"]), "the block's index")
                block = dict(data["content_block"])
                if block["type"] == "tool_use":
                    equal(block["input"], {}, "the input at a block's start")
                    block["input"] = ""
                message["content"].append(block)
            elif name == "content_block_delta":
                equal(data["index"], len(message["content"]) - 1, "the delta's index")
                kind, member = self.DELTAS[data["delta"]["type"]]
                equal(block["type"], kind, "the block of " + data["delta"]["type"])
                if member:
                    own = "input" if member == "partial_json" else member
                    block[own] = block.get(own, "") + data["delta"][member]
            else:
                equal(name, "content_block_stop")
                if block["type"] == "tool_use":
                    block["input"] = json.loads(block["input"] or "{}")
                block = None
        check(block is None, "a block that was not closed")
        end = events[-2][1]
        message.update(end["delta"])
        message["usage"].update({k: v for k, v in end["usage"].items() if v is not None})
        return self.whole(message)

    def again(self, body, answer):
        results = [
            {"type": "tool_result", "tool_use_id": identity, "content": RESULT}
            for identity, _, _ in answer.calls
        ]
        turns = [
            {"role": "assistant", "content": answer.native},
            {"role": "user", "content": results},
        ]
        body = {**body, "messages": body["messages"] + turns}
        body.pop("tool_choice", None)
        return body

    def error(self, body):
        equal(body["type"], "error")
        check(body["error"]["type"] and "request_id" in body, f"members of {body}")
        return body["error"]["message"]

    def error_event(self, raw):
        events = named_events(raw)
        check("message_stop" not in [name for name, _ in events], "an error, and message_stop")
        equal(events[-1][0], "error", "the last event")
        return events[-1][1]["error"]["message"]

    def received(self, body):
        seen = Received(stream=body.get("stream", False))
        for message in body["messages"]:
            content = message["content"]
            if isinstance(content, str):
                content = [{"type": "text", "text": content}]
            for block in content:
                if block["type"] == "text":
                    seen.texts.append(block["text"])
                elif block["type"] == "image":
                    seen.images.append(block["source"]["data"])
                elif block["type"] == "tool_use":
                    seen.calls.append((block["id"], block["name"]))
                elif block["type"] == "tool_result":
                    inside = block["content"]
                    text = inside if isinstance(inside, str) else inside[0]["text"]
                    seen.results.append((block["tool_use_id"], text))
                elif block["type"] == "thinking":
                    seen.sealed.append(block["signature"])
                elif block["type"] == "redacted_thinking":
                    seen.sealed.append(block["data"])
        for tool in body.get("tools", []):
            seen.tools[tool["name"]] = tool["input_schema"]
        seen.schema = body.get("output_config", {}).get("format", {}).get("schema")
        return seen


class Gemini:
    """Gemini's generateContent."""

    key = ("x-goog-api-key", "")
    FINISH = {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "content_filter"}

    def path(self, model, stream):
        method = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return f"/v1beta/models/{model}:{method}"

    def body(self, model, case):
        parts = [{"text": case.prompt}]
        if case.image:
            parts.append({"inlineData": {"mimeType": "image/png", "data": case.image}})
        body = {"contents": [{"role": "user", "parts": parts}]}
        config = {}
        if case.tools:
            function = {
                "name": TOOL,
                "description": "The weather.",
                "parametersJsonSchema": WEATHER,
            }
            body["tools"] = [{"functionDeclarations": [function]}]
            if case.must_call:
                body["toolConfig"] = {"functionCallingConfig": {"mode": "ANY"}}
        if case.schema:
            config["responseMimeType"] = "application/json"
            config["responseJsonSchema"] = case.schema
        if case.think:
            config["thinkingConfig"] = {"includeThoughts": True, "thinkingBudget": 2048}
        if config:
            body["generationConfig"] = config
        return body

    def whole(self, body):
        return self.pieces([body])

    def pieces(self, bodies):
        answer, parts, finish = Answer(), [], None
        for body in bodies:
            check(body.get("responseId") and body.get("modelVersion"), f"members of {short(body)}")
            for candidate in body.get("candidates", []):
                check(not finish, "a candidate after the last")
                parts += candidate.get("content", {}).get("parts", [])
                finish = candidate.get("finishReason")
        answer.native = {"role": "model", "parts": parts}
        for part in parts:
            if part.get("thought"):
                answer.thoughts += part.get("text", "")
            elif "text" in part:
                answer.text += part["text"]
            elif "functionCall" in part:
                call = part["functionCall"]
                answer.add_call(call.get("id") or call["name"], call["name"], call.get("args", {}))
        answer.finish = self.FINISH[finish]
        if answer.finish == "stop" and answer.calls:
            answer.finish = "tool_calls"
        usage = bodies[-1]["usageMetadata"]
        output = usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0)
        answer.usage = usage["promptTokenCount"], output
        equal(usage["totalTokenCount"], sum(answer.usage))
        return answer

    def stream(self, raw, case):
        return self.pieces([json.loads(text) for text in sse_events(raw)])

    def again(self, body, answer):
        calls = [p["functionCall"] for p in answer.native["parts"] if "functionCall" in p]
        results = [
            {
                "functionResponse": {
                    **({"id": call["id"]} if "id" in call else {}),
                    "name": call["name"],
                    "response": json.loads(RESULT),
                }
            }
            for call in calls
        ]
        contents = body["contents"] + [answer.native, {"role": "user", "parts": results}]
        body = {**body, "contents": contents}
        body.pop("toolConfig", None)
        return body

    def error(self, body):
        error = body["error"]
        check(isinstance(error["code"], int) and error["status"].isupper(), f"members of {error}")
        return error["message"]

    def error_event(self, raw):
        events = [json.loads(text) for text in sse_events(raw)]
        return self.error(events[-1])

    def received(self, body):
        seen = Received()
        for turn in body["contents"]:
            for part in turn["parts"]:
                if "text" in part and not part.get("thought"):
                    seen.texts.append(part["text"])
                if "inlineData" in part:
                    seen.images.append(part["inlineData"]["data"])
                if "functionCall" in part:
                    call = part["functionCall"]
                    seen.calls.append((call.get("id") or call["name"], call["name"]))
                if "functionResponse" in part:
                    result = part["functionResponse"]
                    text = json.dumps(result["response"], separators=(",", ":"))
                    seen.results.append((result.get("id") or result["name"], text))
                if part.get("thoughtSignature"):
                    seen.sealed.append(part["thoughtSignature"])
        for group in body.get("tools", []):
            for tool in group.get("functionDeclarations", []):
                seen.tools[tool["name"]] = tool.get("parametersJsonSchema") or tool["parameters"]
        config = body.get("generationConfig", {})
        seen.schema = config.get("responseJsonSchema") or config.get("responseSchema")
        return seen


class Ollama:
    """Ollama's chat."""

    key = ("authorization", "Bearer ")

    def path(self, model, stream):
        return "/api/chat"

    def body(self, model, case):
        message = {"role": "user", "content": case.prompt}
        if case.image:
            message["images"] = [case.image]
        body = {"model": model, "messages": [message]}
        if not case.stream:  # streams are what Ollama does unasked
            body["stream"] = False
        if case.tools:
            function = {"name": TOOL, "description": "The weather.", "parameters": WEATHER}
            body["tools"] = [{"type": "function", "function": function}]
        if case.schema:
            body["format"] = case.schema
        if case.think:
            body["think"] = True
        return body

    def whole(self, body):
        return self.lines([body])

    def lines(self, lines):
        answer, message = Answer(), {"role": "assistant", "content": ""}
        for line in lines:
            equal((line["message"]["role"], bool(line["created_at"])), ("assistant", True))
            message["content"] += line["message"].get("content") or ""
            answer.thoughts += line["message"].get("thinking") or ""
            for call in line["message"].get("tool_calls", []):
                message.setdefault("tool_calls", []).append(call)
                name = call["function"]["name"]
                answer.add_call(call.get("id") or name, name, call["function"]["arguments"])
        if answer.thoughts:
            message["thinking"] = answer.thoughts
        answer.text, answer.native = message["content"], message
        last = lines[-1]
        equal([line["done"] for line in lines], [False] * (len(lines) - 1) + [True])
        answer.finish = "tool_calls" if answer.calls else last["done_reason"]
        answer.usage = last["prompt_eval_count"], last["eval_count"]
        return answer

    def stream(self, raw, case):
        return self.lines([json.loads(line) for line in raw.decode().split("\n") if line])

    def again(self, body, answer):
        results = [
            {"role": "tool", "tool_name": call["function"]["name"], "content": RESULT}
            for call in answer.native["tool_calls"]
        ]
        return {**body, "messages": body["messages"] + [answer.native, *results]}

    def error(self, body):
        equal(set(body), {"error"})
        check(isinstance(body["error"], str), f"members of {body}")
        return body["error"]

    def error_event(self, raw):
        lines = [json.loads(line) for line in raw.decode().split("\n") if line]
        check(not any(line.get("done") for line in lines), "an error, and done")
        return self.error(lines[-1])

    def received(self, body):
        seen = Received(stream=body.get("stream", True))
        for message in body["messages"]:
            if message["role"] == "tool":
                answered = message.get("tool_call_id") or message.get("tool_name")
                seen.results.append((answered, message["content"]))
            else:
                seen.texts.append(message.get("content") or "")
            seen.images += message.get("images", [])
            for call in message.get("tool_calls", []):
                name = call["function"]["name"]
                seen.calls.append((call.get("id") or name, name))
        for tool in body.get("tools", []):
            seen.tools[tool["function"]["name"]] = tool["function"]["parameters"]
        seen.schema = body.get("format") if isinstance(body.get("format"), dict) else None
        return seen


DOORS = {
    "openai": OpenAI(),
    "responses": Responses(),
    "anthropic": Anthropic(),
    "gemini": Gemini(),
    "ollama": Ollama(),
}
PROVIDERS = {**DOORS, "azure": DOORS["openai"]}
