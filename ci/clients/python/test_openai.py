"""openai-python against what a provider says by default: every call of its users is answered, and nothing raises."""

import asyncio
import json
from enum import Enum

import openai
import pydantic
import pytest

from mocks import HELLO, KEY, WEATHER, WEATHER_TOOL, address, openai_client

CHAT = {"model": "gpt-4o-mini", "messages": HELLO}


class Unit(str, Enum):
    celsius = "celsius"
    fahrenheit = "fahrenheit"


class Day(pydantic.BaseModel):
    name: str
    high: float
    rain: bool


class Weather(pydantic.BaseModel):
    city: str
    unit: Unit
    days: list[Day]
    warning: str | None


def text_of(chunks):
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def test_a_chat_answers_and_its_stream_too():
    client = openai_client()
    answer = client.chat.completions.create(**CHAT)
    assert answer.choices[0].message.content and answer.choices[0].finish_reason == "stop"
    assert answer.object == "chat.completion" and answer.id.startswith("chatcmpl-")
    chunks = list(client.chat.completions.create(**CHAT, stream=True))
    assert text_of(chunks) and chunks[-1].choices[0].finish_reason == "stop"
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1


def test_the_asynchronous_client_reads_both_too():
    async def both():
        async with openai.AsyncOpenAI(api_key=KEY, base_url=address("openai") + "/v1") as client:
            answer = await client.chat.completions.create(**CHAT)
            chunks = [chunk async for chunk in await client.chat.completions.create(**CHAT, stream=True)]
        return answer.choices[0].message.content, text_of(chunks)

    assert all(asyncio.run(both()))


def test_the_stream_helper_ends_with_a_completion():
    with openai_client().chat.completions.stream(**CHAT, stream_options={"include_usage": True}) as stream:
        types = [event.type for event in stream]
        final = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= set(types)
    assert final.choices[0].message.content and final.usage.total_tokens > 0


def test_parse_makes_an_object_of_a_pydantic_type():
    completions = openai_client().chat.completions
    parsed = completions.parse(**CHAT, response_format=Weather).choices[0].message.parsed
    assert isinstance(parsed, Weather)
    with completions.stream(**CHAT, response_format=Weather) as stream:
        assert isinstance(stream.get_final_completion().choices[0].message.parsed, Weather)


def test_parse_makes_an_object_of_a_calls_arguments():
    tools = [openai.pydantic_function_tool(Weather, name="report")]
    answer = openai_client().chat.completions.parse(**CHAT, tools=tools, tool_choice="required")
    function = answer.choices[0].message.tool_calls[0].function
    assert function.name == "report" and isinstance(function.parsed_arguments, Weather)


def test_a_named_tool_is_the_one_that_is_called():
    other = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}}
    named = {"type": "function", "function": {"name": "get_time"}}
    answer = openai_client().chat.completions.create(**CHAT, tools=[WEATHER_TOOL, other], tool_choice=named)
    assert [call.function.name for call in answer.choices[0].message.tool_calls] == ["get_time"]
    assert answer.choices[0].finish_reason == "stop"  # OpenAI's word where the request names the function


def test_tools_are_not_called_where_the_request_forbids_it():
    message = (
        openai_client().chat.completions.create(**CHAT, tools=[WEATHER_TOOL], tool_choice="none").choices[0].message
    )
    assert message.content and not message.tool_calls


@pytest.mark.parametrize("stream", [False, True])
def test_parallel_calls_stay_apart(stream):
    completions = openai_client("scripted").chat.completions
    request = CHAT | {"model": "two-calls", "tools": [WEATHER_TOOL]}
    if stream:
        with completions.stream(**request) as helper:
            answer = helper.get_final_completion()
    else:
        answer = completions.create(**request)
    calls = answer.choices[0].message.tool_calls
    assert [call.function.arguments for call in calls] == ['{"city":"Paris"}', '{"city":"Rome"}']
    assert len({call.id for call in calls}) == 2 and answer.choices[0].finish_reason == "tool_calls"


def test_a_loop_of_calls_ends_with_a_text():
    completions = openai_client().chat.completions
    request = {"model": "gpt-4o-mini", "tools": [WEATHER_TOOL], "tool_choice": "required"}
    called = completions.create(**request, messages=HELLO).choices[0].message
    result = {"role": "tool", "tool_call_id": called.tool_calls[0].id, "content": "17 degrees"}
    request["tool_choice"] = "auto"
    message = completions.create(**request, messages=[*HELLO, called, result]).choices[0].message
    assert message.content and not message.tool_calls


def test_n_choices_are_accumulated_apart():
    with openai_client().chat.completions.stream(**CHAT, n=3) as stream:
        choices = stream.get_final_completion().choices
    assert [choice.index for choice in choices] == [0, 1, 2] and all(choice.message.content for choice in choices)


def test_logprobs_are_accumulated_in_a_stream():
    with openai_client().chat.completions.stream(**CHAT, logprobs=True, top_logprobs=1) as stream:
        types = {event.type for event in stream}
        choice = stream.get_final_completion().choices[0]
    assert "logprobs.content.delta" in types
    assert "".join(token.token for token in choice.logprobs.content) == choice.message.content


@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_is_no_content(stream):
    completions = openai_client("scripted").chat.completions
    request = CHAT | {"model": "refusal", "response_format": Weather}
    if stream:
        with completions.stream(**request) as helper:
            types = {event.type for event in helper}
            answer = helper.get_final_completion()
        assert {"refusal.delta", "refusal.done"} <= types
    else:
        answer = completions.parse(**request)
    message = answer.choices[0].message
    assert message.refusal == "I cannot help with that." and not message.content and message.parsed is None
    assert answer.choices[0].finish_reason == "stop"


def test_thoughts_are_shown_where_a_script_names_their_field():
    completions = openai_client("scripted").chat.completions
    answer = completions.create(**CHAT | {"model": "reasoning"})
    assert answer.choices[0].message.reasoning_content and answer.choices[0].message.content == "The answer is 4."
    assert answer.usage.completion_tokens_details.reasoning_tokens == 20
    deltas = [chunk.choices[0].delta for chunk in completions.create(**CHAT | {"model": "reasoning"}, stream=True)]
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    assert "".join(delta.content or "" for delta in deltas) == "The answer is 4."


@pytest.mark.parametrize(
    "model, error",
    [
        ("length", openai.LengthFinishReasonError),
        ("filtered", openai.ContentFilterFinishReasonError),
    ],
)
def test_parse_raises_for_an_answer_that_was_cut(model, error):
    with pytest.raises(error):
        openai_client("scripted").chat.completions.parse(**CHAT | {"model": model}, response_format=Weather)


def test_legacy_completions_answer_and_stream():
    completions = openai_client().completions
    request = {"model": "gpt-3.5-turbo-instruct", "prompt": "Once upon a time", "max_tokens": 6}
    answer = completions.create(**request)
    assert answer.choices[0].text and answer.usage.completion_tokens == 6
    chunks = list(completions.create(**request, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) and chunks[-1].choices[0].finish_reason == "length"
    scored = completions.create(**request, logprobs=2, echo=True).choices[0]
    assert scored.text.startswith("Once upon a time") and "".join(scored.logprobs.tokens) == scored.text


@pytest.mark.parametrize("model, size", [("text-embedding-3-small", 1536), ("text-embedding-3-large", 3072)])
def test_embeddings_have_the_size_of_their_model(model, size):
    embeddings = openai_client().embeddings
    answer = embeddings.create(model=model, input=["one", "two"])
    assert [len(item.embedding) for item in answer.data] == [size, size]
    floats = embeddings.create(model=model, input="one", encoding_format="float").data[0].embedding
    assert floats == pytest.approx(answer.data[0].embedding, abs=1e-6)


def test_models_are_listed_and_retrieved():
    models = openai_client().models
    listed = list(models.list())
    assert listed and models.retrieve(listed[0].id) == listed[0]


def test_moderations_judge_texts_and_images():
    moderations = openai_client().moderations
    good, bad = moderations.create(input=["hello", "mock-flag:violence"]).results
    assert not good.flagged and bad.flagged and bad.categories.violence and bad.category_scores.violence > 0.5
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    answer = moderations.create(model="omni-moderation-latest", input=[{"type": "text", "text": "hello"}, image])
    assert len(answer.results) == 1 and not answer.results[0].flagged


def test_a_raw_response_shows_the_headers():
    answer = openai_client().chat.completions.with_raw_response.create(**CHAT)
    assert answer.headers["openai-version"] == "2020-10-01" and int(answer.headers["openai-processing-ms"]) >= 0
    assert answer.headers["x-request-id"] == answer.parse()._request_id


def test_a_schema_by_hand_is_fitted_too():
    schema = {"name": "weather", "schema": WEATHER, "strict": True}
    answer = openai_client().chat.completions.create(
        **CHAT, response_format={"type": "json_schema", "json_schema": schema}
    )
    assert json.loads(answer.choices[0].message.content).keys() == WEATHER["properties"].keys()
    answer = openai_client().chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": "Answer in JSON."}],
        response_format={"type": "json_object"},
    )
    assert isinstance(json.loads(answer.choices[0].message.content), dict)
