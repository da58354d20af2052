"""The responses API with openai-python: answers, events, tools, thoughts and what is kept."""

import openai
import pydantic
import pytest

from mocks import WEATHER, openai_client

REQUEST = {"model": "gpt-4o-mini", "input": "Say hello to the wind tunnel."}
TOOL = {"type": "function", "name": "get_weather", "parameters": WEATHER, "strict": True}


class Weather(pydantic.BaseModel):
    city: str
    high: float


def responses():
    return openai_client().responses


def test_a_response_has_a_text_and_its_stream_the_same():
    answer = responses().create(**REQUEST)
    assert answer.status == "completed" and answer.output_text and answer.usage.output_tokens > 0
    events = list(responses().create(**REQUEST, stream=True))
    assert (
        "".join(event.delta for event in events if event.type == "response.output_text.delta")
        == events[-1].response.output_text
    )


def test_the_stream_helper_ends_with_a_response():
    with responses().stream(**REQUEST) as stream:
        types = [event.type for event in stream]
        final = stream.get_final_response()
    assert types[0] == "response.created" and types[-1] == "response.completed" and final.output_text


def test_parse_makes_an_object_of_a_pydantic_type():
    assert isinstance(responses().parse(**REQUEST, text_format=Weather).output_parsed, Weather)
    with responses().stream(**REQUEST, text_format=Weather) as stream:
        assert isinstance(stream.get_final_response().output_parsed, Weather)


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "get_weather"}])
def test_a_function_is_called_and_its_output_ends_the_loop(choice):
    called = responses().create(**REQUEST, tools=[TOOL], tool_choice=choice)
    (call,) = [item for item in called.output if item.type == "function_call"]
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "17 degrees"}
    answer = responses().create(model="gpt-4o-mini", previous_response_id=called.id, input=[output], tools=[TOOL])
    assert answer.output_text and not [item for item in answer.output if item.type == "function_call"]


def test_a_streamed_call_says_its_arguments_in_deltas():
    with responses().stream(**REQUEST, tools=[TOOL], tool_choice="required") as stream:
        deltas = [event.delta for event in stream if event.type == "response.function_call_arguments.delta"]
        final = stream.get_final_response()
    assert len(deltas) > 1 and "".join(deltas) == final.output[0].arguments


def test_thoughts_come_first():
    answer = responses().create(**REQUEST | {"model": "o4-mini"}, reasoning={"effort": "low", "summary": "auto"})
    assert [item.type for item in answer.output] == ["reasoning", "message"]
    assert answer.output[0].summary[0].text and answer.usage.output_tokens_details.reasoning_tokens > 0


def test_a_limit_makes_it_incomplete():
    answer = responses().create(**REQUEST | {"model": "o4-mini"}, max_output_tokens=16)
    assert answer.status == "incomplete" and answer.incomplete_details.reason == "max_output_tokens"


def test_what_is_kept_can_be_retrieved_and_deleted():
    answer = responses().create(**REQUEST)
    assert responses().retrieve(answer.id).output_text == answer.output_text
    assert [item.type for item in responses().input_items.list(answer.id)] == ["message"]
    responses().delete(answer.id)
    with pytest.raises(openai.NotFoundError):
        responses().retrieve(answer.id)


def test_a_response_in_the_background_comes_to_its_end():
    queued = responses().create(**REQUEST, background=True)
    assert queued.status == "queued" and responses().retrieve(queued.id).status == "completed"


def test_a_refusal_is_shown_as_one():
    with openai_client("scripted").responses.stream(**REQUEST | {"model": "refusal"}) as stream:
        types = {event.type for event in stream}
        content = stream.get_final_response().output[0].content[0]
    assert "response.refusal.delta" in types and (content.type, content.refusal) == (
        "refusal",
        "I cannot help with that.",
    )
