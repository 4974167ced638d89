"""POST /v1/embeddings, from OpenAI's form to providers of three formats, and llm.embed in a policy.

SPDX-License-Identifier: MIT
"""

import base64
import json
import struct

from base import check, equal
from harness import Gateway, config
from upstream import Provider


def packed(*numbers):
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def vector_of(text):
    return [float(len(text)), 0.5]


def openai(exchange):
    body = exchange.json()
    inputs = body["input"] if isinstance(body["input"], list) else [body["input"]]
    as_text = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": i, "embedding": packed(*vector_of(t)) if as_text else vector_of(t)}
        for i, t in enumerate(inputs)
    ]
    usage = {"prompt_tokens": 8, "total_tokens": 8}
    exchange.reply({"object": "list", "data": data, "model": body["model"], "usage": usage})


def gemini(exchange):
    texts = [r["content"]["parts"][0]["text"] for r in exchange.json()["requests"]]
    exchange.reply({"embeddings": [{"values": vector_of(t)} for t in texts]})


def ollama(exchange):
    body = exchange.json()
    exchange.reply({"model": "m", "embeddings": [vector_of(t) for t in body["input"]], "prompt_eval_count": 4})


PLAYS = {"openai": openai, "gemini": gemini, "ollama": ollama}
PATHS = {"openai": "/v1/embeddings", "gemini": "/v1/models/emb:batchEmbedContents", "ollama": "/v1/api/embed"}
MODELS = {"own/emb": {"input": 1.0, "output": 0}}

POLICY = """
return require("policy").define { name = "embeds", run = function(req)
   local got, err = require("llm").embed("own/emb", { req.text, "b" })
   if not got then return nil, err end
   return require("llm").reply { text = require("json").encode(got.vectors) }
end }
"""


class Setup:
    """A provider of a format and a gateway in front of it."""

    def __init__(self, name, play=None):
        self.provider = Provider(play or PLAYS[name])
        self.provider.__enter__()
        own = {"codec": name, "base_url": self.provider.base_url, "key": "k"}
        text = config({"own": own}, models=MODELS, aliases={"mine": "own/emb"})
        self.gateway = Gateway(text, policies={"embeds": POLICY})

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.gateway.stop()
        self.provider.__exit__(*why)

    def ask(self, path="/v1/embeddings", **body):
        return self.gateway.request(path=path, body=json.dumps(body).encode())


def test_every_provider_answers_in_the_form_of_openai():
    for name in PLAYS:
        with Setup(name) as s:
            for more, want in (({}, [3.0, 0.5]), ({"encoding_format": "base64"}, packed(3.0, 0.5))):
                answer = s.ask(model="own/emb", input=["abc", "defgh"], **more)
                equal(answer.status, 200, f"{name}: {answer.body}")
                said = json.loads(answer.body)
                equal((said["object"], len(said["data"])), ("list", 2), name)
                first = said["data"][0]
                equal((first["object"], first["index"], first["embedding"]), ("embedding", 0, want), name)
                check(isinstance(said["usage"]["prompt_tokens"], int), said)
                equal(answer.header("x-baton-model"), "own/emb", name)
            equal({e.path for e in s.provider.exchanges}, {PATHS[name]})


def test_names_and_paths():
    with Setup("openai") as s:
        for model in ("own/emb", "mine", "emb"):
            for path in ("/v1/embeddings", "/embeddings"):
                answer = s.ask(path, model=model, input="abc", user="u")
                equal(answer.status, 200, answer.body)
        equal({e.json()["model"] for e in s.provider.exchanges}, {"emb"})
        equal({e.json()["user"] for e in s.provider.exchanges}, {"u"})


def test_bytes_pass_to_a_provider_of_the_same_form():
    with Setup("openai") as s:
        raw = b'{ "model" : "own/emb",\n "input":"abc", "encoding_format":null, "extra":{"a":1.0} }'
        answer = s.gateway.request(path="/v1/embeddings", body=raw)
        equal(answer.status, 200, answer.body)
        equal(s.provider.exchanges[0].body, b'{ "model" : "emb",\n "input":"abc", "extra":{"a":1.0} }')
        equal(json.loads(answer.body)["model"], "emb")


def test_tokens_go_to_the_same_form_only():
    with Setup("openai", lambda e: e.reply({"data": [{"index": 0, "embedding": [1.0]}]})) as s:
        for tokens in ([1, 2, 3], [[1, 2], [3]]):
            equal(s.ask(model="own/emb", input=tokens).status, 200)
        equal(s.provider.exchanges[1].json()["input"], [[1, 2], [3]])
    with Setup("gemini") as s:
        answer = s.ask(model="own/emb", input=[1, 2, 3])
        equal(answer.status, 400)
        check("takes texts, not tokens" in json.loads(answer.body)["error"]["message"], answer.body)
        equal(s.provider.exchanges, [])


def test_what_cannot_be_said_is_told():
    with Setup("gemini") as s:
        answer = s.ask(model="own/emb", input="a", user="u", dimensions=2)
        equal((answer.status, answer.header("x-baton-warnings")), (200, "dropped: user"))
        equal(s.provider.exchanges[0].json()["requests"][0]["outputDimensionality"], 2)


def test_errors():
    with Setup("openai", lambda e: e.reply({"error": {"message": "slow", "type": "x"}}, 429, {"Retry-After": "7"})) as s:
        answer = s.ask(model="own/emb", input="a")
        equal((answer.status, answer.header("retry-after")), (429, "7"))
        for body, status, code in (
            ({"input": "a"}, 400, "bad_request"),
            ({"model": "own/emb"}, 400, "bad_request"),
            ({"model": "own/emb", "input": []}, 400, "bad_request"),
            ({"model": "embeds", "input": "a"}, 400, "bad_request"),
            ({"model": "nobody", "input": "a"}, 404, "model_not_found"),
        ):
            answer = s.ask(**body)
            equal((answer.status, json.loads(answer.body)["error"]["code"]), (status, code), body)
        for raw in (b"", b"[]", b"{", b'"x"', b"null"):
            answer = s.gateway.request(path="/v1/embeddings", body=raw)
            equal(answer.status, 400, f"{raw}: {answer.body}")
    for play in (lambda e: e.reply(b"<html>", content_type="text/html"), lambda e: e.reply({"data": None})):
        for name in PLAYS:
            with Setup(name, play) as s:
                equal(s.ask(model="own/emb", input="a").status, 502, name)


def test_a_policy_embeds():
    for name in PLAYS:
        with Setup(name) as s:
            answer = s.gateway.chat("embeds", "four")
            equal(json.loads(answer.json()["choices"][0]["message"]["content"]), [[4, 0.5], [1, 0.5]], name)
