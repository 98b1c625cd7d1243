"""Future attention influence against a slow definition, and texts under sliding windows."""

from __future__ import annotations

import pytest
import torch
import transformers

from headbench.detectors import distance, future_influence
from headbench.detectors.detector import Trial, Trials
from headbench.errors import DataError
from headbench.models.hf.adapter import HFModel, wrap
from helpers_families import BASE, MIXED
from helpers_models import llama, request
from helpers_tiny import tiny_llama, tiny_tokenizer

TEXTS = (
    "the secret word of river is stone bread lamp. what is the secret word? answer:",
    "one two three. the photo of a table and a plate. what is the secret word? answer:",
)
TRIALS = Trials(tuple(Trial(request(text), "stone bread lamp and a plate") for text in TEXTS), {})


@pytest.fixture(scope="module")
def language() -> HFModel:
    return llama(attn="headbench")


def whole(model: transformers.PreTrainedModel, tokens: list[int]) -> torch.Tensor:
    model.set_attn_implementation("eager")
    with torch.no_grad():
        out = model(torch.tensor([tokens]), output_attentions=True)
    return torch.stack([pattern[0] for pattern in out.attentions])


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"summary": "mean", "least": 3, "skip": 4},
        {"nearest": 3, "farthest": 6, "least": 2},
        {"over": "answer", "least": 2},
        {"over": "answer", "least": 1, "summary": "mean", "nearest": 2, "farthest": 2},
    ],
)
def test_it_is_the_mean_look_back_at_each_token(
    language: HFModel, given: dict[str, object]
) -> None:
    params = future_influence.FutureInfluenceParams.model_validate(given)
    expected = []
    for trial in TRIALS.trials:
        prompt = language.prompter.resolve(trial.request)
        said = language.prompter.continuation(prompt, f" {trial.answer}")
        tokens = [*prompt.tokens, *said]
        pattern = whole(tiny_llama(), tokens)
        influence = []
        for s in range(len(prompt.tokens) if params.over == "answer" else params.skip, len(tokens)):
            end = len(tokens) - 1 if params.farthest is None else s + params.farthest
            rows = [t for t in range(len(tokens)) if s + params.nearest <= t <= end]
            if len(rows) >= params.least:
                influence.append(pattern[:, :, rows, s].mean(-1))
        every = torch.stack(influence)
        expected.append(every.mean(0) if params.summary == "mean" else every.max(0).values)
    found = future_influence.run(language, TRIALS, params)
    torch.testing.assert_close(found.scores, torch.stack(expected).mean(0), atol=1e-5, rtol=0)


def test_texts_that_are_too_short_are_named(language: HFModel) -> None:
    short = Trials((Trial(request("who"), "stone"),), {})
    params = future_influence.FutureInfluenceParams(over="answer")
    with pytest.raises(DataError, match="followed by 8 rows"):
        future_influence.run(language, short, params)


def test_layers_with_a_window_forget_and_the_others_do_not() -> None:
    """Layers with and without a window hold keys of different number; both count from the end."""
    settings = {**BASE, **MIXED, "vocab_size": len(tiny_tokenizer())}

    def gemma() -> transformers.PreTrainedModel:
        torch.manual_seed(0)
        config = transformers.Gemma3TextConfig(**settings, head_dim=8, query_pre_attn_scalar=8)
        return transformers.Gemma3ForCausalLM(config).eval()

    model = wrap(gemma(), tiny_tokenizer(), attn="headbench")
    spans, influence = [], []
    for trial in TRIALS.trials:
        prompt = model.prompter.resolve(trial.request)
        said = model.prompter.continuation(prompt, f" {trial.answer}")
        pattern = whole(gemma(), [*prompt.tokens, *said])
        size = pattern.shape[-1]
        back = (torch.arange(size)[:, None] - torch.arange(size)).clamp(min=0)
        spans.append((pattern * back).sum(-1)[..., len(prompt.tokens) :].mean(-1))
        every = [pattern[:, :, s + 1 :, s].mean(-1) for s in range(1, size - 8)]
        influence.append(torch.stack(every).max(0).values)
    assert size > 12  # the window
    found = distance.run(model, TRIALS, distance.DistanceParams(window=None))
    torch.testing.assert_close(found.scores, torch.stack(spans).mean(0), atol=1e-4, rtol=0)
    found = future_influence.run(model, TRIALS, future_influence.FutureInfluenceParams())
    torch.testing.assert_close(found.scores, torch.stack(influence).mean(0), atol=1e-5, rtol=0)
