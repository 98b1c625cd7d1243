"""Each detector against a slow definition on tiny models."""

from __future__ import annotations

import pytest
import torch

from headbench.detectors import attribution as attribution_module
from headbench.detectors import distance, evidence, image_centric, retrieval, vhd
from headbench.detectors.calibration import load, without_image, without_question
from headbench.detectors.detector import Trial, Trials, engine_of
from headbench.detectors.head_detection import detect
from headbench.errors import ConfigError, RefusedError
from headbench.models.hf.adapter import HFModel
from headbench.nouns import Request
from helpers_models import images, llama, llava

CONTEXT = "the secret word of river is stone bread lamp. the photo of a table and a plate."
QUESTION = "what is the secret word?"


def text_trial(lead: str = "") -> Trial:
    content = f"{lead}{CONTEXT} {QUESTION} answer:"
    start = content.index("stone")
    asked = content.index(QUESTION)
    return Trial(
        Request(
            document=content,
            step="detect",
            index=0,
            kind="represent",
            messages=({"role": "user", "content": content},),
            spans={
                "evidence": ((0, start, start + len("stone bread lamp")),),
                "question": ((0, asked, asked + len(QUESTION)),),
            },
        ),
        "stone bread",
    )


def image_trial(sha256: str, thing: str = "cat") -> Trial:
    question = f"is there a {thing} in the image?"
    return Trial(
        Request(
            document=sha256,
            step="detect",
            index=0,
            kind="represent",
            messages=({"role": "user", "content": f"<image>\n{question}"},),
            images=(sha256,),
            spans={"question": ((0, 8, 8 + len(question)),)},
        ),
        "yes",
    )


TEXT = Trials((text_trial(), text_trial("one two three. ")), {"world": "test"})


@pytest.fixture(scope="module")
def language() -> HFModel:
    return llama(attn="headbench")


def eager(model: HFModel, tokens: tuple[int, ...]) -> torch.Tensor:
    """Whole patterns ``[layer, head, query, key]`` by the model's own eager attention."""
    from helpers_tiny import tiny_llama

    plain = tiny_llama()
    plain.set_attn_implementation("eager")
    with torch.no_grad():
        out = plain(torch.tensor([tokens]), output_attentions=True)
    return torch.stack([pattern[0] for pattern in out.attentions])


def test_evidence_is_the_mass_of_question_rows_less_the_null(language: HFModel) -> None:
    expected = []
    for trial in TEXT.trials:
        parts = []
        for request in (trial.request, without_question(trial.request)):
            prompt = language.prompter.resolve(request)
            pattern = eager(language, prompt.tokens)
            rows = pattern[:, :, list(prompt.spans["question"])]
            parts.append(rows[..., list(prompt.spans["evidence"])].sum(-1).mean(-1))
        expected.append(parts[0] - parts[1])
    found = evidence.run(language, TEXT, evidence.EvidenceParams())
    assert found.trials == 2
    assert torch.allclose(found.scores, torch.stack(expected).mean(0), atol=1e-5)


def test_distance_is_windowed_over_the_answer(language: HFModel) -> None:
    expected = []
    for trial in TEXT.trials:
        prompt = language.prompter.resolve(trial.request)
        said = language.prompter.continuation(prompt, f" {trial.answer}")
        pattern = eager(language, (*prompt.tokens, *said))
        size = pattern.shape[-1]
        back = (torch.arange(size)[:, None] - torch.arange(size)).clamp(max=3)
        expected.append((pattern * back).sum(-1)[..., len(prompt.tokens) :].mean(-1))
    found = distance.run(language, TEXT, distance.DistanceParams(window=3))
    assert torch.allclose(found.scores, torch.stack(expected).mean(0), atol=1e-4)


def test_copying_needs_the_argmax_and_the_produced_token() -> None:
    row = torch.tensor([[[0.1, 0.6, 0.3], [0.5, 0.2, 0.3], [0.4, 0.4, 0.2]]])
    part = row[..., :2]
    same = torch.tensor([True, True])
    assert retrieval.copies(row, part, same).tolist() == [[[0, 1], [1, 0], [0, 0]]]
    other = torch.tensor([True, False])
    assert retrieval.copies(row, part, other).tolist() == [[[0, 0], [1, 0], [0, 0]]]


def test_repeats_count_again_only_as_the_released_code_does(language: HFModel) -> None:
    prompt = language.prompter.resolve(text_trial().request)
    row = torch.zeros(1, 1, 4)
    row[..., 1] = 1.0
    token = prompt.tokens[prompt.spans["evidence"][0]]
    for compat, expected in (("paper", 1 / 3), ("repo", 2 / 3)):
        params = retrieval.RetrievalParams.model_validate({"compat": compat})
        count = retrieval._CopyCount(prompt, "evidence", params)
        for _ in range(2):
            count.add(token, row, row[..., 1:])
        assert count.score.item() == pytest.approx(expected)


def test_attribution_is_the_drop_of_the_logit_with_the_norm_held(language: HFModel) -> None:
    trials = Trials(TEXT.trials[:1], {})
    params = attribution_module.AttributionParams(contrast="none")
    found = attribution_module.run(language, trials, params).scores
    parts = attribution_module.parts_of(language.model, engine_of(language))
    prompt = language.prompter.resolve(trials.trials[0].request)
    said = language.prompter.continuation(prompt, " stone bread")
    entered: dict[object, torch.Tensor] = {}

    def keep(module: object, given: tuple[torch.Tensor, ...]) -> None:
        entered[module] = given[0]

    layers = language.model.model.layers
    watched = [*(layer.self_attn.o_proj for layer in layers), parts.norm]
    hooks = [module.register_forward_pre_hook(keep) for module in watched]
    with torch.no_grad():
        language.model(torch.tensor([[*prompt.tokens, *said[:-1]]]))
    for hook in hooks:
        hook.remove()
    x = entered[parts.norm][0, -2:]
    scale = (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt()
    for layer, head in ((0, 1), (2, 3)):
        z = entered[watched[layer]][0, -2:, head * 12 : head * 12 + 12]
        written = z @ watched[layer].weight[:, head * 12 : head * 12 + 12].T
        direct = (written * scale * parts.norm.weight * parts.unembedding[list(said)]).sum(-1)
        assert found[layer, head].item() == pytest.approx(direct.mean().item(), abs=1e-4)


def test_masking_loss_is_the_loss_without_the_output_columns(language: HFModel) -> None:
    trials = Trials(TEXT.trials[:1], {})
    found = detect("masking_loss", language, trials)
    request = trials.trials[0].request
    prompt = language.prompter.resolve(request)
    said = language.prompter.continuation(prompt, " stone bread")

    def loss() -> float:
        with torch.no_grad():
            logits = language.model(torch.tensor([[*prompt.tokens, *said]])).logits[0]
        at = logits[len(prompt.tokens) - 1 : -1].log_softmax(-1)
        return -float(at.gather(-1, torch.tensor(said)[:, None]).mean())

    weight = language.model.model.layers[1].self_attn.o_proj.weight
    before, saved = loss(), weight.detach().clone()
    with torch.no_grad():
        weight[:, 24:36] = 0
        after = loss()
        weight.copy_(saved)
    assert found.score(1, 2) == pytest.approx(after - before, abs=1e-4)


def outputs_of(model: HFModel, request: Request) -> torch.Tensor:
    """z of the last row, ``[layer, head, dim]``, by plain hooks."""
    kept: list[torch.Tensor] = []

    def keep(_module: object, given: tuple[torch.Tensor, ...]) -> None:
        kept.append(given[0][0, -1].unflatten(-1, (4, 12)))

    layers = model.model.model.language_model.layers
    hooks = [layer.self_attn.o_proj.register_forward_pre_hook(keep) for layer in layers]
    model.runtime.encode([model.preparation.sequence(model.prompter.resolve(request))], cache=False)
    for hook in hooks:
        hook.remove()
    return torch.stack(kept)


def test_vhd_is_the_distance_of_outputs_with_and_without_the_image() -> None:
    store = images(2)
    model = llava(store, attn="headbench")
    trials = Trials(tuple(image_trial(sha) for sha in store), {}, "image", store)
    found = vhd.run(model, trials, vhd.VhdParams(outlier_removal=False))
    outputs = []
    for trial in trials.trials:
        pair = []
        for request in (trial.request, without_image(trial.request)):
            pair.append(outputs_of(model, request))
        outputs.append((pair[0] - pair[1]).norm(dim=-1))
    assert torch.allclose(found.scores, torch.stack(outputs).mean(0), atol=1e-4)


def test_image_centric_needs_mass_outside_the_sinks() -> None:
    image = torch.tensor([[[0.3, 0.1], [0.05, 0.05], [0.1, 0.3]]])
    kept = torch.tensor([[False, True]])
    params = image_centric.ImageCentricParams(rho=0.5, mass=0.2)
    assert image_centric.is_centric(image, kept, params).tolist() == [[False, False, True]]


def test_image_centric_counts_every_row_after_the_image() -> None:
    store = images(1)
    model = llava(store, attn="headbench")
    trials = Trials((image_trial(*store),), {}, "image", store)
    found = image_centric.run(model, trials, image_centric.ImageCentricParams(mass=0.0, rho=0.0))
    prompt = model.prompter.resolve(trials.trials[0].request)
    assert found.facts["rows"] == len(prompt.tokens) - max(prompt.spans["image"]) - 1
    assert bool((found.scores == 1).all())


def test_a_map_says_what_it_was_measured_on(language: HFModel) -> None:
    found = detect("distance", language, TEXT, seed=3, parameters={"window": None})
    assert (found.detector, found.seed, found.trials) == ("distance", 3, 2)
    assert found.data == {"world": "test", "parameters": {"window": None}}


def test_mistakes_are_named(language: HFModel) -> None:
    with pytest.raises(ConfigError, match="no detector"):
        detect("retrival", language)
    with pytest.raises(ConfigError, match="no parameter"):
        detect("distance", language, TEXT, parameters={"windows": 3})
    with pytest.raises(RefusedError, match="takes no images"):
        detect("vhd", language, limit=1)
    with pytest.raises(RefusedError, match="without the intervention engine"):
        detect("distance", llama(attn="sdpa"), TEXT)


def test_calibration_trials_are_a_function_of_their_arguments() -> None:
    assert load("needles", 2, 5, 96).facts == load("needles", 2, 5, 96).facts
    assert load("needles", 2, 5, 96).facts["sha256"] != load("needles", 2, 6, 96).facts["sha256"]
    scenes = load("scenes", 4)
    assert [trial.answer for trial in scenes.trials] == ["Yes", "No", "Yes", "No"]
    assert {sha for t in scenes.trials for sha in t.request.images} == set(scenes.images)


def test_the_shipped_model_has_the_retrieval_heads_it_was_shipped_with() -> None:
    from headbench._paths import checkpoints_root
    from headbench.heads.headmap import HeadMap
    from headbench.models.adapter_catalogue import create

    shipped = HeadMap.load(checkpoints_root() / "ref-lm-v1" / "heads-retrieval.json")
    found = detect("retrieval", create("reference", {"name": "ref-lm-v1"}), limit=4)
    assert set(found.top(2)) == set(shipped.top(2)) == {(1, 7), (1, 0)}
    assert set(found.above()) >= set(shipped.above())
