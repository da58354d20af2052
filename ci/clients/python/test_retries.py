"""When openai-python and anthropic-python try again, how often and how soon, told by the mock's counted sequences."""

import time

import anthropic
import openai
import pytest

from mocks import HELLO, Attempts, anthropic_text, openai_client, openai_text


SDKS = pytest.mark.parametrize(
    "ask, errors", [(openai_text, openai), (anthropic_text, anthropic)], ids=["openai", "anthropic"]
)


@SDKS
@pytest.mark.parametrize("status", [408, 409, 429, 500, 503, 529])
def test_two_failures_are_retried(ask, errors, status):
    attempts = Attempts()
    assert ask(f"flaky-{status}", attempts=attempts) == "recovered"
    assert [headers["x-stainless-retry-count"] for headers in attempts.headers] == ["0", "1", "2"]


@SDKS
def test_a_third_failure_is_raised(ask, errors):
    attempts = Attempts()
    with pytest.raises(errors.InternalServerError):
        ask("down", attempts=attempts)
    assert len(attempts) == 3


@SDKS
def test_no_retries_is_one_attempt(ask, errors):
    attempts = Attempts()
    with pytest.raises(errors.InternalServerError):
        ask("down", attempts=attempts, max_retries=0)
    assert len(attempts) == 1


@SDKS
@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_an_error_of_the_request_is_not_retried(ask, errors, status):
    attempts = Attempts()
    with pytest.raises(errors.APIStatusError) as raised:
        ask("any", attempts=attempts, default_headers={"X-Mock-Status": str(status)})
    assert raised.value.status_code == status and len(attempts) == 1


@SDKS
def test_the_server_may_ask_for_a_retry_or_forbid_it(ask, errors):
    attempts = Attempts()
    with pytest.raises(errors.BadRequestError):
        ask("do-retry", attempts=attempts)
    assert len(attempts) == 3
    attempts = Attempts()
    with pytest.raises(errors.InternalServerError):
        ask("do-not-retry", attempts=attempts)
    assert len(attempts) == 1


@SDKS
@pytest.mark.parametrize("model", ["flaky-close", "flaky-reset"])
def test_a_broken_connection_is_retried(ask, errors, model):
    attempts = Attempts()
    assert ask(model, attempts=attempts) == "recovered" and len(attempts) == 2


def test_a_refused_connection_is_retried():
    attempts = Attempts()
    with pytest.raises(openai.APIConnectionError):
        openai_client("closed", attempts=attempts).models.list()
    assert len(attempts) == 3


@SDKS
def test_silence_is_a_timeout_and_retried(ask, errors):
    attempts = Attempts()
    with pytest.raises(errors.APITimeoutError):
        ask("silent", attempts=attempts, timeout=0.3, max_retries=1)
    assert len(attempts) == 2


@SDKS
@pytest.mark.parametrize("model, least", [("after-ms", 0.8), ("after-seconds", 1), ("after-date", 0.9)])
def test_the_time_that_the_server_asks_for_is_waited(ask, errors, model, least):
    attempts = Attempts()
    assert ask(model, attempts=attempts) == "recovered"
    assert len(attempts) == 2 and attempts.elapsed() >= least  # left alone, they wait at most 0.5 s


@SDKS
def test_milliseconds_go_before_seconds(ask, errors):
    attempts = Attempts()
    assert ask("after-both", attempts=attempts) == "recovered"
    assert len(attempts) == 2 and attempts.elapsed() < 10


def test_openai_gives_up_when_the_wait_would_be_longer_than_two_minutes():
    attempts = Attempts()
    with pytest.raises(openai.InternalServerError):
        openai_text("after-121s", attempts=attempts)
    assert len(attempts) == 1 and attempts.elapsed() < 60


@pytest.mark.parametrize(
    "ask, model, wait",
    [(openai_text, "after-61s", 61), (anthropic_text, "after-61s", 61), (anthropic_text, "after-121s", 121)],
)
def test_a_long_wait_is_waited(monkeypatch, ask, model, wait):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    assert ask(model) == "recovered" and waits == [wait]


def test_a_stream_is_retried_until_its_head_has_come_and_never_after():
    attempts = Attempts()
    completions = openai_client("scripted", attempts=attempts).chat.completions
    chunks = list(completions.create(model="flaky-stream", messages=HELLO, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "recovered" and len(attempts) == 3
    with pytest.raises(openai.APIConnectionError):
        list(completions.create(model="cut", messages=HELLO, stream=True))
    assert len(attempts) == 4
    chunks = list(completions.create(model="ends-early", messages=HELLO, stream=True))
    assert chunks[-1].choices[0].finish_reason is None and len(attempts) == 5
