"""`baton models`: the catalogue as a list, and price lists of others made into one.

SPDX-License-Identifier: MIT
"""

import json
import re
import tempfile
from pathlib import Path

from base import check, equal, eventually
from harness import Gateway, baton, behind, clean_env, config, provider
from upstream import Provider, completion

KEYS = {"OPENAI_API_KEY": "k", "MISTRAL_API_KEY": "k"}

LITELLM = {
    "sample_spec": {"litellm_provider": "one of", "mode": "one of: chat", "input_cost_per_token": 0.0},
    "gpt-4o": {
        "litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 3e-06,
        "output_cost_per_token": 1.2e-05, "max_input_tokens": 128000,
    },
    "gpt-new": {
        "litellm_provider": "openai", "mode": "chat", "max_input_tokens": 400000, "max_output_tokens": 64000.0,
        "input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07,
        "input_cost_per_token_above_200k_tokens": 3e-07, "output_cost_per_token_above_200k_tokens": 9e-07,
        "cache_read_input_token_cost_above_200k_tokens": 3e-08, "input_cost_per_token_above_200k_tokens_batches": 1,
        "cache_read_input_token_cost": 1.5e-08, "cache_creation_input_token_cost": 1.9e-07,
        "cache_creation_input_token_cost_above_1hr": 3e-07, "output_cost_per_reasoning_token": 7e-07,
        "input_cost_per_audio_token": 1e-06, "search_context_cost_per_query": {"search_context_size_medium": 0.01},
        "supports_function_calling": True, "supports_vision": False, "supports_prompt_caching": True,
        "source": "https://example.com/prices", "deprecation_date": "2999-01-01",
    },
    "gpt-old": {
        "litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-06,
        "output_cost_per_token": 1e-06, "deprecation_date": "2020-01-01",
    },
    "o-pro": {
        "litellm_provider": "openai", "mode": "responses", "input_cost_per_token": 1e-05,
        "output_cost_per_token": 1e-05,
    },
    "text-embedding-new": {
        "litellm_provider": "openai", "mode": "embedding", "input_cost_per_token": 2e-08,
        "output_vector_size": 1024, "max_tokens": 8191, "max_input_tokens": None,
    },
    "together_ai/org/some-model": {
        "litellm_provider": "together_ai", "mode": "chat", "input_cost_per_token": 1e-06,
        "output_cost_per_token": 2e-06,
    },
    "dall-e": {"litellm_provider": "openai", "mode": "image_generation", "output_cost_per_image": 0.04},
    "per-second": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_second": 0.01},
    "ft:gpt-4o": {
        "litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-06,
        "output_cost_per_token": 1e-06,
    },
}

OPENROUTER = {
    "data": [
        {
            "id": "maker/good", "context_length": 200000,
            "architecture": {"input_modalities": ["text", "image", "file"], "output_modalities": ["text"]},
            "pricing": {
                "prompt": "0.0000003", "completion": "0.0000025", "request": "0.001", "image": "0",
                "internal_reasoning": "0", "input_cache_read": "0.00000003", "web_search": "0.014",
            },
            "top_provider": {"max_completion_tokens": 65536},
            "supported_parameters": ["tools", "response_format", "structured_outputs", "reasoning"],
        },
        {"id": "maker/free", "context_length": 1000, "pricing": {"prompt": "0", "completion": "0"}},
        {"id": "openrouter/auto", "pricing": {"prompt": "-1", "completion": "-1"}},
        {
            "id": "maker/paints", "architecture": {"output_modalities": ["image"]},
            "pricing": {"prompt": "0.000001", "completion": "0.000001"},
        },
        {"id": "maker/odd", "pricing": None},
    ]
}


def folder():
    return tempfile.TemporaryDirectory(prefix="baton-e2e-")


def models(*args, env=None, cwd=None):
    done = baton("models", *args, env=clean_env(**(env or {})), cwd=cwd)
    equal(done.returncode, 0, done.output)
    return done.stdout


def names(text):
    return re.findall(r"^([\w-]+/\S+)", text, flags=re.M)


def test_a_list_that_is_none_is_named():
    with tempfile.TemporaryDirectory() as d:
        Path(d, "list.json").write_text("text,label", encoding="utf-8")
        done = baton("models", "import", "list.json", cwd=d)
        equal(done.returncode, 1, done.output)
        equal(done.stderr, "baton models import: list.json: this is no JSON: line 1, column 1: expected a value\n")


def importing(directory, data, *args, source="list.json"):
    if data is not None:
        text = data if isinstance(data, str) else json.dumps(data)
        Path(directory, "list.json").write_text(text, encoding="utf-8")
    return baton("models", "import", source, *args, cwd=directory)


def imported(directory, name="prices.json"):
    return json.loads(Path(directory, name).read_text(encoding="utf-8"))


# ---- the list -----------------------------------------------------------------------------------


def test_without_providers_all_of_the_catalogue_is_listed():
    with folder() as here:
        text = models(cwd=here)
    check(len(names(text)) > 100, text)
    check(re.search(r"^MODEL +TIER +INPUT +CACHED +OUTPUT", text), text)
    check(re.search(r"catalogue: shipped, of 20\d\d-\d\d-\d\d$", text.strip()), text[-300:])


def test_the_list_is_of_the_configured_providers():
    with folder() as here:
        listed = names(models(env=KEYS, cwd=here))
        every = names(models("--all", env=KEYS, cwd=here))
    equal({name.split("/")[0] for name in listed}, {"openai", "mistral"})
    check(len(every) > len(listed), (len(every), len(listed)))


def test_filters_narrow_the_list():
    with folder() as here:
        fast = names(models("--all", "--tier", "fast", "--provider", "openai", cwd=here))
        check(fast and all(name.startswith("openai/") for name in fast), fast)
        cheap = json.loads(models("--all", "--needs", "tools,vision", "--max-price", "2", "--json", cwd=here))
        for entry in cheap["models"]:
            check({"tools", "vision"} <= set(entry["capabilities"]) and entry["output"] <= 2, entry)
        check(cheap["models"], cheap)
        equal(names(models("--all", "CLAUDE", "opus-5-5", cwd=here)), ["anthropic/claude-opus-5-5"])
        check("openai/text-embedding-3-small" in names(models("--all", "embed", cwd=here)), "embeddings")
        local = names(models("--all", "--where", "local", cwd=here))
        check(local and all(name.startswith("sim/") for name in local), local)
        text = models("nothing-is-called-so", cwd=here)
        check(text.startswith("0 models"), text)


def test_json_has_all_that_is_known():
    with folder() as here:
        listed = json.loads(models("--json", "openai/gpt-4o-mini", env=KEYS, cwd=here))
    check(re.fullmatch(r"20\d\d-\d\d-\d\d", listed["dated"]), listed["dated"])
    equal(listed["imported"], None)
    entry = next(m for m in listed["models"] if m["name"] == "openai/gpt-4o-mini")
    for key in ("input", "output", "cached_input", "context", "max_output", "source", "dated", "tier"):
        check(key in entry, key)


def test_wrong_filters_are_told():
    for arguments in (("--where", "moon"), ("--max-price", "cheap"), ("--zzz",)):
        done = baton("models", *arguments)
        equal(done.returncode, 2, done.output)
        check(done.stderr.startswith("baton models: "), done.stderr)


# ---- importing ----------------------------------------------------------------------------------


def test_a_price_file_of_litellm_becomes_a_catalogue():
    with folder() as here:
        done = importing(here, LITELLM, "--at-least", "3")
        equal(done.returncode, 0, done.output)
        equal(done.stdout, "5 models of litellm, 5 rows left out, in prices.json\n")
        made = imported(here)
    equal((made["from"], made["source"], made["baton_catalogue"]), ("litellm", "list.json", 1))
    check(re.fullmatch(r"20\d\d-\d\d-\d\d", made["dated"]), made["dated"])
    equal(sorted(made["models"]), [
        "openai/gpt-4o", "openai/gpt-new", "openai/o-pro", "openai/text-embedding-new",
        "together/org/some-model",
    ])
    equal(made["models"]["openai/gpt-new"], {
        "input": 0.15, "output": 0.6, "cached_input": 0.015, "cache_write": 0.19, "cache_write_1h": 0.3,
        "reasoning": 0.7, "audio_input": 1, "search": 0.01, "context": 400000, "max_output": 64000,
        "above": {"tokens": 200000, "input": 0.3, "output": 0.9, "cached_input": 0.03},
        "capabilities": ["tools", "cache"], "source": "https://example.com/prices", "ends": "2999-01-01",
    })
    equal(made["models"]["openai/o-pro"]["dialect"], ["responses"])
    equal(made["models"]["openai/text-embedding-new"], {
        "mode": "embedding", "input": 0.02, "output": 0, "dimensions": 1024, "context": 8191,
        "capabilities": ["embeddings"],
    })


def test_the_list_of_openrouter_becomes_a_catalogue():
    with folder() as here:
        done = importing(here, OPENROUTER, "--at-least", "2", "-o", "router.json")
        equal(done.stdout, "2 models of openrouter, 3 rows left out, in router.json\n", done.output)
        made = imported(here, "router.json")["models"]
    equal(made["openrouter/maker/good"], {
        "input": 0.3, "output": 2.5, "cached_input": 0.03, "request": 0.001, "search": 0.014,
        "context": 200000, "max_output": 65536,
        "capabilities": ["tools", "vision", "json", "json_schema", "reasoning", "files", "cache"],
    })
    equal(made["openrouter/maker/free"], {"input": 0, "output": 0, "context": 1000})


BAD = {
    "no JSON": ("<html>busy</html>", "no JSON"),
    "cut": (json.dumps(LITELLM)[:-9], "no JSON"),
    "something else": ({"hello": {"world": 1}}, "neither"),
    "a text": ('"hello"', "neither"),
    "a negative price": (
        {**LITELLM, "x": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": -1e-6,
                          "output_cost_per_token": 1e-6}}, "openai/x has a negative price"),
    "prices per million": (
        {"x": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2.5,
               "output_cost_per_token": 10}}, "openai/x costs 2.5 USD a token"),
    "too few": ({"gpt-4o": LITELLM["gpt-4o"]}, "only 1 models make sense, and 3 are wanted"),
}


def test_what_makes_no_sense_is_refused_and_the_old_catalogue_stays():
    with folder() as here:
        equal(importing(here, LITELLM, "--at-least", "3").returncode, 0)
        before = Path(here, "prices.json").read_bytes()
        for name, (data, words) in BAD.items():
            done = importing(here, data, "--at-least", "3")
            equal(done.returncode, 1, name)
            check(done.stderr.startswith("baton models import: ") and words in done.stderr, (name, done.stderr))
            equal(Path(here, "prices.json").read_bytes(), before, name)
        equal(sorted(p.name for p in Path(here).iterdir()), ["list.json", "prices.json"])


def test_a_list_that_has_shrunk_is_suspicious():
    row = {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6}
    with folder() as here:
        equal(importing(here, {f"m{i}": row for i in range(100)}).returncode, 0)
        done = importing(here, {f"m{i}": row for i in range(40)})
        check("only 40 models make sense, and 50 are wanted (the old file has 100)" in done.stderr, done.output)
        equal(importing(here, {f"m{i}": row for i in range(40)}, "--at-least", "40").returncode, 0)
        equal(len(imported(here)["models"]), 40)


def test_import_from_a_url_that_was_given():
    def play(exchange):
        if exchange.path.startswith("/good"):
            exchange.reply(LITELLM)
        elif exchange.path.startswith("/moved"):
            exchange.reply({}, 302, {"Location": "/good"})
        elif exchange.path.startswith("/cut"):
            exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
            exchange.close()
        else:
            exchange.reply({"error": "no"}, 500)

    with folder() as here, Provider(play) as upstream:
        url = f"http://{upstream.address}"
        done = importing(here, None, "--at-least", "3", source=f"{url}/good?key=secret")
        equal(done.returncode, 0, done.output)
        equal(imported(here)["source"], f"{url}/good")
        before = Path(here, "prices.json").read_bytes()
        for path, words in (("moved", "answers 302"), ("cut", "127.0.0.1"), ("wrong", "answers 500")):
            done = importing(here, None, source=f"{url}/{path}")
            equal(done.returncode, 1, path)
            check(words in done.stderr and "secret" not in done.stderr, done.stderr)
            equal(Path(here, "prices.json").read_bytes(), before)
        check(all(e.method == "GET" for e in upstream.exchanges), "GET")


def test_a_missing_file_and_no_file_are_told():
    with folder() as here:
        done = importing(here, None, source="nowhere.json")
        equal((done.returncode, done.stderr), (1, "baton models import: nowhere.json: No such file or directory\n"))
        equal(baton("models", "import").returncode, 2)
        equal(baton("models", "import", "a", "b").returncode, 2)
        done = importing(here, LITELLM, "--at-least", "3", "-o", "no/such/folder.json")
        equal(done.returncode, 1, done.output)


# ---- a catalogue in use -------------------------------------------------------------------------


def write_catalogue(directory, models_, **members):
    text = json.dumps({"baton_catalogue": 1, "dated": "2026-10-01", "source": "s", "models": models_, **members})
    Path(directory, "prices.json").write_text(text, encoding="utf-8")


def says_its_catalogue(gateway, file, dated):
    eventually(lambda: gateway.log(message="catalogue", file=file, dated=dated), "the line of the log")


def test_an_imported_catalogue_says_what_a_call_costs_and_a_reload_takes_a_new_one():
    def play(exchange):
        exchange.reply(completion(usage={"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}))

    with Provider(play) as upstream, folder() as here:
        text = config({"raw": provider(upstream.base_url)}, catalogue="prices.json")
        write_catalogue(here, {"raw/echo": {"input": 3, "output": 15}, "other/x": {"input": 1, "output": 1}})
        with Gateway(text, folder=here) as gateway:
            equal(gateway.chat("raw/echo").header("x-baton-cost-usd"), "0.0045")
            says_its_catalogue(gateway, "prices.json", "2026-10-01")
            write_catalogue(here, {"raw/echo": {"input": 30, "output": 150}})
            equal(baton("reload", "--admin", gateway.admin_address).returncode, 0)
            equal(gateway.chat("raw/echo").header("x-baton-cost-usd"), "0.045")
            write_catalogue(here, {"raw/echo": {"input": -1, "output": 150}})
            done = baton("reload", "--admin", gateway.admin_address)
            check("catalogue: prices.json: models.raw/echo.input: must be" in done.output, done.output)
            equal(gateway.chat("raw/echo").header("x-baton-cost-usd"), "0.045")


def test_the_list_says_which_catalogue_is_active():
    with folder() as here:
        write_catalogue(here, {"openai/gpt-4o": {"input": 3, "output": 12}, "openai/new": {"input": 1, "output": 2}})
        Path(here, "baton.lua").write_text(
            'return { catalogue = "prices.json", providers = { openai = { base_url = "http://127.0.0.1:9/v1" } } }',
            encoding="utf-8",
        )
        text = models("new", cwd=here)
        check(re.search(r"^openai/new .* 2026-10-01$", text, flags=re.M), text)
        check("catalogue: prices.json, of 2026-10-01, from s; then the shipped one, of 20" in text, text)
        listed = json.loads(models("--json", "gpt-4o", cwd=here))
    equal(listed["imported"], {"file": "prices.json", "dated": "2026-10-01", "source": "s"})
    entry = next(m for m in listed["models"] if m["name"] == "openai/gpt-4o")
    equal((entry["input"], entry["output"], entry["tier"], "cached_input" in entry), (3, 12, "standard", False))


def test_a_catalogue_that_is_not_there_or_broken_is_refused_with_its_name():
    with folder() as here:
        Path(here, "baton.lua").write_text('return { catalogue = "prices.json" }', encoding="utf-8")
        broken = {"{": "ends too early", "[]": "no catalogue", "{}": "no catalogue",
                  '{"dated": "x", "models": {"a/b": {"input": "1"}}}': "models.a/b.input: must be a number",
                  '{"dated": "x", "models": {"a/b": {"tear": 1}}}': "unknown field"}
        done = baton("check", "baton.lua", cwd=here)
        check("baton.lua:1: catalogue: prices.json: " in done.output, done.output)
        check("No such file" in done.output, done.output)
        for text, words in broken.items():
            Path(here, "prices.json").write_text(text, encoding="utf-8")
            done = baton("check", "baton.lua", cwd=here)
            equal(done.returncode, 1, text)
            check("catalogue: prices.json: " in done.output and words in done.output, (text, done.output))
        # the command that makes it anew does not need it
        equal(importing(here, LITELLM, "--at-least", "3").returncode, 0)
        equal(baton("check", "baton.lua", cwd=here).returncode, 0)


def test_the_start_says_the_shipped_catalogue_and_its_day():
    with folder() as here:
        dated = json.loads(models("--json", cwd=here))["dated"]
    with behind(lambda exchange: exchange.reply(completion())) as (_, gateway):
        says_its_catalogue(gateway, "shipped", dated)
