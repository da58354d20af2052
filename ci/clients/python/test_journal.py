"""What the SDKs sent and what the mock's journal holds are the same, and its verdict accuses only who deserves it."""

import json
import uuid

import pytest

from mocks import HELLO, KEY, Attempts, admin, anthropic_text, call, openai_text

SDKS = pytest.mark.parametrize(
    "ask, provider", [(openai_text, "scripted"), (anthropic_text, "scripted_anthropic")], ids=["openai", "anthropic"]
)


def journal(session):
    """The requests of a session, as one object per request with its headers in lower case."""
    requests = admin("/journal?session=" + session)["requests"]
    return [request | {"headers": {name.lower(): value for name, value in request["headers"]}} for request in requests]


def accusations(requests):
    """What the verdict holds against these requests."""
    ids = {request["id"] for request in requests}
    return [finding["name"] for finding in admin("/verdict")["findings"] if ids & set(finding["requests"])]


@SDKS
def test_every_attempt_is_in_the_journal_once_and_nothing_is_held_against_it(ask, provider):
    attempts, session = Attempts(), str(uuid.uuid4())
    assert ask("journalled", attempts=attempts, default_headers={"X-Mock-Session": session}) == "recovered"
    requests = journal(session)
    assert [request["provider"] for request in requests] == [provider] * len(attempts) == [provider] * 2
    assert [request["status"] for request in requests] == [503, 200]
    counts = [request["headers"]["x-stainless-retry-count"] for request in requests]
    assert counts == [headers["x-stainless-retry-count"] for headers in attempts.headers]
    assert len({request["body"] for request in requests}) == 1 and KEY not in json.dumps(requests)
    assert accusations(requests) == []


def test_who_does_not_wait_as_told_is_accused():
    hasty = [{"role": "user", "content": str(uuid.uuid4())}]
    for _ in range(2):
        call("/v1/chat/completions", {"model": "impatient", "messages": hasty}, "scripted")
    requests = [request for request in admin("/journal?provider=scripted")["requests"] if request["model"] == "impatient"]
    assert len(requests) == 2 and "retry_after_ignored" in accusations(requests)
