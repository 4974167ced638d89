// test_openai - the official client talks to Baton as it would to its own provider.
// SPDX-License-Identifier: MIT
//
// Run by tests/e2e/test_npm.py, which starts the engine and the simulator and sets
// BATON_URL, LOCKED_URL (a gateway that wants the key "right-key"), SIM_LOG.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.BATON_URL, apiKey: "any", maxRetries: 0 });
const deadline = Number(process.env.DEADLINE_MS ?? 10000);
const tests = [];
const test = (name, run) => tests.push({ name, run });

const ask = (text, more = {}) => ({
    model: "sim/mini",
    messages: [{ role: "user", content: text }],
    ...more,
});

async function eventually(question, what) {
    const end = Date.now() + deadline;
    for (;;) {
        const answer = question();
        if (answer) return answer;
        assert(Date.now() < end, `not in time: ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
    }
}

const simLog = () =>
    readFileSync(process.env.SIM_LOG, "utf8")
        .split("\n")
        .filter(Boolean)
        .map((l) => JSON.parse(l));

async function collect(stream) {
    const seen = { text: "", finish: null, usage: null, chunks: 0, calls: [] };
    for await (const chunk of stream) {
        seen.chunks++;
        seen.usage = chunk.usage ?? seen.usage;
        for (const choice of chunk.choices) {
            seen.text += choice.delta.content ?? "";
            seen.finish = choice.finish_reason ?? seen.finish;
            for (const part of choice.delta.tool_calls ?? []) {
                const call = (seen.calls[part.index] ??= { id: part.id, name: "", arguments: "" });
                call.name += part.function?.name ?? "";
                call.arguments += part.function?.arguments ?? "";
            }
        }
    }
    return seen;
}

// ---- chat ----

test("chat answers with text, usage and a finish reason", async () => {
    const { data, response, request_id } = await client.chat.completions
        .create(ask("Say hello."))
        .withResponse();
    assert.equal(data.object, "chat.completion");
    assert.equal(data.choices[0].finish_reason, "stop");
    assert(data.choices[0].message.content.length > 0);
    assert(data.usage.total_tokens > 0);
    assert(request_id, "the client finds no request id");
    assert.equal(response.headers.get("x-baton-model"), "sim/mini");
});

test("every policy is a model", async () => {
    for (const model of [
        "direct",
        "complexity",
        "task",
        "cascade",
        "ensemble",
        "chain",
        "auto",
        "baton/cascade",
    ]) {
        const answer = await client.chat.completions.create(ask("What is 2 plus 3?", { model }));
        assert(answer.choices[0].message.content, model);
    }
});

test("models are listed", async () => {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    assert(ids.includes("sim/mini"), ids.join());
    assert(
        ids.some((id) => id.endsWith("cascade")),
        ids.join(),
    );
});

// ---- streams ----

test("a stream gives the same text as the whole answer", async () => {
    const whole = await client.chat.completions.create(ask("What is 5 plus 9?"));
    const seen = await collect(
        await client.chat.completions.create(ask("What is 5 plus 9?", { stream: true })),
    );
    assert.equal(seen.text, whole.choices[0].message.content);
    assert.equal(seen.finish, "stop");
    assert.equal(seen.usage, null, "usage that nobody asked for");
    assert(seen.chunks > 1);
});

test("a stream gives usage when asked", async () => {
    const options = { stream: true, stream_options: { include_usage: true } };
    const seen = await collect(await client.chat.completions.create(ask("Say hello.", options)));
    assert(seen.usage.total_tokens > 0);
    assert.equal(seen.finish, "stop");
});

test("the stream helper puts the answer together", async () => {
    const runner = client.chat.completions.stream(ask("Say hello."));
    const answer = await runner.finalChatCompletion();
    assert(answer.choices[0].message.content.length > 0);
});

test("every policy streams", async () => {
    for (const model of ["direct", "complexity", "task", "cascade", "ensemble", "chain"]) {
        const seen = await collect(
            await client.chat.completions.create(ask("What is 2 plus 3?", { model, stream: true })),
        );
        assert(seen.text && seen.finish === "stop", model);
    }
});

// ---- tools ----

const tools = [
    {
        type: "function",
        function: {
            name: "get_weather",
            description: "The weather of a city.",
            parameters: {
                type: "object",
                properties: { city: { type: "string" } },
                required: ["city"],
            },
        },
    },
];

function secondTurn(question, calls) {
    const tool_calls = calls.map((c) => ({
        id: c.id,
        type: "function",
        function: { name: c.name, arguments: c.arguments },
    }));
    const results = calls.map((c) => ({
        role: "tool",
        tool_call_id: c.id,
        content: '{"weather":"rain"}',
    }));
    return [
        { role: "user", content: question },
        { role: "assistant", content: null, tool_calls },
        ...results,
    ];
}

test("a tool is called, and its result answered, whole", async () => {
    const question = "What is the weather in Berlin?";
    const first = await client.chat.completions.create(
        ask(question, { tools, tool_choice: "required" }),
    );
    assert.equal(first.choices[0].finish_reason, "tool_calls");
    const calls = first.choices[0].message.tool_calls.map((c) => ({ id: c.id, ...c.function }));
    assert.equal(calls[0].name, "get_weather");
    JSON.parse(calls[0].arguments);
    const second = await client.chat.completions.create(
        ask("", { tools, messages: secondTurn(question, calls) }),
    );
    assert.equal(second.choices[0].finish_reason, "stop");
    assert(second.choices[0].message.content);
});

test("a tool is called, and its result answered, streamed", async () => {
    const question = "What is the weather in Berlin?";
    const options = { tools, tool_choice: "required", stream: true };
    const first = await collect(await client.chat.completions.create(ask(question, options)));
    assert.equal(first.finish, "tool_calls");
    assert.equal(first.calls[0].name, "get_weather");
    assert(first.calls[0].id);
    JSON.parse(first.calls[0].arguments);
    const messages = secondTurn(question, first.calls);
    const second = await collect(
        await client.chat.completions.create(ask("", { tools, stream: true, messages })),
    );
    assert.equal(second.finish, "stop");
    assert(second.text);
});

// ---- errors ----

test("an unknown model is NotFoundError", async () => {
    await assert.rejects(client.chat.completions.create(ask("x", { model: "nobody/x" })), (e) => {
        assert(e instanceof OpenAI.NotFoundError, String(e));
        assert.deepEqual([e.status, e.code, e.param], [404, "model_not_found", "model"]);
        assert(e.requestID, "no request id in the error");
        return true;
    });
});

test("a wrong body is BadRequestError and names the field", async () => {
    await assert.rejects(
        client.chat.completions.create({ model: "sim/mini", messages: "hello" }),
        (e) => {
            assert(e instanceof OpenAI.BadRequestError, String(e));
            assert.equal(e.type, "invalid_request_error");
            assert.match(e.param, /^messages/);
            assert.match(e.message, /messages/);
            return true;
        },
    );
});

test("a wrong key is AuthenticationError, the right one serves", async () => {
    const wrong = new OpenAI({ baseURL: process.env.LOCKED_URL, apiKey: "wrong", maxRetries: 0 });
    await assert.rejects(wrong.chat.completions.create(ask("x")), (e) => {
        assert(e instanceof OpenAI.AuthenticationError, String(e));
        assert.deepEqual([e.status, e.code], [401, "invalid_api_key"]);
        return true;
    });
    const right = new OpenAI({
        baseURL: process.env.LOCKED_URL,
        apiKey: "right-key",
        maxRetries: 0,
    });
    assert((await right.chat.completions.create(ask("x"))).choices[0].message.content);
});

test("a rate limit is RateLimitError with its Retry-After, whole and streamed", async () => {
    for (const stream of [false, true]) {
        await assert.rejects(
            client.chat.completions.create(ask("x", { model: "sim/mini:429=30", stream })),
            (e) => {
                assert(e instanceof OpenAI.RateLimitError, String(e));
                assert.equal(e.status, 429);
                assert(Number(e.headers.get("retry-after")) > 20);
                return true;
            },
        );
    }
});

test("a failing provider is InternalServerError", async () => {
    await assert.rejects(
        client.chat.completions.create(ask("x", { model: "sim/mini:500" })),
        (e) => {
            assert(e instanceof OpenAI.InternalServerError, String(e));
            return e.status >= 500;
        },
    );
});

test("a prompt too long is BadRequestError with the code clients look for", async () => {
    await assert.rejects(
        client.chat.completions.create(ask("x", { model: "sim/mini:context" })),
        (e) => {
            assert(e instanceof OpenAI.BadRequestError, String(e));
            assert.equal(e.code, "context_length_exceeded");
            return true;
        },
    );
});

test("a stream that is cut raises in the client's loop", async () => {
    for (const fault of ["cut", "error-event", "no-finish"]) {
        const stream = await client.chat.completions.create(
            ask("Tell a story.", { model: `sim/mini:${fault}`, stream: true }),
        );
        await assert.rejects(collect(stream), (e) => e instanceof OpenAI.APIError, fault);
    }
});

// ---- leaving and crowds ----

test("an aborted stream ends the provider's work", async () => {
    const model = "sim/mini:drip=50";
    const stream = await client.chat.completions.create(
        ask("Tell a long story.", { model, stream: true }),
    );
    for await (const chunk of stream) {
        if (chunk.choices[0]?.delta?.content) break;
    }
    stream.controller.abort();
    const entry = await eventually(
        () => simLog().find((e) => e.model === "mini:drip=50"),
        "the simulator's log",
    );
    assert.equal(entry.client_left, true);
});

test("an aborted whole request ends the provider's work", async () => {
    const controller = new AbortController();
    const options = { signal: controller.signal };
    const asked = client.chat.completions.create(
        ask("x", { model: "sim/mini:latency=30000" }),
        options,
    );
    setTimeout(() => controller.abort(), 300);
    await assert.rejects(asked, (e) => e instanceof OpenAI.APIUserAbortError);
    const entry = await eventually(
        () => simLog().find((e) => e.model === "mini:latency=30000"),
        "the simulator's log",
    );
    assert.equal(entry.client_left, true);
});

test("forty at once get their own answers", async () => {
    const sums = Array.from({ length: 40 }, (_, i) => i);
    const alone = await client.chat.completions.create(ask("What is 7 plus 1?"));
    const answers = await Promise.all(
        sums.map((i) =>
            i % 2
                ? client.chat.completions
                      .create(ask(`What is ${i} plus 1?`, { stream: true }))
                      .then(collect)
                      .then((s) => s.text)
                : client.chat.completions
                      .create(ask(`What is ${i} plus 1?`))
                      .then((a) => a.choices[0].message.content),
        ),
    );
    assert.equal(answers[7], alone.choices[0].message.content);
    assert(answers.every((text) => text.length > 0));
});

let passed = 0,
    failed = 0;
for (const { name, run } of tests) {
    try {
        await run();
        passed++;
        console.log(`passed  ${name}`);
    } catch (e) {
        failed++;
        console.log(`FAILED  ${name}\n    ${String(e?.stack ?? e).replaceAll("\n", "\n    ")}`);
    }
}
console.log(`npm-openai: ${passed} passed, ${failed} failed, 0 skipped`);
process.exitCode = failed ? 1 : 0;
