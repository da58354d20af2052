"""What most mock providers get wrong, on one that scripts nothing: each with plain HTTP, and as the SDK shows it."""

import base64
import json
import math
import os
import struct
import subprocess

import pytest

from mocks import HELLO, WEATHER, WEATHER_TOOL, call, chat, chat_chunks, openai_client

CHAT = {"model": "gpt-4o-mini", "messages": HELLO}
WITH_USAGE = {"stream_options": {"include_usage": True}}
REQUIRED = {"tools": [WEATHER_TOOL], "tool_choice": "required"}
FORMAT = {"type": "json_schema", "json_schema": {"name": "weather", "schema": WEATHER, "strict": True}}


def create(**parameters):
    return openai_client().chat.completions.create(**CHAT | parameters)


def fits_weather(text):
    value = json.loads(text)
    return (
        value.keys() == {"city", "unit"}
        and isinstance(value["city"], str)
        and value["unit"] in ("celsius", "fahrenheit")
    )


def test_without_any_flag_it_is_at_port_8090():
    mock = subprocess.Popen(
        [os.environ["WINDTUNNEL"], "mock"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    line = mock.stdout.readline()
    mock.terminate()
    _, complaint = mock.communicate(timeout=10)
    if line:
        assert line == "listening provider=openai address=http://127.0.0.1:8090\n" and mock.returncode == 0
    else:  # somebody else is there
        assert "127.0.0.1:8090" in complaint and mock.returncode == 2


def test_a_message_has_the_key_refusal():
    message = chat()["choices"][0]["message"]
    assert "refusal" in message and message["refusal"] is None
    message = create().choices[0].message
    assert "refusal" in message.model_fields_set and message.refusal is None


def test_usage_has_its_details():
    usage = chat()["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == 0
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 0
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    usage = create().usage
    assert usage.prompt_tokens_details.cached_tokens == 0 and usage.completion_tokens_details.reasoning_tokens == 0


def test_every_answer_has_a_request_id_of_its_own():
    ids = {call("/v1/chat/completions", CHAT)[1]["x-request-id"] for _ in range(3)}
    assert len(ids) == 3 and None not in ids
    assert create()._request_id


def test_the_first_delta_carries_the_role():
    first, *others = [chunk["choices"][0]["delta"] for chunk in chat_chunks()]
    assert first == {"role": "assistant", "content": "", "refusal": None}
    assert not any("role" in delta for delta in others)
    assert next(iter(create(stream=True))).choices[0].delta.role == "assistant"


def test_the_usage_chunk_comes_last_and_has_no_choices():
    chunks = chat_chunks(**WITH_USAGE)
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["total_tokens"] > 0
    last = list(create(stream=True, **WITH_USAGE))[-1]
    assert last.choices == [] and last.usage.total_tokens > 0


def test_usage_is_null_before_it_comes_and_absent_where_nobody_asked():
    assert all(chunk["usage"] is None for chunk in chat_chunks(**WITH_USAGE)[:-1])
    assert not any("usage" in chunk for chunk in chat_chunks())
    *before, _ = create(stream=True, **WITH_USAGE)
    assert all("usage" in chunk.model_fields_set and chunk.usage is None for chunk in before)


def test_a_required_tool_is_called_without_a_rule():
    choice = chat(**REQUIRED)["choices"][0]
    (tool_call,) = choice["message"]["tool_calls"]
    assert choice["finish_reason"] == "tool_calls" and choice["message"]["content"] is None
    assert tool_call["type"] == "function" and tool_call["function"]["name"] == "get_weather"
    assert fits_weather(tool_call["function"]["arguments"])
    (tool_call,) = create(**REQUIRED).choices[0].message.tool_calls
    assert fits_weather(tool_call.function.arguments)


def test_a_streamed_call_has_an_index_and_its_arguments_in_fragments():
    deltas = [chunk["choices"][0]["delta"] for chunk in chat_chunks(**REQUIRED)]
    calls = [part for delta in deltas for part in delta.get("tool_calls", [])]
    assert all(part["index"] == 0 for part in calls)
    first, *fragments = calls
    assert first["id"] and first["function"] == {"name": "get_weather", "arguments": ""}
    assert len(fragments) > 1 and not any("id" in part or "name" in part["function"] for part in fragments)
    assert fits_weather("".join(part["function"]["arguments"] for part in fragments))
    with openai_client().chat.completions.stream(**CHAT | REQUIRED) as stream:
        (tool_call,) = stream.get_final_completion().choices[0].message.tool_calls
    assert fits_weather(tool_call.function.arguments)


def test_n_is_the_number_of_choices():
    assert [choice["index"] for choice in chat(n=2)["choices"]] == [0, 1]
    assert [choice.index for choice in create(n=2).choices] == [0, 1]
    finished = [choice.index for chunk in create(n=2, stream=True) for choice in chunk.choices if choice.finish_reason]
    assert sorted(finished) == [0, 1]


def test_logprobs_belong_to_the_text():
    choice = create(logprobs=True, top_logprobs=2).choices[0]
    tokens = choice.logprobs.content
    assert b"".join(bytes(token.bytes) for token in tokens).decode() == choice.message.content
    for token in tokens:
        likely = [top.logprob for top in token.top_logprobs]
        assert token.logprob <= 0 and len(likely) == 2 and likely == sorted(likely, reverse=True)
    raw = chat(logprobs=True)["choices"][0]
    assert "".join(token["token"] for token in raw["logprobs"]["content"]) == raw["message"]["content"]
    chunks = [chunk["choices"][0] for chunk in chat_chunks(logprobs=True)]
    text = "".join(chunk["delta"].get("content", "") for chunk in chunks)
    assert (
        "".join(token["token"] for chunk in chunks for token in (chunk["logprobs"] or {"content": []})["content"])
        == text
    )


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_a_token_limit_of_one_ends_with_length(limit):
    answer = chat(**{limit: 1})
    assert answer["choices"][0]["finish_reason"] == "length" and answer["usage"]["completion_tokens"] == 1
    assert create(**{limit: 1}).choices[0].finish_reason == "length"
    assert chat_chunks(**{limit: 1})[-1]["choices"][0]["finish_reason"] == "length"


def test_a_schema_is_fitted():
    assert fits_weather(chat(response_format=FORMAT)["choices"][0]["message"]["content"])
    assert fits_weather(create(response_format=FORMAT).choices[0].message.content)
    with openai_client().chat.completions.stream(**CHAT, response_format=FORMAT) as stream:
        assert fits_weather(stream.get_final_completion().choices[0].message.content)


def test_missing_messages_are_a_400_that_says_so():
    status, _, text = call("/v1/chat/completions", {"model": "gpt-4o-mini"})
    error = json.loads(text)["error"]
    assert status == 400 and error.keys() == {"message", "type", "param", "code"} and "messages" in error["message"]
    assert (error["type"], error["param"], error["code"]) == (
        "invalid_request_error",
        "messages",
        "missing_required_parameter",
    )


def test_broken_json_is_a_400_in_the_envelope():
    status, headers, text = call("/v1/chat/completions", b'{"model": "gpt-4o-mini", "messages": [')
    error = json.loads(text)["error"]
    assert status == 400 and headers["content-type"].startswith("application/json")
    assert error.keys() == {"message", "type", "param", "code"} and error["type"] == "invalid_request_error"


def test_a_model_of_the_list_can_be_retrieved_and_another_cannot():
    listed = [model["id"] for model in json.loads(call("/v1/models")[2])["data"]]
    assert listed
    for name in listed:
        model = json.loads(call("/v1/models/" + name)[2])
        assert model["id"] == name and model.keys() == {"id", "object", "created", "owned_by"}
    status, _, text = call("/v1/models/no-such-model")
    assert status == 404 and json.loads(text)["error"]["code"] == "model_not_found"
    client = openai_client()
    assert [client.models.retrieve(model.id).id for model in client.models.list()] == listed


def test_embeddings_have_the_encoding_and_dimensions_that_were_asked_for():
    body = {"model": "text-embedding-3-small", "input": ["one", "two"], "dimensions": 256}
    answer = json.loads(call("/v1/embeddings", body | {"encoding_format": "base64"})[2])
    raw = [struct.unpack("<256f", base64.b64decode(item["embedding"])) for item in answer["data"]]
    assert [item["index"] for item in answer["data"]] == [0, 1] and answer["usage"]["prompt_tokens"] > 0
    floats = json.loads(call("/v1/embeddings", body)[2])["data"]
    for packed, item in zip(raw, floats, strict=True):
        assert packed == pytest.approx(item["embedding"], abs=1e-6)
        assert math.hypot(*packed) == pytest.approx(1, abs=1e-5)
    shown = openai_client().embeddings.create(**body).data
    assert [item.embedding for item in shown] == [pytest.approx(packed) for packed in raw]


def test_legacy_completions_are_served():
    answer = json.loads(call("/v1/completions", {"model": "gpt-3.5-turbo-instruct", "prompt": "Once"})[2])
    assert answer["object"] == "text_completion" and answer["choices"][0]["text"]
    answer = openai_client().completions.create(model="gpt-3.5-turbo-instruct", prompt=["Once", "Twice"], max_tokens=4)
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert {choice.finish_reason for choice in answer.choices} == {"length"}


TEXT_EVENTS = [
    "created",
    "in_progress",
    "output_item.added",
    "content_part.added",
    "output_text.delta",
    "output_text.done",
    "content_part.done",
    "output_item.done",
    "completed",
]


def test_events_of_a_response_come_in_order():
    body = {"model": "gpt-4o-mini", "input": "Say hello.", "stream": True}
    events = call("/v1/responses", body)[2].removesuffix("\n\n").split("\n\n")
    names, numbers = [], []
    for event in events:
        name, data = event.split("\n")
        data = json.loads(data.removeprefix("data: "))
        assert name == "event: " + data["type"]
        names.append(data["type"].removeprefix("response."))
        numbers.append(data["sequence_number"])
    assert list(dict.fromkeys(names)) == TEXT_EVENTS and names.count("output_text.delta") > 1
    assert numbers == list(range(len(events)))
    shown = [event.type.removeprefix("response.") for event in openai_client().responses.create(**body)]
    assert list(dict.fromkeys(shown)) == TEXT_EVENTS
