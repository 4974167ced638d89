// test_ollama - Ollama's client.
// SPDX-License-Identifier: MIT

import assert from "node:assert/strict";
import { Ollama } from "ollama";
import { baton, city, fails, locked, providers, providerSawItLeave, question, run, test, weather } from "./client.mjs";

const client = new Ollama({ host: baton });
const ask = (provider, content, more = {}) => ({
    model: `${provider}/mini`,
    messages: [{ role: "user", content }],
    ...more,
});
const tools = [{ type: "function", function: weather }];

// One answer, whole or of a stream's lines.
async function send(body, streamed) {
    if (!streamed) return client.chat(body);
    const message = { role: "assistant", content: "", tool_calls: [] };
    let last;
    for await (const line of await client.chat({ ...body, stream: true })) {
        message.content += line.message.content;
        message.tool_calls.push(...(line.message.tool_calls ?? []));
        last = line;
    }
    return { ...last, message };
}

for (const provider of providers) {
    test(`${provider}: whole and streamed say the same`, async () => {
        const whole = await send(ask(provider, "What is 5 plus 9?"));
        const streamed = await send(ask(provider, "What is 5 plus 9?"), true);
        assert(whole.message.content);
        assert.equal(streamed.message.content, whole.message.content);
        for (const answer of [whole, streamed]) {
            assert.deepEqual([answer.done, answer.done_reason], [true, "stop"]);
            assert(answer.prompt_eval_count > 0 && answer.eval_count > 0);
        }
    });

    test(`${provider}: a tool over two turns, whole and streamed`, async () => {
        for (const streamed of [false, true]) {
            const body = ask(provider, question, { tools });
            const { message } = await send(body, streamed);
            assert.equal(message.tool_calls[0].function.name, weather.name);
            assert.equal(typeof message.tool_calls[0].function.arguments.city, "string");
            const results = message.tool_calls.map((call) => ({
                role: "tool",
                tool_name: call.function.name,
                content: '{"weather":"rain"}',
            }));
            const messages = [...body.messages, message, ...results];
            const second = await send(ask(provider, "", { tools, messages }), streamed);
            assert(second.message.content);
        }
    });

    test(`${provider}: structured output`, async () => {
        const text = "Which city is the capital of France, and how many live there?";
        const answer = await send(ask(provider, text, { format: city }));
        const value = JSON.parse(answer.message.content);
        assert.equal(typeof value.city, "string");
        assert(Number.isInteger(value.population));
    });
}

test("texts are embedded", async () => {
    const answer = await client.embed({ model: "ollama/embed", input: ["one", "two"] });
    assert.equal(answer.embeddings.length, 2);
});

test("models are listed and shown", async () => {
    const { models } = await client.list();
    assert(models.some((model) => model.name === "ollama/mini"), JSON.stringify(models));
    assert((await client.show({ model: "ollama/mini" })).details);
    assert((await client.version()).version);
});

test("an unknown model is an error of 404", () =>
    fails(client.chat(ask("nobody", "x")), (e) => {
        assert.equal(e.status_code, 404, String(e));
        assert.match(e.message, /nobody/);
    }));

test("a wrong key is an error of 401, the right one serves", async () => {
    const withKey = (key) => new Ollama({ host: locked, headers: { authorization: `Bearer ${key}` } });
    await fails(withKey("wrong").chat(ask("ollama", "x")), (e) => assert.equal(e.status_code, 401));
    assert((await withKey("right-key").chat(ask("ollama", "x"))).message.content);
});

test("a rate limit is an error of 429, whole and streamed", async () => {
    for (const streamed of [false, true]) {
        const body = { ...ask("", "x"), model: "ollama/mini:429=60" };
        await fails(send(body, streamed), (e) => assert.equal(e.status_code, 429, String(e)));
    }
});

test("a stream that is cut raises", async () => {
    for (const provider of providers) {
        const body = { ...ask("", "Tell a story."), model: `${provider}/mini:cut` };
        await fails(send(body, true), (e) => assert(e instanceof Error, `${provider}: ${e}`));
    }
});

test("an aborted stream ends the provider's work", async () => {
    const body = { ...ask("", "Tell a long story."), model: "anthropic/mini:drip=50", stream: true };
    const stream = await client.chat(body);
    try {
        for await (const line of stream) if (line.message.content) stream.abort();
    } catch (e) {
        assert.match(String(e), /abort/i);
    }
    await providerSawItLeave("mini:drip=50");
});

await run("npm-ollama");
