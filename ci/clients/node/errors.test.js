// Which exception each error of the mock becomes, and that it says what the error says.
const assert = require("node:assert/strict");
const { test } = require("node:test");
const Anthropic = require("@anthropic-ai/sdk");
const OpenAI = require("openai");
const { HELLO, anthropic, openai } = require("./mocks.js");

const CHAT = { model: "gpt-4o-mini", messages: HELLO };
const MESSAGE = { model: "claude-sonnet-5", max_tokens: 10, messages: HELLO };
const RIGHT = "sk-right-key-0123456789";
const WRONG = "sk-wrong-key-9876543210";

const thrown = (promise) => promise.then(() => assert.fail("nothing was thrown"), (error) => error);
const answering = (status) => ({ maxRetries: 0, defaultHeaders: { "X-Mock-Status": String(status) } });

for (const [status, name] of Object.entries({
  400: "BadRequestError", 401: "AuthenticationError", 403: "PermissionDeniedError", 404: "NotFoundError",
  409: "ConflictError", 422: "UnprocessableEntityError", 429: "RateLimitError", 500: "InternalServerError",
  502: "InternalServerError", 503: "InternalServerError",
})) {
  test(`openai: ${status} is a ${name} that says what the envelope says`, async () => {
    const error = await thrown(openai("scripted", answering(status)).chat.completions.create(CHAT));
    assert.ok(error instanceof OpenAI[name]);
    assert.equal(error.status, Number(status));
    assert.deepEqual(Object.keys(error.error).sort(), ["code", "message", "param", "type"]);
    assert.ok(error.message.includes(error.error.message) && error.requestID);
    assert.deepEqual([error.type, error.param, error.code], [error.error.type, error.error.param, error.error.code]);
  });
}

for (const [status, name, type] of [
  [400, "BadRequestError", "invalid_request_error"], [401, "AuthenticationError", "authentication_error"],
  [403, "PermissionDeniedError", "permission_error"], [404, "NotFoundError", "not_found_error"],
  [413, "ContentTooLargeError", "request_too_large"], [429, "RateLimitError", "rate_limit_error"],
  [500, "InternalServerError", "api_error"], [529, "OverloadedError", "overloaded_error"],
]) {
  test(`anthropic: ${status} is a ${name}`, async () => {
    const error = await thrown(anthropic("scripted_anthropic", answering(status)).messages.create(MESSAGE));
    assert.ok(error instanceof Anthropic[name]);
    assert.equal(error.error.error.type, type);
    assert.equal(error.error.request_id, error.requestID);
  });
}

test("a wrong key is refused and shown masked", async () => {
  const error = await thrown(openai("keyed", { apiKey: WRONG }).chat.completions.create(CHAT));
  assert.ok(error instanceof OpenAI.AuthenticationError && error.code === "invalid_api_key");
  assert.ok(!error.message.includes(WRONG) && !error.message.includes(RIGHT));
  assert.ok((await openai("keyed", { apiKey: RIGHT }).chat.completions.create(CHAT)).choices);
});

test("a model that is not listed is not found", async () => {
  const error = await thrown(openai("listed").chat.completions.create({ ...CHAT, model: "no-such-model" }));
  assert.ok(error instanceof OpenAI.NotFoundError && error.code === "model_not_found");
});

for (const [parameters, param] of [
  [{ messages: [] }, "messages"], [{ temperature: 3 }, "temperature"], [{ n: 0 }, "n"],
  [{ top_logprobs: 2 }, "top_logprobs"],
]) {
  test(`${JSON.stringify(parameters)} is refused by name`, async () => {
    const error = await thrown(openai().chat.completions.create({ ...CHAT, ...parameters }));
    assert.ok(error instanceof OpenAI.BadRequestError && error.type === "invalid_request_error");
    assert.equal(error.param, param);
  });
}
