"""Which exception each error of the mock becomes, and that it says what the error says."""

import json

import anthropic
import openai
import pytest

from mocks import HELLO, anthropic_client, call, openai_client

CHAT = {"model": "gpt-4o-mini", "messages": HELLO}
RIGHT = "sk-right-key-0123456789"
WRONG = "sk-wrong-key-9876543210"
CLASSES = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    409: "ConflictError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
    500: "InternalServerError",
    502: "InternalServerError",
    503: "InternalServerError",
}


@pytest.mark.parametrize("status", CLASSES)
def test_openai_tells_statuses_apart_and_says_what_the_envelope_says(status):
    with pytest.raises(openai.APIStatusError) as raised:
        openai_client(
            "scripted", max_retries=0, default_headers={"X-Mock-Status": str(status)}
        ).chat.completions.create(**CHAT)
    error = raised.value
    assert type(error).__name__ == CLASSES[status] and error.status_code == status and error.request_id
    told = error.response.json()["error"]
    assert told.keys() == {"message", "type", "param", "code"} and told["message"] in error.message
    assert (error.type, error.param, error.code) == (told["type"], told["param"], told["code"])


@pytest.mark.parametrize(
    "status, name, kind",
    [
        (400, "BadRequestError", "invalid_request_error"),
        (401, "AuthenticationError", "authentication_error"),
        (403, "PermissionDeniedError", "permission_error"),
        (404, "NotFoundError", "not_found_error"),
        (413, "ContentTooLargeError", "request_too_large"),
        (429, "RateLimitError", "rate_limit_error"),
        (500, "InternalServerError", "api_error"),
        (529, "OverloadedError", "overloaded_error"),
    ],
)
def test_anthropic_tells_statuses_apart(status, name, kind):
    client = anthropic_client("scripted_anthropic", max_retries=0, default_headers={"X-Mock-Status": str(status)})
    with pytest.raises(anthropic.APIStatusError) as raised:
        client.messages.create(model="claude-sonnet-5", max_tokens=10, messages=HELLO)
    error = raised.value
    assert type(error).__name__ == name and error.body["type"] == "error" and error.body["error"]["type"] == kind
    assert error.body["request_id"] == error.request_id


def test_a_wrong_key_is_refused_and_shown_masked():
    with pytest.raises(openai.AuthenticationError) as raised:
        openai_client("keyed", api_key=WRONG).chat.completions.create(**CHAT)
    assert raised.value.code == "invalid_api_key"
    assert WRONG not in raised.value.response.text and RIGHT not in raised.value.response.text
    assert openai_client("keyed", api_key=RIGHT).chat.completions.create(**CHAT).choices
    with pytest.raises(anthropic.AuthenticationError) as raised:
        anthropic_client("keyed", api_key=WRONG).messages.create(model="claude-sonnet-5", max_tokens=10, messages=HELLO)
    assert WRONG not in raised.value.response.text and RIGHT not in raised.value.response.text


def test_a_model_that_is_not_listed_is_not_found():
    client = openai_client("listed")
    assert client.chat.completions.create(**CHAT).choices
    with pytest.raises(openai.NotFoundError) as raised:
        client.chat.completions.create(**CHAT | {"model": "no-such-model"})
    assert raised.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(**CHAT | {"model": "text-embedding-3-small"})


@pytest.mark.parametrize(
    "parameters, param",
    [
        ({"messages": []}, "messages"),
        ({"temperature": 3}, "temperature"),
        ({"n": 0}, "n"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"stop": list("abcde")}, "stop"),
        ({"messages": [{"role": "nobody", "content": "hi"}]}, "messages[0].role"),
    ],
)
def test_a_parameter_that_is_wrong_is_named(parameters, param):
    with pytest.raises(openai.BadRequestError) as raised:
        openai_client().chat.completions.create(**CHAT | parameters)
    assert raised.value.type == "invalid_request_error" and raised.value.param == param


def test_a_quota_is_told_before_it_is_used_up_and_then_too():
    completions = openai_client("limited", max_retries=0).chat.completions
    headers = completions.with_raw_response.create(**CHAT).headers
    assert (headers["x-ratelimit-limit-requests"], headers["x-ratelimit-remaining-requests"]) == ("1", "0")
    assert int(headers["x-ratelimit-remaining-tokens"]) < 1000
    with pytest.raises(openai.RateLimitError) as raised:
        completions.create(**CHAT)
    assert (raised.value.type, raised.value.code) == ("requests", "rate_limit_exceeded")
    assert 0 < int(raised.value.response.headers["retry-after"]) <= 60


@pytest.mark.parametrize(
    "method_and_path, status", [(("POST", "/v1/no-such-path"), 404), (("GET", "/v1/chat/completions"), 405)]
)
def test_paths_and_methods_that_are_wrong_have_the_envelope_too(method_and_path, status):
    method, path = method_and_path
    got, _, text = call(path, {} if method == "POST" else None)
    assert got == status and json.loads(text)["error"].keys() == {"message", "type", "param", "code"}
