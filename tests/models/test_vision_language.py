from __future__ import annotations

import dataclasses

import pytest
import torch

from headbench.errors import DataError, RefusedError
from helpers_models import answers, images, jobs, llama, llava, qwen, request

STORE = images(3) | images(1, (48, 32))
QUESTIONS = (
    ("<image> is there a cat?", 0),
    ("<image> is there a red plate near the lamp?", 1),
    ("what is the secret word of river? answer:", None),
    ("please describe <image>", 2),
    ("<image> is there a cat?", 2),
    ("<image> describe", 3),
)


def requests(**changes):
    """Image and text questions, mixed."""
    names = tuple(STORE)
    return [
        request(
            text,
            document=f"{text}/{at}",
            images=() if at is None else (names[at],),
            **changes,
        )
        for text, at in QUESTIONS
    ]


def alone(model, one, new=12):
    """What the library gives for one unpadded row, through its own processor and generate."""
    from headbench.models.hf.vision import decode

    processor = model.prompter._vision._processor
    text = model.prompter._render([dict(turn) for turn in one.messages])
    pictures = [decode(STORE[sha256], sha256) for sha256 in one.images] or None
    inputs = processor(text=[text], images=pictures, return_tensors="pt")
    out = model.model.generate(**inputs, max_new_tokens=new, do_sample=False, pad_token_id=0)
    tokens = out[0, inputs["input_ids"].shape[1] :].tolist()
    ends = model.greedy.ends
    stop = next((at for at, token in enumerate(tokens) if token in ends), len(tokens))
    return tuple(tokens[:stop])


@pytest.mark.parametrize("flag", ["on", "off"])
@pytest.mark.parametrize("make", [llava, qwen])
def test_greedy_tokens_equal_the_librarys_in_any_batch(make, flag):
    model = make(STORE, chat_template=flag)
    asked = requests()
    wanted = [alone(model, one) for one in asked]
    for size in (1, 3, 16):
        model.rows = size
        assert [answer.tokens for answer in answers(model, jobs(asked))] == wanted, size
    mixed = [answer.tokens for _, answer in model.answer(jobs(asked))]
    assert mixed == wanted, "text and image rows in one batch"


@pytest.mark.parametrize("make", [llava, qwen])
def test_the_picture_matters(make):
    model = make(STORE)
    one, other = answers(model, jobs([requests()[0], requests()[4]]))
    assert one.first != other.first


@pytest.mark.parametrize("make", [llava, qwen])
def test_scores_of_an_image_question_equal_generation(make):
    model = make(STORE)
    placeholders = model.prompter.image_ids
    made = answers(model, jobs(requests()))
    pairs = [
        (dataclasses.replace(one, ask={"continuation_tokens": [answer.tokens]}), answer)
        for one, answer in zip(requests(kind="score"), made, strict=True)
        if answer.tokens and not placeholders & set(answer.tokens)
    ]
    assert len(pairs) >= 3
    asked, kept = zip(*pairs, strict=True)
    for answer, again in zip(kept, answers(model, jobs(asked)), strict=True):
        assert again.logprobs == pytest.approx(answer.logprobs, abs=1e-4)


def test_a_forced_placeholder_is_refused():
    model = llava(STORE)
    asked = request("who", "score", ask={"continuation_tokens": [(4, 5)]})
    with pytest.raises(DataError, match="placeholder"):
        answers(model, jobs([asked]))


def test_a_text_model_refuses_images_by_name():
    model = llama()
    with pytest.raises(RefusedError, match="takes no images"):
        model.plan(jobs(requests()[:1]))


def test_positions_of_images_reach_the_model_padded_alike():
    model = qwen(STORE, chat_template="off")
    asked = requests()[:2]
    works = model.desk.open(jobs(asked))
    lines = [model.desk.line(work.prompt) for work in works]
    both = model.runner.prefill(lines).logits
    for at, line in enumerate(lines):
        single = model.runner.prefill([line]).logits[0]
        torch.testing.assert_close(both[at], single, atol=1e-4, rtol=0)
