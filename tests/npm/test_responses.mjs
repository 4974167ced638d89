// test_responses - the official openai client, speaking Responses.
// SPDX-License-Identifier: MIT

import assert from "node:assert/strict";
import OpenAI from "openai";
import { baton, city, fails, providers, providerSawItLeave, question, run, test, weather } from "./client.mjs";

const client = new OpenAI({ baseURL: `${baton}/v1`, apiKey: "any", maxRetries: 0 });
const ask = (provider, more = {}) => ({ model: `${provider}/mini`, input: "What is 5 plus 9?", ...more });
const tools = [{ type: "function", strict: true, ...weather }];

for (const provider of providers) {
    test(`${provider}: whole and streamed say the same`, async () => {
        const whole = await client.responses.create(ask(provider));
        assert.equal(whole.status, "completed");
        assert(whole.output_text.length > 0);
        assert(whole.usage.total_tokens > 0);
        const stream = client.responses.stream(ask(provider));
        let text = "",
            number = -1;
        for await (const event of stream) {
            assert(event.sequence_number > number, event.type);
            number = event.sequence_number;
            if (event.type === "response.output_text.delta") text += event.delta;
        }
        const final = await stream.finalResponse();
        assert.equal(text, whole.output_text);
        assert.equal(final.output_text, whole.output_text);
        assert.deepEqual(final.usage, whole.usage);
    });

    test(`${provider}: a tool over two turns, whole and streamed`, async () => {
        for (const streamed of [false, true]) {
            const send = (body) =>
                streamed ? client.responses.stream(body).finalResponse() : client.responses.create(body);
            const input = [{ role: "user", content: question }];
            const first = await send(ask(provider, { input, tools, tool_choice: "required" }));
            const calls = first.output.filter((item) => item.type === "function_call");
            assert.equal(calls[0].name, weather.name);
            assert.equal(typeof JSON.parse(calls[0].arguments).city, "string");
            // The parsed helper objects carry members of their own, which the API does not take.
            const items = first.output.map(({ parsed_arguments, ...item }) => item); // eslint-disable-line
            const results = calls.map((call) => ({
                type: "function_call_output",
                call_id: call.call_id,
                output: '{"weather":"rain"}',
            }));
            const second = await send(ask(provider, { input: [...input, ...items, ...results], tools }));
            assert.equal(second.status, "completed");
            assert(second.output_text);
        }
    });

    test(`${provider}: structured output is parsed`, async () => {
        const format = { type: "json_schema", name: "place", strict: true, schema: city };
        const input = "Which city is the capital of France, and how many live there?";
        const answer = await client.responses.parse(ask(provider, { input, text: { format } }));
        const value = JSON.parse(answer.output_text);
        assert.equal(typeof value.city, "string");
        assert(Number.isInteger(value.population));
    });
}

test("an unknown model is NotFoundError", () =>
    fails(client.responses.create(ask("x", { model: "nobody/x" })), (e) => {
        assert(e instanceof OpenAI.NotFoundError, String(e));
        assert.equal(e.code, "model_not_found");
    }));

test("a rate limit is RateLimitError with its Retry-After, whole and streamed", async () => {
    for (const stream of [false, true]) {
        const model = "responses/mini:429=60";
        await fails(client.responses.create(ask("", { model, stream })), (e) => {
            assert(e instanceof OpenAI.RateLimitError, String(e));
            assert(Number(e.headers.get("retry-after")) > 20);
        });
    }
});

test("a stream that fails at once has a real status", async () => {
    for (const provider of ["responses", "anthropic"]) {
        const model = `${provider}/mini:500`;
        await fails(client.responses.create(ask("", { model, stream: true })), (e) =>
            assert(e instanceof OpenAI.InternalServerError, String(e)),
        );
    }
});

test("a stream that is cut says so, and does not complete", async () => {
    for (const provider of providers) {
        const model = `${provider}/mini:cut`;
        const types = [];
        for await (const event of await client.responses.create(ask("", { model, stream: true }))) types.push(event.type);
        assert(types.includes("error") && types.at(-1) === "response.failed", `${provider}: ${types}`);
        assert(!types.includes("response.completed"), provider);
        await assert.rejects(client.responses.stream(ask("", { model })).finalResponse(), provider);
    }
});

test("an aborted stream ends the provider's work", async () => {
    const model = "anthropic/mini:drip=50";
    const stream = await client.responses.create(ask("", { model, input: "Tell a long story.", stream: true }));
    for await (const event of stream) if (event.type === "response.output_text.delta") break;
    stream.controller.abort();
    await providerSawItLeave("mini:drip=50");
});

test("a timeout ends the provider's work", async () => {
    const model = "responses/mini:latency=30000";
    await fails(client.responses.create(ask("", { model }), { timeout: 300 }), (e) =>
        assert(e instanceof OpenAI.APIConnectionTimeoutError, String(e)),
    );
    await providerSawItLeave("mini:latency=30000");
});

await run("npm-responses");
