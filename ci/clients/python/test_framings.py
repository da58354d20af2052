"""How openai-python and anthropic-python read unusual streams: ../framings.json says it for each rule of framings.yaml.

An outcome is what was read, in order, and the exception at the end, if any; `fine` is all of the usual stream.
"""

import json
import pathlib
import re

import anthropic
import openai
import pytest

from mocks import HELLO, WEATHER, anthropic_client, openai_client

HERE = pathlib.Path(__file__).parent
PROVIDERS = HERE.parents[2] / "mock-providers"
EXPECTED = {model: row["python"] for model, row in json.loads((HERE.parent / "framings.json").read_text()).items()}
USUAL = ["role", "héé你", "end", "stop"]


def chat(model):
    stream = openai_client("framings", max_retries=0).chat.completions.create(model=model, messages=HELLO, stream=True)
    for chunk in stream:
        if not chunk.choices:
            yield "odd chunk"
            continue
        choice = chunk.choices[0]
        yield from filter(None, ["role" if choice.delta.role else None, choice.delta.content, choice.finish_reason])


def calls(model):
    tools = [{"type": "function", "function": {"name": name, "parameters": WEATHER}} for name in "fg"]
    completions = openai_client("framings", max_retries=0).chat.completions
    with completions.stream(model=model, messages=HELLO, tools=tools) as stream:
        for call in stream.get_final_completion().choices[0].message.tool_calls:
            yield call.function.arguments


def message(model):
    messages = anthropic_client("framings", max_retries=0).messages
    for event in messages.create(model=model, max_tokens=100, messages=HELLO, stream=True):
        if event.type == "message_start":
            yield "start"
        elif event.type == "content_block_delta":
            yield event.delta.text
        elif event.type == "message_delta":
            yield event.delta.stop_reason


def told(error):
    status = getattr(error, "status_code", None)
    if type(error) is openai.APIError:
        return f"APIError: {error.message}"
    return type(error).__name__ + (f" {status}" if status else "")


def outcome(model):
    read = message if "anthropic" in model else calls if "index" in model else chat
    parts = []
    try:
        for part in read(model):
            parts.append(part.strip())
    except Exception as error:
        parts.append(told(error))
    return "fine" if parts == USUAL else ", ".join(parts)


@pytest.mark.parametrize("model", EXPECTED)
def test_a_framing_is_read_as_the_table_says(model):
    assert outcome(model) == EXPECTED[model]


def test_every_framing_of_the_script_is_in_the_table():
    script = (PROVIDERS / "scripts" / "framings.yaml").read_text()
    assert set(re.findall(r"name: (framing-[\w-]+)", script)) == set(EXPECTED)


def test_the_documentation_names_these_versions_and_every_framing():
    readme = (PROVIDERS / "README.md").read_text()
    assert f"openai-python {openai.__version__}" in readme and f"anthropic-python {anthropic.__version__}" in readme
    assert all(f"`{model}`" in readme for model in EXPECTED)
