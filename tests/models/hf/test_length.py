"""Prompts longer than a model allows: refused before anything runs, or run and said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import (
    BertModel,
    BloomConfig,
    BloomForCausalLM,
    FalconConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    RobertaConfig,
    RobertaModel,
)

import headbench
from headbench.errors import ConfigError, RefusedError
from headbench.jobs import Job
from headbench.models import encoder
from headbench.models.adapter_catalogue import create
from headbench.models.hf.adapter import HFModel, wrap
from headbench.models.hf.length import learned, positions_of, room_of
from headbench.nouns import Capture
from headbench.results.files import read_result
from headbench.results.keys import response_key
from headbench.running.spec import spec_from_result
from helpers_models import BASELINE, answers, images, jobs, llava, request
from helpers_tiny import text_settings, tiny_bert, tiny_llama, tiny_llava, tiny_tokenizer

LIMIT = 20
WORDS = "one two three four five six seven eight nine ten"
LAST = Capture("residual", (-1,), rows="all", pool="mean")


def short(**args: str) -> HFModel:
    model = tiny_llama(max_position_embeddings=LIMIT)
    return wrap(model, tiny_tokenizer(), **{"attn": "sdpa"} | args)


def gpt2(**args: str) -> HFModel:
    config = GPT2Config(
        vocab_size=len(tiny_tokenizer()), n_embd=32, n_layer=2, n_head=4, n_positions=LIMIT
    )
    return wrap(GPT2LMHeadModel(config).eval(), tiny_tokenizer(), **{"attn": "sdpa"} | args)


def generate(new: int, text: str = WORDS) -> Any:
    return jobs([request(text, ask={"max_new_tokens": new})])


# ------------------------------------------------------------------ decoders


def test_prompt_and_new_tokens_fill_the_positions_and_not_one_more() -> None:
    model = short()
    held = len(model.prompter.resolve(request(WORDS)).tokens)
    assert held == 11  # a BOS and ten words
    model.plan(generate(LIMIT - held))
    with pytest.raises(RefusedError, match="21 positions, and the model has 20") as caught:
        model.plan(generate(LIMIT - held + 1))
    assert "--allow-overrun" in str(caught.value.hint)
    assert "document" in str(caught.value.where)


@pytest.mark.parametrize("make", [short, gpt2])
@pytest.mark.parametrize(
    ("kind", "ask"),
    [
        ("score", {"continuations": (" yes", " " + WORDS)}),
        ("score", {"continuation_tokens": ((20, 21), tuple(range(20, 30)))}),
        ("represent", {"captures": (Capture("residual", (0,)),)}),
        ("nexttoken", {"tokens": ("yes",)}),
    ],
)
def test_every_kind_of_request_counts_its_answer(make: Any, kind: Any, ask: Any) -> None:
    model = make(attn="headbench" if kind == "represent" else "sdpa")
    long = f"{WORDS} {WORDS}" if kind in ("represent", "nexttoken") else WORDS
    with pytest.raises(RefusedError, match="positions"):
        model.plan(jobs([request(long, kind, ask=ask)]))
    with pytest.raises(RefusedError, match="positions"):
        next(iter(model.answer(jobs([request(long, kind, ask=ask)]))))
    assert model.runtime.passes == 0
    few = {**ask, "continuations": (" yes",)} if "continuations" in ask else ask
    model.plan(jobs([request("one two", kind, ask=few)]))


def test_image_tokens_are_counted() -> None:
    """Sixteen patches and three words fit 2,048 positions; under 20 the patches are too many."""
    store = images(1)
    small = tiny_llava(max_position_embeddings=LIMIT)
    model = llava(store)
    model.room = room_of(small)
    ask = {"max_new_tokens": 4}
    with pytest.raises(RefusedError, match="the model has 20"):
        model.plan(jobs([request("<image> who", images=tuple(store), ask=ask)]))
    model.plan(jobs([request("who", ask=ask)]))


def test_a_continuation_that_is_not_plain_text_is_counted_by_its_tokens() -> None:
    model = short()
    # More characters than positions, and one unknown word: it fits.
    model.plan(jobs([request("one", "score", ask={"continuations": (" " + "é" * 60,)})]))
    model.plan(jobs([request("one", "score", ask={"continuations": (" " + "e" * 60,)})]))


def test_asked_for_an_overrun_runs_and_is_known() -> None:
    model = short(allow_overrun="true")
    (job,) = generate(30)
    assert len(answers(model, [job])[0].tokens) > LIMIT - 11
    assert model.overrun(job.request)
    assert not model.overrun(generate(2)[0].request)
    # It changes no answer that exists without it, so it is no part of a response's key.
    fits = Job(generate(2)[0].request, BASELINE)
    keys = {response_key(m.identity, m.key(fits), fits) for m in (short(), model)}
    assert len(keys) == 1


def test_beyond_learned_positions_there_is_nothing_to_run() -> None:
    model = gpt2(allow_overrun="true")
    assert (model.room.positions, model.room.table) == (LIMIT, LIMIT)
    with pytest.raises(RefusedError, match="has learned 20"):
        model.plan(generate(30))


@pytest.mark.parametrize(
    ("changes", "limit"),
    [
        ({}, 64),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": 1e4}}, 64),
        ({"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0}}, 256),
        ({"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}}, 128),
        (
            {
                "rope_parameters": {
                    "rope_type": "yarn",
                    "rope_theta": 1e4,
                    "factor": 4.0,
                    "original_max_position_embeddings": 64,
                }
            },
            256,
        ),
        (
            {
                "max_position_embeddings": 512,
                "rope_parameters": {
                    "rope_type": "llama3",
                    "rope_theta": 1e4,
                    "factor": 8.0,
                    "low_freq_factor": 1.0,
                    "high_freq_factor": 4.0,
                    "original_max_position_embeddings": 64,
                },
            },
            512,
        ),
    ],
)
def test_a_configuration_says_how_many_positions_there_are(changes: Any, limit: Any) -> None:
    settings = text_settings(**{"max_position_embeddings": 64, **changes})
    assert positions_of(LlamaConfig(**settings)) == limit


def test_relative_positions_without_a_limit_are_not_refused() -> None:
    assert positions_of(FalconConfig(alibi=True, max_position_embeddings=64)) is None
    assert positions_of(FalconConfig(alibi=False, max_position_embeddings=64)) == 64
    config = BloomConfig(vocab_size=len(tiny_tokenizer()), hidden_size=32, n_layer=2, n_head=4)
    model = wrap(BloomForCausalLM(config).eval(), tiny_tokenizer(), attn="sdpa")
    model.plan(generate(10**6))
    assert model.room.positions is None and not model.overrun(generate(10**6)[0].request)


def test_detectors_refuse_what_a_run_refuses() -> None:
    from headbench.detectors.head_detection import detect

    model = wrap(tiny_llama(max_position_embeddings=LIMIT), tiny_tokenizer(), attn="headbench")
    with pytest.raises(RefusedError, match="positions"):
        detect("attribution", model, limit=1)
    assert model.runtime.passes == 0


# ------------------------------------------------------------------ the command line's run


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints") / "short"
    tiny_llama(max_position_embeddings=LIMIT).save_pretrained(folder)
    tokenizer = tiny_tokenizer()
    tokenizer.unk_token = None  # whatever the task's words are
    tokenizer.save_pretrained(folder)
    return folder


def test_a_run_refuses_before_anything_runs_or_says_so_in_the_result(
    checkpoint: Path, tmp_path: Path
) -> None:
    values: dict[str, Any] = {
        "model": "hf", "controls": 0, "draws": 100, "limit": 2,
        "model_args": {"pretrained": str(checkpoint), "attn": "sdpa"},
    }  # fmt: skip
    with pytest.raises(RefusedError, match="the model has 20"):
        headbench.run("niah", out=tmp_path / "refused", **values)
    assert not list((tmp_path / "refused").rglob("*.json"))
    outcome = headbench.run("niah", out=tmp_path / "run", allow_overrun=True, **values)
    result = read_result(outcome.files[0])
    assert result.diagnostics is not None and result.diagnostics.overrun == 2
    assert result.run.spec["allow_overrun"] is True
    assert any("2 requests went beyond" in note for note in outcome.notes)
    assert "--allow-overrun" in outcome.spec.command()
    assert spec_from_result(outcome.files[0]) == outcome.spec


def test_a_run_that_fits_records_that_none_went_beyond(tmp_path: Path) -> None:
    outcome = headbench.run("niah", model="ref-lm", limit=2, draws=100, out=tmp_path)
    (result,) = outcome.results
    assert result.diagnostics is not None and result.diagnostics.overrun == 0
    assert not any("went beyond" in note for note in outcome.notes)
    assert "--allow-overrun" not in outcome.spec.command()


# ------------------------------------------------------------------ encoders


def ask(words: int) -> Any:
    return jobs([request(" ".join(["cat"] * words), "represent", ask={"captures": (LAST,)})])


def saved(folder: Path, sentence: object = None, longest: int | None = None) -> dict[str, str]:
    tiny_bert().save_pretrained(folder)  # 128 positions
    tokenizer = tiny_tokenizer()
    if longest is not None:
        tokenizer.model_max_length = longest
    tokenizer.save_pretrained(folder)
    if sentence is not None:
        (folder / "sentence_bert_config.json").write_text(json.dumps(sentence))
    return {"pretrained": str(folder)}


@pytest.mark.parametrize(
    ("sentence", "longest", "args", "limit", "named"),
    [
        (None, None, {}, 128, "its table of positions"),
        ({"max_seq_length": 24}, None, {}, 24, "sentence_bert_config.json"),
        ({"max_seq_length": 24}, 12, {}, 12, "tokenizer"),
        (None, 12, {}, 12, "tokenizer"),
        ({"max_seq_length": None}, None, {}, 128, "table"),
        ({"max_seq_length": 24}, None, {"max_length": "8"}, 8, "max_length"),
        ({"max_seq_length": 24}, None, {"max_length": "64"}, 24, "sentence_bert_config.json"),
    ],
)
def test_an_encoders_own_limit_is_the_least_of_what_its_files_say(
    tmp_path: Path, sentence: Any, longest: Any, args: Any, limit: int, named: str
) -> None:
    model = create("encoder", {**saved(tmp_path, sentence, longest), **args})
    model.plan(ask(limit - 1))  # and the BOS
    with pytest.raises(RefusedError, match=f"the model has {limit} by .*{named}"):
        model.plan(ask(limit))


def test_an_encoder_goes_beyond_when_asked_as_far_as_its_table(tmp_path: Path) -> None:
    args = saved(tmp_path, {"max_seq_length": 24})
    model = create("encoder", {**args, "allow_overrun": "true"})
    assert answers(model, ask(40))[0].arrays[LAST].shape == (1, 1, 32)  # type: ignore[arg-type]
    assert model.overrun(ask(40)[0].request)  # type: ignore[attr-defined]
    with pytest.raises(RefusedError, match="has learned 128"):
        model.plan(ask(128))


def test_a_table_with_a_padding_row_has_fewer_positions() -> None:
    config = RobertaConfig(
        vocab_size=90, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=34, pad_token_id=1,
    )  # fmt: skip
    assert learned(RobertaModel(config)) == 32
    assert learned(tiny_bert()) == 128
    assert learned(tiny_llama()) is None


def test_a_relative_encoder_without_a_table_has_no_limit() -> None:
    model = tiny_bert()
    assert isinstance(model, BertModel)
    model.embeddings.position_embeddings = None  # as DeBERTa without absolute positions
    model.config.relative_attention = True
    assert encoder.wrap(model, tiny_tokenizer()).room.positions is None


def test_a_damaged_sentence_configuration_is_named(tmp_path: Path) -> None:
    args = saved(tmp_path)
    (tmp_path / "sentence_bert_config.json").write_text("[]")
    with pytest.raises(ConfigError, match="no JSON object"):
        create("encoder", args)
