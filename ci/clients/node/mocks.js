// The mocks that ci/clients.sh has started: where they are, and clients of them that count their attempts.
const { Anthropic } = require("@anthropic-ai/sdk");
const { OpenAI } = require("openai");

const KEY = "sk-test-key-abcdefghijkl";
const HELLO = [{ role: "user", content: "Say hello to the wind tunnel." }];
const WEATHER = {
  type: "object",
  properties: { city: { type: "string" }, unit: { type: "string", enum: ["celsius", "fahrenheit"] } },
  required: ["city", "unit"],
  additionalProperties: false,
};
const WEATHER_TOOL = { type: "function", function: { name: "get_weather", parameters: WEATHER, strict: true } };

const address = (provider) => process.env["MOCK_" + provider.toUpperCase()];

// What an SDK sends: the headers of every attempt, and how long all of it took.
class Attempts {
  headers = [];
  started = performance.now();
  fetch = (url, init) => {
    this.headers.push(new Headers(init.headers));
    return fetch(url, init);
  };
  get count() {
    return this.headers.length;
  }
  get seconds() {
    return (performance.now() - this.started) / 1000;
  }
}

const openai = (provider = "openai", options = {}) =>
  new OpenAI({ apiKey: KEY, baseURL: address(provider) + "/v1", ...options });

const anthropic = (provider = "anthropic", options = {}) =>
  new Anthropic({ apiKey: KEY, baseURL: address(provider), ...options });

async function collect(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

module.exports = { KEY, HELLO, WEATHER, WEATHER_TOOL, Attempts, address, anthropic, collect, openai };
