"""AzureOpenAI against a provider of the dialect azure."""

import openai
import pytest

from mocks import HELLO, KEY, address


def client(**options):
    return openai.AzureOpenAI(
        **{"api_key": KEY, "azure_endpoint": address("azure"), "api_version": "2024-10-21"} | options
    )


CHAT = {"model": "my-deployment", "messages": HELLO}


def test_a_chat_answers_with_filter_results():
    answer = client().chat.completions.create(**CHAT)
    assert answer.choices[0].message.content and answer.choices[0].content_filter_results
    assert answer.prompt_filter_results[0]["prompt_index"] == 0


def test_a_stream_begins_with_a_chunk_without_choices():
    first, *chunks = client().chat.completions.create(**CHAT, stream=True)
    assert first.choices == [] and first.prompt_filter_results
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


def test_the_stream_helper_reads_it():
    with client().chat.completions.stream(**CHAT) as stream:
        assert stream.get_final_completion().choices[0].message.content


def test_a_deployment_may_stand_in_the_client():
    answer = client(azure_deployment="embed").embeddings.create(model="text-embedding-3-small", input="one")
    assert len(answer.data[0].embedding) == 1536


def test_completions_and_responses_are_served():
    assert client().completions.create(model="instruct", prompt="Once").choices[0].text
    with openai.OpenAI(api_key=KEY, base_url=address("azure") + "/openai/v1") as later:
        assert later.responses.create(model="my-deployment", input="Say hello.").output_text


def test_a_token_of_entra_is_a_credential():
    tokens = client(api_key=None, azure_ad_token_provider=lambda: "entra-token")
    assert tokens.chat.completions.create(**CHAT).choices[0].message.content


def test_a_version_that_is_none_is_a_400_in_azures_form():
    with pytest.raises(openai.BadRequestError) as raised:
        client(api_version="yesterday").chat.completions.create(**CHAT)
    assert raised.value.code == "BadRequest" and raised.value.response.json()["error"].keys() == {"code", "message"}
