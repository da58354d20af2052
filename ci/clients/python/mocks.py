"""The mocks that ci/clients.sh has started: where they are, and clients of them that count their attempts."""

import json
import os
import time
import urllib.error
import urllib.request

import anthropic
import httpx2
import openai

KEY = "sk-test-key-abcdefghijkl"
HELLO = [{"role": "user", "content": "Say hello to the wind tunnel."}]
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}},
    "required": ["city", "unit"],
    "additionalProperties": False,
}
WEATHER_TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER, "strict": True}}


def address(provider):
    return os.environ["MOCK_" + provider.upper()]


class Attempts:
    """What an SDK sends: the headers of every attempt, and how long all of it took."""

    def __init__(self):
        self.headers = []
        self.started = time.monotonic()

    def http(self):
        return httpx2.Client(event_hooks={"request": [lambda request: self.headers.append(request.headers)]})

    def __len__(self):
        return len(self.headers)

    def elapsed(self):
        return time.monotonic() - self.started


def openai_client(provider="openai", attempts=None, **options):
    if attempts is not None:
        options["http_client"] = attempts.http()
    return openai.OpenAI(**{"api_key": KEY, "base_url": address(provider) + "/v1"} | options)


def anthropic_client(provider="anthropic", attempts=None, **options):
    if attempts is not None:
        options["http_client"] = attempts.http()
    return anthropic.Anthropic(**{"api_key": KEY, "base_url": address(provider)} | options)


def call(path, body=None, provider="openai"):
    """One request without an SDK: status, headers and text of the answer. A body of bytes is sent as it is."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": "application/json", "authorization": "Bearer " + KEY}
    request = urllib.request.Request(address(provider) + path, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def admin(path):
    """What the admin API of the scripted mocks answers."""
    with urllib.request.urlopen(address("admin") + path, timeout=10) as answer:
        return json.load(answer)


def openai_text(model, **options):
    """What the scripted mock says to openai-python."""
    answer = openai_client("scripted", **options).chat.completions.create(model=model, messages=HELLO)
    return answer.choices[0].message.content


def anthropic_text(model, **options):
    """What the scripted mock says to anthropic-python."""
    client = anthropic_client("scripted_anthropic", **options)
    return client.messages.create(model=model, max_tokens=100, messages=HELLO).content[0].text


def chat(**parameters):
    """The JSON of a chat completion."""
    status, _, text = call("/v1/chat/completions", {"model": "gpt-4o-mini", "messages": HELLO} | parameters)
    assert status == 200, text
    return json.loads(text)


def chat_chunks(**parameters):
    """The JSON of every chunk of a streamed chat completion, which must end with [DONE]."""
    body = {"model": "gpt-4o-mini", "messages": HELLO, "stream": True} | parameters
    status, headers, text = call("/v1/chat/completions", body)
    assert status == 200 and headers["content-type"].startswith("text/event-stream"), text
    events = text.removesuffix("\n\n").split("\n\n")
    assert events.pop() == "data: [DONE]"
    return [json.loads(event.removeprefix("data: ")) for event in events]
