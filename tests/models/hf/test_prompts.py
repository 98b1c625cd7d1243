from __future__ import annotations

import pytest

from headbench.errors import ConfigError, DataError, RefusedError
from headbench.models.hf.prompts import Prompter, choose_template
from headbench.scoring.thoughts import cut
from helpers_models import images, llama, llava, qwen, request
from helpers_tiny import picture, tiny_tokenizer


def words(model, positions, prompt):
    """The tokens at these positions, as words."""
    return model.prompter._tokenizer.convert_ids_to_tokens([prompt.tokens[i] for i in positions])


def test_a_plain_prompt_begins_once():
    model = llama(chat_template="off")
    prompt = model.prompter.resolve(request("<s> is there a cat?"))
    assert prompt.tokens.count(1) == 1
    assert prompt.tokens == model.prompter.resolve(request("is there a cat?")).tokens


def test_the_chat_template_is_used_by_flag_and_recorded():
    plain, chat = llama(chat_template="off"), llama(chat_template="on")
    asked = request("is there a cat?")
    assert words(chat, range(3), chat.prompter.resolve(asked)) == ["<s>", "USER", ":"]
    assert words(plain, range(2), plain.prompter.resolve(asked)) == ["<s>", "is"]
    assert plain.identity["chat_template"] == "off"
    assert chat.identity["chat_template"] != "off"
    assert llama(chat_template="auto").identity == chat.identity


def test_a_missing_chat_template_that_was_asked_for_is_an_error():
    with pytest.raises(ConfigError, match="no chat template"):
        choose_template("on", None, tiny_tokenizer())


@pytest.mark.parametrize("flag", ["on", "off"])
def test_spans_find_the_marked_copy_and_not_an_earlier_one(flag):
    model = llama(chat_template=flag)
    content = "  a cat and a cat? a cat "
    start = content.index("a cat?")
    asked = request(content, spans={"needle": ((0, start, start + 5),)})
    prompt = model.prompter.resolve(asked)
    assert words(model, prompt.spans["needle"], prompt) == ["a", "cat"]
    first = prompt.tokens.index(prompt.tokens[prompt.spans["needle"][0]])
    assert prompt.spans["needle"][0] > first
    assert prompt.tokens == model.prompter.resolve(request(content)).tokens
    assert prompt.spans["first"] == (0,)
    assert prompt.spans["last"] == (len(prompt.tokens) - 1,)


def test_a_span_may_hold_blanks_that_the_template_trims():
    model = llama(chat_template="on")
    asked = request("  who  ", spans={"question": ((0, 0, 7),)})
    prompt = model.prompter.resolve(asked)
    assert words(model, prompt.spans["question"], prompt) == ["who"]


def test_adjacent_and_nested_spans_keep_apart():
    model = llama(chat_template="off")
    content = "a cat a dog"
    spans = {"left": ((0, 0, 5),), "right": ((0, 5, 11),), "all": ((0, 0, 11),)}
    prompt = model.prompter.resolve(request(content, spans=spans))
    assert prompt.spans["left"] == (1, 2)
    assert prompt.spans["right"] == (3, 4)
    assert prompt.spans["all"] == (1, 2, 3, 4)


def test_a_template_that_drops_a_span_is_refused():
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'][:3] }}{% endfor %}"
    prompter = Prompter(tokenizer, None, tokenizer)
    with pytest.raises(RefusedError, match="marked span"):
        prompter.resolve(request("who is there", spans={"needle": ((0, 7, 12),)}))


def test_a_template_that_rewrites_a_span_is_refused():
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['content'] | replace('a cat', 'a dog') }}{% endfor %}"
    )
    prompter = Prompter(tokenizer, None, tokenizer)
    with pytest.raises(RefusedError, match="rewrites"):
        prompter.resolve(request("a cat", spans={"animal": ((0, 2, 5),)}))


def test_a_span_outside_its_message_is_named():
    with pytest.raises(ConfigError, match="'needle'"):
        llama().prompter.resolve(request("who", spans={"needle": ((0, 2, 9),)}))


def test_the_share_of_unknown_tokens_counts_text_only():
    model = llama(chat_template="off")
    assert model.unknown_share(request("is there a cat")) == 0.0
    # <s>, three known words and one unknown word
    assert model.unknown_share(request("is there a zebra")) == pytest.approx(1 / 5)
    store = images(1)
    vlm = llava(store, chat_template="off")
    asked = request("<image> a zebra", images=tuple(store))
    assert vlm.unknown_share(asked) == pytest.approx(1 / 3)


@pytest.mark.parametrize("flag", ["on", "off"])
@pytest.mark.parametrize(("make", "count"), [(llava, 16), (qwen, 16)])
def test_an_image_becomes_its_tokens_and_spans_move_along(make, count, flag):
    store = images(2)
    model = make(store, chat_template=flag)
    content = "<image> is there a cat? <image> a cat"
    start = content.rindex("a cat")
    asked = request(
        content,
        images=tuple(store),
        spans={"needle": ((0, start, start + 5),), "early": ((0, 8, 23),)},
    )
    prompt = model.prompter.resolve(asked)
    assert len(prompt.spans["image"]) == 2 * count
    assert words(model, prompt.spans["needle"], prompt) == ["a", "cat"]
    assert words(model, prompt.spans["early"], prompt) == ["is", "there", "a", "cat", "?"]
    placeholders = set(words(model, prompt.spans["image"], prompt))
    assert placeholders == {model.prompter._vision.token}
    own = model.prompter._vision._processor(
        text=[model.prompter._render([dict(asked.messages[0])], "here")],
        images=[[picture(seed) for seed in range(2)]],
    )
    assert list(prompt.tokens) == own["input_ids"][0]


def test_as_many_placeholders_as_images():
    store = images(1)
    model = llava(store)
    with pytest.raises(DataError, match="placeholders"):
        model.prompter.resolve(request("who", images=tuple(store)))


def test_a_truncated_image_is_named():
    sha256, encoded = next(iter(images(1).items()))
    model = llava({sha256: encoded[: len(encoded) // 2]})
    with pytest.raises(DataError, match="image cannot be read") as caught:
        model.prompter.resolve(request("<image> who", images=(sha256,)))
    assert sha256[:8] in caught.value.where


def test_decoding_keeps_the_marks_of_thoughts_that_are_special_tokens():
    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["[THINK]", "[/THINK]", "<turn>"]})
    prompter = Prompter(tokenizer, None, None)
    ids = tokenizer.convert_tokens_to_ids(
        ["<s>", "[THINK]", "cat", "[/THINK]", "a", "cat", "<turn>", "</s>"]
    )
    said = prompter.decode(ids)
    assert said.split() == ["[THINK]", "cat", "[/THINK]", "a", "cat"]
    assert cut([said]).texts == ("a cat",)
    plain = [token for token in ids if token not in ids[1:4:2]]
    assert prompter.decode(plain) == tokenizer.decode(plain, skip_special_tokens=True)
