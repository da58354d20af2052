"""anthropic-python against a provider of the dialect anthropic: every call of its users is answered."""

import asyncio

import anthropic
import pydantic
import pytest

from mocks import HELLO, KEY, WEATHER, address, anthropic_client

REQUEST = {"model": "claude-sonnet-5", "max_tokens": 2000, "messages": HELLO}
TOOL = {"name": "get_weather", "description": "The weather.", "input_schema": WEATHER}


def messages():
    return anthropic_client().messages


def test_a_message_has_a_text():
    message = messages().create(**REQUEST)
    assert message.type == "message" and message.role == "assistant" and message.content[0].text
    assert message.stop_reason == "end_turn" and message.usage.output_tokens > 0 and message._request_id


def test_its_events_come_in_order():
    types = [event.type for event in messages().create(**REQUEST, stream=True)]
    rest = [kind for kind in dict.fromkeys(types) if kind != "ping"]
    assert rest == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


def test_the_stream_helper_ends_with_a_message():
    with messages().stream(**REQUEST) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text and final.content[0].text == text and final.stop_reason == "end_turn"
    assert final.usage.input_tokens > 0 and final.usage.output_tokens > 1


def test_the_asynchronous_client_reads_both_too():
    async def both():
        async with anthropic.AsyncAnthropic(api_key=KEY, base_url=address("anthropic")) as client:
            message = await client.messages.create(**REQUEST)
            async with client.messages.stream(**REQUEST) as stream:
                return message.content[0].text, await stream.get_final_text()

    assert all(asyncio.run(both()))


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "get_weather"}])
def test_a_tool_is_used_and_its_result_ends_the_loop(choice):
    used = messages().create(**REQUEST, tools=[TOOL], tool_choice=choice)
    (use,) = [block for block in used.content if block.type == "tool_use"]
    assert used.stop_reason == "tool_use" and use.name == "get_weather" and use.input.keys() == {"city", "unit"}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use.id, "content": "17 degrees"}]}
    said = [*HELLO, {"role": "assistant", "content": used.content}, result]
    answer = messages().create(**REQUEST | {"messages": said}, tools=[TOOL])
    assert answer.stop_reason == "end_turn" and answer.content[0].type == "text"


def test_a_streamed_tool_use_is_put_together():
    with messages().stream(**REQUEST, tools=[TOOL], tool_choice={"type": "any"}) as stream:
        parts = [event.partial_json for event in stream if event.type == "input_json"]
        (use,) = [block for block in stream.get_final_message().content if block.type == "tool_use"]
    assert len(parts) > 1 and use.input.keys() == {"city", "unit"}


def test_parallel_uses_stay_apart():
    with anthropic_client("scripted_anthropic").messages.stream(
        **REQUEST | {"model": "two-calls"}, tools=[TOOL]
    ) as stream:
        uses = [block.input for block in stream.get_final_message().content if block.type == "tool_use"]
    assert uses == [{"city": "Paris"}, {"city": "Rome"}]


@pytest.mark.parametrize("stream", [False, True])
def test_thoughts_come_first_and_are_signed(stream):
    request = REQUEST | {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    if stream:
        with messages().stream(**request) as helper:
            message = helper.get_final_message()
    else:
        message = messages().create(**request)
    thought, text = message.content
    assert (thought.type, text.type) == ("thinking", "text") and thought.thinking and thought.signature and text.text


def test_tokens_are_counted():
    counted = messages().count_tokens(model=REQUEST["model"], messages=HELLO, system="Be brief.")
    assert counted.input_tokens == messages().create(**REQUEST, system="Be brief.").usage.input_tokens


def test_a_limit_and_a_stop_sequence_end_a_message():
    message = messages().create(**REQUEST | {"max_tokens": 1})
    assert message.stop_reason == "max_tokens" and message.usage.output_tokens == 1
    message = messages().create(**REQUEST, stop_sequences=list("aeio"))
    assert message.stop_reason == "stop_sequence" and message.stop_sequence in "aeio"


def test_models_are_listed_page_by_page_and_retrieved():
    models = anthropic_client().models
    listed = [model.id for model in models.list(limit=1)]
    assert len(listed) > 1 and models.retrieve(listed[0]).id == listed[0]
    with pytest.raises(anthropic.NotFoundError):
        models.retrieve("no-such-model")


def test_parse_makes_an_object_of_a_pydantic_type():
    class Weather(pydantic.BaseModel):
        city: str
        high: float

    assert isinstance(messages().parse(**REQUEST, output_format=Weather).parsed_output, Weather)
