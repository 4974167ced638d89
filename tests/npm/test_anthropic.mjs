// test_anthropic - Anthropic's client.
// SPDX-License-Identifier: MIT

import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { betaTool } from "@anthropic-ai/sdk/helpers/beta/json-schema";
import { baton, city, fails, locked, providers, providerSawItLeave, question, run, test, weather } from "./client.mjs";

const client = new Anthropic({ baseURL: baton, apiKey: "any", maxRetries: 0 });
const ask = (provider, text, more = {}) => ({
    model: `${provider}/mini`,
    max_tokens: 500,
    messages: [{ role: "user", content: text }],
    ...more,
});
const tools = [{ name: weather.name, description: weather.description, input_schema: weather.parameters }];
const textOf = (message) => message.content.map((block) => (block.type === "text" ? block.text : "")).join("");

for (const provider of providers) {
    test(`${provider}: whole and streamed say the same`, async () => {
        const whole = await client.messages.create(ask(provider, "What is 5 plus 9?"));
        assert.equal(whole.stop_reason, "end_turn");
        assert(textOf(whole));
        assert(whole.usage.input_tokens > 0 && whole.usage.output_tokens > 0);
        const stream = client.messages.stream(ask(provider, "What is 5 plus 9?"));
        let text = "";
        stream.on("text", (piece) => (text += piece));
        const final = await stream.finalMessage();
        assert.equal(text, textOf(whole));
        assert.equal(textOf(final), textOf(whole));
        assert.equal(final.stop_reason, "end_turn");
        assert.equal(final.usage.output_tokens, whole.usage.output_tokens);
        assert.equal(final.usage.input_tokens, whole.usage.input_tokens);
    });

    test(`${provider}: a tool over two turns, whole and streamed`, async () => {
        for (const streamed of [false, true]) {
            const send = (body) =>
                streamed ? client.messages.stream(body).finalMessage() : client.messages.create(body);
            const body = ask(provider, question, { tools, tool_choice: { type: "any" } });
            const first = await send(body);
            assert.equal(first.stop_reason, "tool_use");
            const calls = first.content.filter((block) => block.type === "tool_use");
            assert.equal(calls[0].name, weather.name);
            assert.equal(typeof calls[0].input.city, "string");
            const results = calls.map((call) => ({
                type: "tool_result",
                tool_use_id: call.id,
                content: '{"weather":"rain"}',
            }));
            const messages = [
                ...body.messages,
                { role: "assistant", content: first.content },
                { role: "user", content: results },
            ];
            const second = await send(ask(provider, "", { tools, messages }));
            assert.equal(second.stop_reason, "end_turn");
            assert(textOf(second));
        }
    });

    test(`${provider}: structured output`, async () => {
        const output_config = { format: { type: "json_schema", schema: city } };
        const text = "Which city is the capital of France, and how many live there?";
        const value = JSON.parse(textOf(await client.messages.create(ask(provider, text, { output_config }))));
        assert.equal(typeof value.city, "string");
        assert(Number.isInteger(value.population));
    });
}

test("a client that wants its conversation kept sends all of it where nobody does", async () => {
    const run = () => "rain";
    const tool = betaTool({ ...weather, inputSchema: weather.parameters, run });
    for (const provider of providers.filter((name) => name !== "anthropic")) {
        const stops = [];
        const body = ask(provider, question, { tools: [tool] });
        for await (const message of client.beta.messages.toolRunner(body)) stops.push(message.stop_reason);
        assert.deepEqual(stops, ["tool_use", "end_turn"], provider);
    }
});

test("all models are listed, page by page", async () => {
    const names = [];
    for await (const model of client.models.list({ limit: 3 })) names.push(model.id);
    assert(names.length > 30 && new Set(names).size === names.length, names.join(" "));
    assert(names.some((name) => name.includes("/")));
});

test("tokens are counted", async () => {
    const { max_tokens, ...body } = ask("anthropic", "Say hello."); // eslint-disable-line
    assert((await client.messages.countTokens(body)).input_tokens > 0);
});

test("an unknown model is NotFoundError", () =>
    fails(client.messages.create(ask("nobody", "x")), (e) => {
        assert(e instanceof Anthropic.NotFoundError, String(e));
        assert.equal(e.error.type, "error");
        assert.equal(e.error.error.type, "not_found_error");
    }));

test("a wrong body is BadRequestError", () =>
    fails(client.messages.create({ ...ask("anthropic", "x"), messages: "hello" }), (e) => {
        assert(e instanceof Anthropic.BadRequestError, String(e));
        assert.match(e.message, /messages/);
    }));

test("a wrong key is AuthenticationError, the right one serves, in both headers", async () => {
    const wrong = new Anthropic({ baseURL: locked, apiKey: "wrong", maxRetries: 0 });
    await fails(wrong.messages.create(ask("anthropic", "x")), (e) =>
        assert(e instanceof Anthropic.AuthenticationError, String(e)),
    );
    for (const key of [{ apiKey: "right-key" }, { authToken: "right-key", apiKey: null }]) {
        const right = new Anthropic({ baseURL: locked, ...key });
        assert(textOf(await right.messages.create(ask("anthropic", "x"))));
    }
});

test("a rate limit is RateLimitError with its Retry-After, whole and streamed", async () => {
    for (const stream of [false, true]) {
        const body = ask("", "x", { model: "anthropic/mini:429=60", stream });
        await fails(client.messages.create(body), (e) => {
            assert(e instanceof Anthropic.RateLimitError, String(e));
            assert(Number(e.headers.get("retry-after")) > 20);
        });
    }
});

test("a failure is tried again by the client", async () => {
    const patient = new Anthropic({ baseURL: baton, apiKey: "any", maxRetries: 3 });
    assert(textOf(await patient.messages.create(ask("", "x", { model: "anthropic/mini:500*1" }))));
});

test("a stream that is cut raises", async () => {
    for (const provider of providers) {
        const stream = client.messages.stream(ask("", "Tell a story.", { model: `${provider}/mini:cut` }));
        await fails(stream.finalMessage(), (e) => assert(e instanceof Anthropic.AnthropicError, `${provider}: ${e}`));
    }
});

test("an aborted stream ends the provider's work", async () => {
    const body = ask("", "Tell a long story.", { model: "openai/mini:drip=50", stream: true });
    const stream = await client.messages.create(body);
    for await (const event of stream) if (event.type === "content_block_delta") break;
    stream.controller.abort();
    await providerSawItLeave("mini:drip=50");
});

test("a timeout ends the provider's work", async () => {
    const body = ask("", "x", { model: "anthropic/mini:latency=30000" });
    await fails(client.messages.create(body, { timeout: 300 }), (e) =>
        assert(e instanceof Anthropic.APIConnectionTimeoutError, String(e)),
    );
    await providerSawItLeave("mini:latency=30000");
});

await run("npm-anthropic");
