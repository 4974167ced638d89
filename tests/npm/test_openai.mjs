// test_openai - the official client talks to Baton as it would to its own provider.
// SPDX-License-Identifier: MIT

import assert from "node:assert/strict";
import OpenAI from "openai";
import { baton, city, fails, locked, plain, providers, providerSawItLeave, question, run, test, weather } from "./client.mjs";

const clientFor = (url, apiKey, maxRetries = 0) => new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries });
const client = clientFor(baton, "any");
const policies = clientFor(plain, "any"); // where the policies have only simulated models to choose from

const ask = (text, more = {}) => ({
    model: "sim/mini",
    messages: [{ role: "user", content: text }],
    ...more,
});

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
        const answer = await policies.chat.completions.create(ask("What is 2 plus 3?", { model }));
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
            await policies.chat.completions.create(ask("What is 2 plus 3?", { model, stream: true })),
        );
        assert(seen.text && seen.finish === "stop", model);
    }
});

// ---- tools ----

const tools = [{ type: "function", function: weather }];

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

// ---- every provider ----

for (const provider of providers) {
    test(`${provider}: whole and streamed say the same`, async () => {
        const body = ask("What is 5 plus 9?", { model: `${provider}/mini` });
        const whole = await client.chat.completions.create(body);
        const stream = client.chat.completions.stream({ ...body, stream_options: { include_usage: true } });
        const final = await stream.finalChatCompletion();
        assert(whole.choices[0].message.content);
        assert.equal(final.choices[0].message.content, whole.choices[0].message.content);
        assert.equal(final.choices[0].finish_reason, "stop");
        assert.equal(final.usage.total_tokens, whole.usage.total_tokens);
    });

    test(`${provider}: a tool over two turns, whole and streamed`, async () => {
        const model = `${provider}/mini`;
        for (const streamed of [false, true]) {
            const send = (body) =>
                streamed
                    ? client.chat.completions.stream(body).finalChatCompletion()
                    : client.chat.completions.create(body);
            const first = await send(ask(question, { model, tools, tool_choice: "required" }));
            assert.equal(first.choices[0].finish_reason, "tool_calls");
            const calls = first.choices[0].message.tool_calls.map((c) => ({ id: c.id, ...c.function }));
            assert.equal(calls[0].name, weather.name);
            assert.equal(typeof JSON.parse(calls[0].arguments).city, "string");
            const second = await send(ask("", { model, tools, messages: secondTurn(question, calls) }));
            assert.equal(second.choices[0].finish_reason, "stop");
            assert(second.choices[0].message.content);
        }
    });

    test(`${provider}: structured output is parsed`, async () => {
        const response_format = { type: "json_schema", json_schema: { name: "place", strict: true, schema: city } };
        const text = "Which city is the capital of France, and how many live there?";
        const answer = await client.chat.completions.parse(ask(text, { model: `${provider}/mini`, response_format }));
        const value = JSON.parse(answer.choices[0].message.content);
        assert.equal(typeof value.city, "string");
        assert(Number.isInteger(value.population));
    });
}

test("texts are embedded, as base64 and as numbers", async () => {
    for (const provider of ["openai", "azure", "gemini", "ollama"]) {
        const body = { model: `${provider}/embed`, input: ["one", "two"] };
        const packed = await client.embeddings.create(body); // the client asks for base64 and unpacks it
        const plain = await client.embeddings.create({ ...body, encoding_format: "float" });
        assert.equal(packed.data.length, 2, provider);
        packed.data[1].embedding.forEach((x, i) => assert(Math.abs(x - plain.data[1].embedding[i]) < 1e-6));
        assert(provider === "gemini" || packed.usage.prompt_tokens > 0, provider); // Gemini tells none
    }
});

test("the older completions", async () => {
    const body = { model: "openai/mini", prompt: "What is 5 plus 9?", max_tokens: 100 };
    const whole = await client.completions.create(body);
    let text = "";
    for await (const chunk of await client.completions.create({ ...body, stream: true })) text += chunk.choices[0].text;
    assert(whole.choices[0].text);
    assert.equal(text, whole.choices[0].text);
});

test("a failure is tried again by the client", async () => {
    const patient = clientFor(baton, "any", 2);
    const answer = await patient.chat.completions.create(ask("x", { model: "openai/mini:500*1" }));
    assert(answer.choices[0].message.content);
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
    await assert.rejects(clientFor(locked, "wrong").chat.completions.create(ask("x")), (e) => {
        assert(e instanceof OpenAI.AuthenticationError, String(e));
        assert.deepEqual([e.status, e.code], [401, "invalid_api_key"]);
        return true;
    });
    const right = clientFor(locked, "right-key");
    assert((await right.chat.completions.create(ask("x"))).choices[0].message.content);
});

test("a rate limit is RateLimitError with its Retry-After, whole and streamed", async () => {
    for (const stream of [false, true]) {
        await assert.rejects(
            client.chat.completions.create(ask("x", { model: "sim/mini:429=60", stream })),
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
    await providerSawItLeave("mini:drip=50");
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
    await providerSawItLeave("mini:latency=30000");
});

test("a timeout ends the provider's work", async () => {
    const asked = client.chat.completions.create(ask("x", { model: "sim/mini:latency=30001" }), { timeout: 300 });
    await fails(asked, (e) => assert(e instanceof OpenAI.APIConnectionTimeoutError, String(e)));
    await providerSawItLeave("mini:latency=30001");
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

await run("npm-openai");
