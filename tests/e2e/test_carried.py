"""What a client of any format says reaches a provider of any other, or the client is told that it does not.

SPDX-License-Identifier: MIT
"""

import base64
import json
import tempfile
from pathlib import Path

import formats
from base import check, equal
from client import request
from harness import Gateway, Sim, config
from upstream import Provider
from wire import DOORS, PROVIDERS, TOOL, Case

# A setting, by its name in the engine: its value, and its place in each format's body; no place: the format has none.
VALUES = {
    "temperature": 0.25,
    "top_p": 0.5,
    "top_k": 5,
    "max_tokens": 50,
    "stop": ["zzz"],
    "seed": 3,
    "presence_penalty": 0.125,
    "frequency_penalty": 0.375,
    "user": "u-1",
}
CHAT = {
    "temperature": "temperature",
    "top_p": "top_p",
    "max_tokens": "max_tokens",
    "stop": "stop",
    "seed": "seed",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "user": "user",
}
PLACES = {
    "openai": CHAT,
    "azure": CHAT,
    "responses": {
        "temperature": "temperature",
        "top_p": "top_p",
        "max_tokens": "max_output_tokens",
        "user": "user",
    },
    "anthropic": {
        "temperature": "temperature",
        "top_p": "top_p",
        "top_k": "top_k",
        "max_tokens": "max_tokens",
        "stop": "stop_sequences",
        "user": "metadata.user_id",
    },
    "gemini": {
        "temperature": "generationConfig.temperature",
        "top_p": "generationConfig.topP",
        "top_k": "generationConfig.topK",
        "max_tokens": "generationConfig.maxOutputTokens",
        "stop": "generationConfig.stopSequences",
        "seed": "generationConfig.seed",
        "presence_penalty": "generationConfig.presencePenalty",
        "frequency_penalty": "generationConfig.frequencyPenalty",
    },
    "ollama": {
        "temperature": "options.temperature",
        "top_p": "options.top_p",
        "top_k": "options.top_k",
        "max_tokens": "options.num_predict",
        "stop": "options.stop",
        "seed": "options.seed",
        "presence_penalty": "options.presence_penalty",
        "frequency_penalty": "options.frequency_penalty",
    },
}


def put(body, place, value):
    *outer, last = place.split(".")
    for name in outer:
        body = body.setdefault(name, {})
    body[last] = value


def get(body, place):
    for name in place.split("."):
        body = body.get(name) if isinstance(body, dict) else None
    return body


def ask(gateway, name, to, body, stream=False):
    door = DOORS[name]
    if "model" in body:
        body = {**body, "model": to + "/mini"}
    answer = request(gateway.address, "POST", door.path(to + "/mini", stream), json.dumps(body).encode())
    equal(answer.status, 200, f"{name} to {to}: {answer.body}")
    return answer


def pairs(*doors):
    for name in doors or DOORS:
        for to in PROVIDERS:
            yield name, to, f"{name} to {to}"


def check_settings(sent, to, said, places, what):
    for name in places:
        value = VALUES[name]
        at = PLACES[to].get(name)
        got = get(sent, at) if at else None
        if name == "max_tokens" and to in ("openai", "azure") and got is None:
            got = sent.get("max_completion_tokens")
        carried = got == value
        check(carried or f"dropped: {name}" in said, f"{what}: {name} is {got}, and all that is said is '{said}'")
        check(not (carried and f"dropped: {name}" in said), f"{what}: {name} was sent, and '{said}'")


def test_settings_are_carried_over_or_reported():
    with Sim() as sim, Gateway(config(formats.providers(sim), models=formats.models())) as gateway:
        for name, to, what in pairs():
            body = DOORS[name].body("m", Case("Hello"))
            for setting, place in PLACES[name].items():
                put(body, place, VALUES[setting])
            answer = ask(gateway, name, to, body)
            said = answer.header("x-baton-warnings") or ""
            check_settings(json.loads(sim.log()[-1]["body"]), to, said, PLACES[name], what)


def test_what_asks_for_nothing_is_not_missed():
    harmless = {"store": False, "n": 1, "presence_penalty": 0, "frequency_penalty": 0, "logprobs": False}
    with Sim() as sim, Gateway(config(formats.providers(sim), models=formats.models())) as gateway:
        for name, to, what in pairs("openai", "responses"):
            body = DOORS[name].body("m", Case("Hello"))
            body.update(harmless if name == "openai" else {"store": False})
            equal(ask(gateway, name, to, body).header("x-baton-warnings"), None, what)


# ---- files that stand elsewhere, and in the body ------------------------------------------------

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=="
)
PDF = b"%PDF-1.4 hello"
FETCHES = ("gemini", "ollama", "anthropic")  # the last only because the address is http:


def text_of(data):
    return base64.b64encode(data).decode()


IMAGE_AT = {  # the user's content with an image at an address
    "openai": lambda url: [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": url}}],
    "responses": lambda url: [{"type": "input_text", "text": "x"}, {"type": "input_image", "image_url": url}],
    "anthropic": lambda url: [{"type": "image", "source": {"type": "url", "url": url}}, {"type": "text", "text": "x"}],
    "gemini": lambda url: [{"text": "x"}, {"fileData": {"mimeType": "image/png", "fileUri": url}}],
}
DOCUMENT = {  # ... and with a document in it
    "openai": [
        {"type": "text", "text": "x"},
        {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64," + text_of(PDF)},
        },
    ],
    "responses": [
        {"type": "input_text", "text": "x"},
        {
            "type": "input_file",
            "filename": "a.pdf",
            "file_data": "data:application/pdf;base64," + text_of(PDF),
        },
    ],
    "anthropic": [
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": text_of(PDF)},
        },
        {"type": "text", "text": "x"},
    ],
    "gemini": [{"text": "x"}, {"inlineData": {"mimeType": "application/pdf", "data": text_of(PDF)}}],
}


def with_content(name, content):
    body = DOORS[name].body("m", Case("x"))
    if name == "gemini":
        body["contents"][0]["parts"] = content
    else:
        body["input" if name == "responses" else "messages"][0]["content"] = content
    return body


def test_an_image_at_an_address_is_fetched_where_the_provider_wants_it_inside():
    def serve(exchange):
        head = f"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: {len(PNG)}\r\n\r\n"
        exchange.send(head.encode() + PNG)

    with Provider(serve) as host, Sim() as sim:
        text = config(formats.providers(sim), models=formats.models(), media={"allow_private": True})
        url = f"http://{host.address}/a.png"
        with Gateway(text) as gateway:
            for name, to, what in pairs(*IMAGE_AT):
                ask(gateway, name, to, with_content(name, IMAGE_AT[name](url)))
                sent = sim.log()[-1]["body"]
                inside = to in FETCHES and name != to
                equal((text_of(PNG) in sent, url in sent), (inside, not inside), what)


def test_a_document_reaches_whoever_reads_documents():
    with Sim() as sim, Gateway(config(formats.providers(sim), models=formats.models())) as gateway:
        for name, to, what in pairs(*DOCUMENT):
            answer = ask(gateway, name, to, with_content(name, DOCUMENT[name]))
            sent, said = sim.log()[-1]["body"], answer.header("x-baton-warnings") or ""
            equal((text_of(PDF) in sent, "file" in said), (to != "ollama", to == "ollama"), f"{what}: {said}")


# ---- calls side by side -------------------------------------------------------------------------


def test_calls_side_by_side_keep_apart():
    calls = [{"name": TOOL, "arguments": {"city": city}} for city in ("Paris", "Berlin")]
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "script.jsonl")
        script.write_text(json.dumps({"user": "both cities", "calls": calls}) + "\n")
        with Sim("--script", script) as sim:
            with Gateway(config(formats.providers(sim), models=formats.models())) as gateway:
                for name, to, what in pairs():
                    for stream in (False, True):
                        check_calls(gateway, name, to, stream, what)


def check_calls(gateway, name, to, stream, what):
    case = Case("The weather in both cities?", stream=stream, tools=True)
    raw = ask(gateway, name, to, DOORS[name].body("m", case), stream)
    answer = DOORS[name].stream(raw.body, case) if stream else DOORS[name].whole(raw.json())
    equal([arguments["city"] for _, _, arguments in answer.calls], ["Paris", "Berlin"], what)
    ids = [identity for identity, _, _ in answer.calls]  # Gemini and Ollama may have none
    check(len(set(ids)) == 2 or {name, to} <= {"gemini", "ollama"}, f"{what}: {ids}")
    equal(answer.finish, "tool_calls", what)


# ---- usage --------------------------------------------------------------------------------------


def test_every_client_reads_the_numbers_that_the_provider_has_counted():
    with Sim() as sim, Gateway(config(formats.providers(sim), models=formats.models())) as gateway:
        for stream in (False, True):
            case = Case("Tell me about rivers.", stream=stream, usage=True)
            counted = {}
            for name, to, _ in pairs():
                raw = ask(gateway, name, to, DOORS[name].body("m", case), stream)
                answer = DOORS[name].stream(raw.body, case) if stream else DOORS[name].whole(raw.json())
                counted.setdefault(to, {})[name] = answer.usage
            for to, by_door in counted.items():
                equal(len(set(by_door.values())), 1, f"usage of {to} at each door: {by_door}")
