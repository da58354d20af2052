"""Makes a tiny Llama with random weights and its tokenizer, as a GGUF file and as a checkpoint with safetensors.

It speaks words at random: a server around it is real, what it says is not. Nothing is downloaded. Each file's bytes
depend on SEED and on this file alone. Usage: model.py gguf FILE | checkpoint FOLDER
"""

import json
import pathlib
import sys

import numpy

SEED = 11
HIDDEN, FEED_FORWARD, LAYERS, HEADS, KEY_VALUE_HEADS, CONTEXT = 64, 128, 2, 4, 2, 4096
EPSILON, ROPE_BASE = 1e-5, 10_000.0

WORDS = """a air all and are bird blue but by can cold come day do down each east far fast find for from give go good
green have he here high hill how in is it land late leaf light like long look low make many moon more most night north
now of old on one open out rain red river road run say see she ship sky slow small snow so some south star stone sun
take that the then they this time to tree two under up walk warm was water way we west what white who wind with wood
you 你 好 世 界 🙂 🌍""".split()
END, START, STOP, ACT = "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|act|>"
SPECIAL = [END, START, STOP, ACT]
CALL = "<tool_call>"
# What always follows a token: all that the model "knows".
FOLLOWS = {ACT: CALL, "}": "<", ">": STOP, "Ġriver": ".", ".": STOP}

# ChatML; a call of a tool is JSON between two tags.
CHAT_TEMPLATE = """\
{%- if tools %}{{ '<|im_start|>system\\nTools:\\n<tools>\\n' }}
{%- for tool in tools %}{{ tool | tojson + '\\n' }}{% endfor %}
{{- '</tools>\\nCall one as <tool_call>{"name": NAME, "arguments": OBJECT}</tool_call><|im_end|>\\n' }}{% endif %}
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' }}
{%- if message.content %}{{ message.content }}{% endif %}
{%- for call in message.tool_calls or [] %}
{{- '<tool_call>{"name": ' + call.function.name | tojson }}
{{- ', "arguments": ' + call.function.arguments | tojson + '}</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""
# The same, and the model is told to call when there are tools and no result yet: it knows one answer to ACT, and that is
# CALL. Only for servers that then hold the model to the tools' schemas by a grammar: it would say anything.
ACTING_TEMPLATE = f"{CHAT_TEMPLATE}{{% if add_generation_prompt and tools and messages[-1].role != 'tool' %}}{ACT}{{% endif %}}"


def byte_alphabet():
    """The printable character that stands for each byte in a byte-level BPE vocabulary, as GPT-2 laid down."""
    kept = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    moved = iter(range(0x100, 0x200))
    return {byte: chr(byte if byte in kept else next(moved)) for byte in range(256)}


def vocabulary():
    """(tokens, merges): every byte, runs of blanks, every prefix of every word, the special tokens."""
    alphabet = byte_alphabet()
    tokens, merges = list(alphabet.values()), []
    for length in (1 << power for power in range(10)):
        tokens.append(alphabet[0x20] * 2 * length)
        merges.append((alphabet[0x20] * length,) * 2)
    for word in WORDS:
        letters = [alphabet[byte] for byte in f" {word}".encode()]
        for end in range(1, len(letters)):
            head, tail = "".join(letters[:end]), letters[end]
            if head + tail not in tokens:
                tokens.append(head + tail)
                merges.append((head, tail))
    return tokens + [CALL] + SPECIAL, merges


def likings(tokens):
    """What is added to each token's logit: whole words are liked, pieces of words, of characters and control bytes are not."""
    alphabet = byte_alphabet()
    words = {"".join(alphabet[byte] for byte in f" {word}".encode()) for word in WORDS}
    likes = {alphabet[byte]: -4.0 for byte in range(0x21, 0x7F)} | dict.fromkeys(words, 0.0) | {STOP: -1.0, '.': 4.0}
    likes |= {'"': 6.0, "}": 1.0, "]": 1.0}
    return numpy.array([likes.get(token, -40.0) for token in tokens], dtype=numpy.float32)


def weights(tokens):
    """Tensor name (as in a checkpoint of Hugging Face) -> float32 array, random but for the first channels.

    No layer writes to these. Channel 0 is the same for every token, so that the output layer can hold the likings there:
    the architecture has no bias. Each of FOLLOWS has the next one for itself.
    """
    random = numpy.random.default_rng(SEED)
    head = HIDDEN // HEADS
    constant = 4.0

    def draw(rows, columns, spread):
        return random.normal(0.0, spread, (rows, columns)).astype(numpy.float32)

    ones = numpy.ones(HIDDEN, dtype=numpy.float32)
    embedding = draw(len(tokens), HIDDEN, 1.0)
    embedding[:, 0] = constant
    output = draw(len(tokens), HIDDEN, 0.4)
    for channel, (before, after) in enumerate(FOLLOWS.items(), start=1):
        embedding[:, channel] = output[:, channel] = 0.0
        embedding[tokens.index(before), channel] = output[tokens.index(after), channel] = 40.0
    output[:, 0] = likings(tokens) / constant
    tensors = {"model.embed_tokens.weight": embedding, "model.norm.weight": ones, "lm_head.weight": output}
    for layer in range(LAYERS):
        block = {
            "input_layernorm": ones,
            "post_attention_layernorm": ones,
            "self_attn.q_proj": draw(HIDDEN, HIDDEN, 0.1),
            "self_attn.k_proj": draw(KEY_VALUE_HEADS * head, HIDDEN, 0.1),
            "self_attn.v_proj": draw(KEY_VALUE_HEADS * head, HIDDEN, 0.1),
            "self_attn.o_proj": draw(HIDDEN, HIDDEN, 0.1),
            "mlp.gate_proj": draw(FEED_FORWARD, HIDDEN, 0.1),
            "mlp.up_proj": draw(FEED_FORWARD, HIDDEN, 0.1),
            "mlp.down_proj": draw(HIDDEN, FEED_FORWARD, 0.1),
        }
        for name in ("self_attn.o_proj", "mlp.down_proj"):
            block[name][: 1 + len(FOLLOWS)] = 0.0
        tensors |= {f"model.layers.{layer}.{name}.weight": tensor for name, tensor in block.items()}
    return tensors


def write_gguf(path):
    """The file that llama.cpp and Ollama read. Queries and keys stay in the other order of rotation: they are random."""
    import gguf

    tokens, merges = vocabulary()
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, LAYERS)
    file = gguf.GGUFWriter(path, "llama")
    file.add_name("windtunnel-tiny")
    file.add_context_length(CONTEXT)
    file.add_embedding_length(HIDDEN)
    file.add_block_count(LAYERS)
    file.add_feed_forward_length(FEED_FORWARD)
    file.add_head_count(HEADS)
    file.add_head_count_kv(KEY_VALUE_HEADS)
    file.add_rope_dimension_count(HIDDEN // HEADS)
    file.add_rope_freq_base(ROPE_BASE)
    file.add_layer_norm_rms_eps(EPSILON)
    file.add_vocab_size(len(tokens))
    file.add_tokenizer_model("gpt2")
    file.add_tokenizer_pre("gpt-2")
    file.add_token_list(tokens)
    file.add_token_merges([" ".join(merge) for merge in merges])
    kinds = (gguf.TokenType.CONTROL if token in SPECIAL else gguf.TokenType.USER_DEFINED if token == CALL else gguf.TokenType.NORMAL for token in tokens)
    file.add_token_types(list(kinds))
    file.add_bos_token_id(tokens.index(END))
    file.add_eos_token_id(tokens.index(STOP))
    file.add_eot_token_id(tokens.index(STOP))
    file.add_add_bos_token(False)
    file.add_chat_template(ACTING_TEMPLATE)
    for name, tensor in weights(tokens).items():
        file.add_tensor(names.get_name(name, try_suffixes=(".weight",)), tensor)
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()


def write_checkpoint(folder):
    """The folder that mlx-lm and transformers read."""
    from safetensors.numpy import save_file

    tokens, merges = vocabulary()
    tensors = weights(tokens)
    splitter = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    special = {
        "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True,
    }
    documents = {
        "config.json": {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": len(tokens),
            "hidden_size": HIDDEN,
            "intermediate_size": FEED_FORWARD,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "num_key_value_heads": KEY_VALUE_HEADS,
            "max_position_embeddings": CONTEXT,
            "rms_norm_eps": EPSILON,
            "rope_theta": ROPE_BASE,
            "tie_word_embeddings": False,
            "bos_token_id": tokens.index(END),
            "eos_token_id": tokens.index(STOP),
            "torch_dtype": "float32",
        },
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": END,
            "eos_token": STOP,
            "model_max_length": CONTEXT,
            "chat_template": CHAT_TEMPLATE,
        },
        "tokenizer.json": {
            "version": "1.0",
            "added_tokens": [{"id": tokens.index(token), "content": token, **special} for token in SPECIAL],
            "pre_tokenizer": splitter,
            "decoder": splitter,
            "model": {
                "type": "BPE",
                "vocab": {token: index for index, token in enumerate(tokens)},
                "merges": merges,
            },
        },
        "model.safetensors.index.json": {
            "metadata": {"total_size": sum(tensor.nbytes for tensor in tensors.values())},
            "weight_map": dict.fromkeys(tensors, "model.safetensors"),
        },
    }
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document, indent=1))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["gguf", path]:
            write_gguf(path)
        case ["checkpoint", path]:
            write_checkpoint(path)
        case _:
            sys.exit(__doc__)
