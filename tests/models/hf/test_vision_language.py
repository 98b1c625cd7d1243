from __future__ import annotations

import dataclasses

import pytest
import torch

from headbench.errors import RefusedError
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
    from headbench.models.images import decode

    processor = model.prompter._vision._processor
    text = model.prompter._render([dict(turn) for turn in one.messages], "here")
    pictures = [decode(STORE[sha256], sha256) for sha256 in one.images] or None
    inputs = processor(text=[text], images=pictures, return_tensors="pt")
    out = model.model.generate(**inputs, max_new_tokens=new, do_sample=False, pad_token_id=0)
    tokens = out[0, inputs["input_ids"].shape[1] :].tolist()
    ends = model.decoder.ends
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


@pytest.mark.parametrize("make", [llava, qwen])
def test_a_generated_placeholder_can_be_scored(make):
    """In one pass with the picture, the model would look for a picture behind the token."""
    model = make(STORE)
    placeholder = sorted(model.prompter.image_ids)[0]
    forced = (9, placeholder, 11)
    one = requests(kind="score")[0]
    asked = dataclasses.replace(one, ask={"continuation_tokens": [forced]})
    answer = answers(model, jobs([asked]))[0]
    batch = model.runtime.encode([model.preparation.sequence(model.prompter.resolve(one))])
    wanted = []
    for token in forced:
        wanted.append(batch.logits[0, -1].log_softmax(-1)[token].item())
        model.runtime.step(batch, [token])
    assert answer.logprobs == pytest.approx(wanted, abs=1e-4)


def test_a_text_model_refuses_images_by_name():
    model = llama()
    with pytest.raises(RefusedError, match="takes no images"):
        model.plan(jobs(requests()[:1]))


def test_positions_of_images_reach_the_model_padded_alike():
    model = qwen(STORE, chat_template="off")
    asked = requests()[:2]
    prompts = [model.prompter.resolve(one) for one in asked]
    both = model.runtime.encode([model.preparation.sequence(one) for one in prompts]).logits
    for at, prompt in enumerate(prompts):
        single = model.runtime.encode([model.preparation.sequence(prompt)]).logits[0]
        torch.testing.assert_close(both[at], single, atol=1e-4, rtol=0)


def tiny_gemma3():
    """Gemma-3 with sharp weights: its image tokens see each other both ways."""
    import torch
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    torch.manual_seed(0)
    text = {
        "vocab_size": 64,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "sliding_window": 16,
        "initializer_range": 0.3,
    }
    vision = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "image_size": 16,
        "patch_size": 4,
        "vision_use_head": False,
    }
    config = Gemma3Config(
        text_config=text,
        vision_config=vision,
        mm_tokens_per_image=4,
        image_token_index=60,
        boi_token_index=61,
        eoi_token_index=62,
        initializer_range=0.3,
    )
    model = Gemma3ForConditionalGeneration(config).eval()
    with torch.no_grad():
        model.model.multi_modal_projector.mm_input_projection_weight.normal_()
    return model


def test_gemma_images_are_read_both_ways_as_the_library_reads_them() -> None:
    import torch

    from headbench.models.hf.forward_pass import HFBackend
    from headbench.models.runtime import Runtime, TokenSequence

    model = tiny_gemma3()
    pixels = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    tokens = (2, 61, 60, 60, 60, 60, 62, 10, 11, 12)
    row = TokenSequence(list(tokens), len(tokens), (2, 3, 4, 5), ({"pixel_values": pixels},))
    ours = Runtime(HFBackend(model, 0)).encode([row]).logits[0, -1]
    ids = torch.tensor([tokens])
    with torch.no_grad():
        both = model(input_ids=ids, pixel_values=pixels, token_type_ids=(ids == 60).long())
        causal = model(input_ids=ids, pixel_values=pixels)
    assert torch.allclose(ours, both.logits[0, -1], atol=1e-5)
    assert not torch.allclose(ours, causal.logits[0, -1], atol=1e-3)
