// When openai-node and @anthropic-ai/sdk try again, how often and how soon, told by the mock's counted sequences.
const assert = require("node:assert/strict");
const { test } = require("node:test");
const Anthropic = require("@anthropic-ai/sdk");
const OpenAI = require("openai");
const { Attempts, HELLO, anthropic, collect, openai } = require("./mocks.js");

async function openaiText(model, options) {
  const answer = await openai("scripted", options).chat.completions.create({ model, messages: HELLO });
  return answer.choices[0].message.content;
}

async function anthropicText(model, options) {
  const request = { model, max_tokens: 100, messages: HELLO };
  return (await anthropic("scripted_anthropic", options).messages.create(request)).content[0].text;
}

for (const [sdk, ask, errors] of [["openai", openaiText, OpenAI], ["anthropic", anthropicText, Anthropic]]) {
  for (const status of [408, 409, 429, 500, 503, 529]) {
    test(`${sdk}: two failures of ${status} are retried`, async () => {
      const attempts = new Attempts();
      assert.equal(await ask(`flaky-${status}`, { fetch: attempts.fetch }), "recovered");
      assert.deepEqual(attempts.headers.map((headers) => headers.get("x-stainless-retry-count")), ["0", "1", "2"]);
    });
  }

  test(`${sdk}: a third failure is thrown, without retries the first`, async () => {
    const attempts = new Attempts();
    await assert.rejects(ask("down", { fetch: attempts.fetch }), errors.InternalServerError);
    assert.equal(attempts.count, 3);
    await assert.rejects(ask("down", { fetch: attempts.fetch, maxRetries: 0 }), errors.InternalServerError);
    assert.equal(attempts.count, 4);
  });

  for (const status of [400, 401, 403, 404, 422]) {
    test(`${sdk}: ${status} is not retried`, async () => {
      const attempts = new Attempts();
      const options = { fetch: attempts.fetch, defaultHeaders: { "X-Mock-Status": String(status) } };
      await assert.rejects(ask("any", options), { status });
      assert.equal(attempts.count, 1);
    });
  }

  test(`${sdk}: the server may ask for a retry or forbid it`, async () => {
    const asked = new Attempts();
    await assert.rejects(ask("do-retry", { fetch: asked.fetch }), errors.BadRequestError);
    assert.equal(asked.count, 3);
    const forbidden = new Attempts();
    await assert.rejects(ask("do-not-retry", { fetch: forbidden.fetch }), errors.InternalServerError);
    assert.equal(forbidden.count, 1);
  });

  for (const model of ["flaky-close", "flaky-reset"]) {
    test(`${sdk}: a broken connection (${model}) is retried`, async () => {
      const attempts = new Attempts();
      assert.equal(await ask(model, { fetch: attempts.fetch }), "recovered");
      assert.equal(attempts.count, 2);
    });
  }

  test(`${sdk}: silence is a timeout and retried`, async () => {
    const attempts = new Attempts();
    const options = { fetch: attempts.fetch, timeout: 300, maxRetries: 1 };
    await assert.rejects(ask("silent", options), errors.APIConnectionTimeoutError);
    assert.equal(attempts.count, 2);
  });

  for (const [model, least] of [["after-ms", 0.8], ["after-seconds", 1], ["after-date", 0.9]]) {
    test(`${sdk}: the time that the server asks for is waited (${model})`, async () => {
      const attempts = new Attempts();
      assert.equal(await ask(model, { fetch: attempts.fetch }), "recovered");
      assert.equal(attempts.count, 2);
      assert.ok(attempts.seconds >= least); // left alone, they wait at most 0.5 s
    });
  }

  test(`${sdk}: milliseconds go before seconds`, async () => {
    const attempts = new Attempts();
    assert.equal(await ask("after-both", { fetch: attempts.fetch }), "recovered");
    assert.ok(attempts.count === 2 && attempts.seconds < 10);
  });
}

test("openai passes over a wait of more than a minute, and tries again soon", async () => {
  const attempts = new Attempts();
  assert.equal(await openaiText("after-61s", { fetch: attempts.fetch }), "recovered");
  assert.ok(attempts.count === 2 && attempts.seconds < 30);
});

test("anthropic waits for as long as the server asks", async (t) => {
  const sleep = setTimeout;
  const timers = t.mock.method(globalThis, "setTimeout", (then, ms) => sleep(then, ms === 61000 ? 1 : ms));
  assert.equal(await anthropicText("after-61s"), "recovered");
  assert.equal(timers.mock.calls.filter((call) => call.arguments[1] === 61000).length, 1);
});

test("a refused connection is retried", async () => {
  const attempts = new Attempts();
  await assert.rejects(collect(openai("closed", { fetch: attempts.fetch }).models.list()), OpenAI.APIConnectionError);
  assert.equal(attempts.count, 3);
});

test("a stream is retried until its head has come and never after", async () => {
  const attempts = new Attempts();
  const { completions } = openai("scripted", { fetch: attempts.fetch }).chat;
  const read = async (model) => collect(await completions.create({ model, messages: HELLO, stream: true }));
  assert.equal((await read("flaky-stream")).map((chunk) => chunk.choices[0].delta.content ?? "").join(""), "recovered");
  assert.equal(attempts.count, 3);
  await assert.rejects(read("cut"), TypeError);
  assert.equal(attempts.count, 4);
  assert.equal((await read("ends-early")).at(-1).choices[0].finish_reason, null);
  assert.equal(attempts.count, 5);
});
