"""Names, parameters, choices of heads and control draws of the interventions."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from headbench.errors import ConfigError, DataError, HeadbenchError, RefusedError
from headbench.heads.headmap import HeadMap
from headbench.interventions import method_catalogue
from headbench.interventions.grammar import parse
from headbench.interventions.methods.vhr import above_median, default_layers, divergence
from headbench.interventions.resolve import build, control_conditions, resolve
from headbench.nouns import ModelInfo

INFO = ModelInfo("tiny", "llama", 3, 4, 2, 12)
CHOSEN = "heads=[[0,1],[1,0],[1,3]]"


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> str:
    generator = torch.Generator().manual_seed(0)
    offset = torch.zeros(3, 4, 12)
    offset[0, 1] = torch.randn(12, generator=generator)
    offset[1, 3] = torch.randn(12, generator=generator)
    path = tmp_path_factory.mktemp("vectors") / "v.safetensors"
    save_file({"offset": offset, "direction": torch.randn(48, generator=generator)}, path)
    return str(path)


def test_every_listed_method_loads_and_says_what_it_is() -> None:
    for name in method_catalogue.names():
        method = method_catalogue.get(name)
        assert method.name == name
        assert method.summary and method.source
        for key, field in method.params_model.model_fields.items():
            assert len(method_catalogue.shapes(field.annotation)) == 1, (name, key)


def test_a_parameter_that_takes_scalars_and_lists_is_refused() -> None:
    class Both(method_catalogue.MethodParams):
        x: float | tuple[float, ...] = 1.0

    method = method_catalogue.Method("both", Both, lambda p, i: None, "s", "s")  # type: ignore[arg-type, return-value]
    with pytest.raises(ConfigError, match="a scalar and a list"):
        method_catalogue.register(method)


@pytest.mark.parametrize(
    ("intervention", "message"),
    [
        ("mask_hed(heads=[[0,1]])", "mask_heads"),
        ("mask_heads(head=[[0,1]])", "heads"),
        ("mask_heads", "give either heads"),
        ("mask_heads(heads=[[0,1]],map=retrieval)", "give either"),
        ("mask_heads(map=retrieval,top=2)", "no head map"),
        ("mask_heads(map=retrieval,top=2,threshold=0.1)", "one of top"),
        ("mask_heads(heads=[[3,0]])", "no head 0 in layer 3"),
        ("mask_heads(heads=[])", "names no head"),
        ("mask_heads(heads=[[0,1]],mode=mute)", "zero"),
        ("scale_heads(heads=[[0,1]])", "required"),
        ("scale_heads(heads=[[0,1]],alpha=[])", "sweeps over nothing"),
        ("zerotuning(gamma=0)", "greater than 0"),
        ("rope_zero(heads=[[0,1]],dose=3)", "impossible"),
        ("rope_zero(heads=[[0,1]],dose=24)", "impossible"),
        ("vhr(layers=[3])", "no layer 3"),
        ("vhr(per_sample=false)", "needs heads= or map="),
        ("vhr(per_sample=false,map=x,reinforce_text_branch=true)", "per_sample=true"),
        ("steer(file='nowhere',layer=0,strength=1)", "cannot read the vectors"),
        ("softpag(heads=[[0,1]],u=2)", "less than or equal to 1"),
    ],
)
def test_wrong_interventions_are_refused_with_a_way_out(intervention: str, message: str) -> None:
    with pytest.raises(HeadbenchError, match=message):
        resolve(intervention, INFO)


def test_a_list_sweeps_a_scalar_and_is_the_value_of_a_list() -> None:
    conditions = resolve("scale_heads(heads=[[0,1]],alpha=[1,1.5,2])+vhr(alpha=[2,3])", INFO)
    assert [condition.name for condition in conditions][:2] == [
        "scale_heads(alpha=1,heads=[[0,1]])+vhr(alpha=2)",
        "scale_heads(alpha=1,heads=[[0,1]])+vhr(alpha=3)",
    ]
    assert len(conditions) == 6
    assert resolve("baseline", INFO)[0].role == "baseline"


def test_canonical_forms_name_resolved_heads_and_the_map(tmp_path: Path) -> None:
    scores = tuple(tuple(float(4 * layer + head) for head in range(4)) for layer in range(3))
    headmap = HeadMap(detector="d", model="m", layers=3, heads=4, scores=scores)
    headmap.save(tmp_path / "h.json")
    info = ModelInfo("tiny", "llama", 3, 4, 2, 12, maps={"retrieval": str(tmp_path / "h.json")})
    (condition,) = resolve("mask_heads(map=retrieval,top=2)", info)
    canonical = condition.interventions[0].canonical
    assert "heads=[[2,2],[2,3]]" in canonical
    assert headmap.sha256[:16] in condition.interventions[0].artefacts["map"]
    assert resolve(canonical, info)[0].interventions[0].canonical == canonical
    assert parse(canonical).parts[0].name == "mask_heads"
    wrong = ModelInfo("other", "llama", 4, 4, 2, 12, maps=info.maps)
    with pytest.raises(ConfigError, match="3 layers x 4 query heads"):
        resolve("mask_heads(map=retrieval,top=2)", wrong)


def test_control_conditions_replace_what_declares_a_control() -> None:
    (condition,) = resolve(f"scale_heads({CHOSEN},alpha=2)+zerotuning(gamma=2)", INFO)
    conditions, declared = control_conditions(condition, 4, seed=1)
    assert declared is not None
    assert (declared.possible, declared.excluded, declared.test) == (4 * 6 - 1, False, True)
    assert len(conditions) == 4
    assert [a.role for a in conditions] == ["control"] * 4
    assert all(a.interventions[1] is condition.interventions[1] for a in conditions)
    assert (
        len(
            {a.interventions[0].canonical for a in conditions}
            | {condition.interventions[0].canonical}
        )
        == len(conditions) + 1
    )
    (alone,), pai = control_conditions(resolve("pai", INFO)[0], 4, seed=1)
    assert pai is not None and (pai.possible, alone.draw, pai.test) == (1, 0, False)
    assert control_conditions(resolve("zerotuning(gamma=2)", INFO)[0], 4, seed=1) == ((), None)


def test_vhr_layers_follow_the_paper_and_its_fractions() -> None:
    llava = ModelInfo("l", "llava", 32, 32, 32, 128)
    assert default_layers(llava, None) == (1, *range(18, 32))
    assert default_layers(llava, False) == tuple(range(18, 32))
    assert default_layers(ModelInfo("b", "instructblip", 32, 32, 32, 128), None) == tuple(
        range(14, 32)
    )
    assert default_layers(INFO, None) == (0, 1, 2)
    assert default_layers(ModelInfo("q", "qwen2_vl", 28, 28, 4, 128), None) == (1, *range(16, 28))


def test_vhr_zeroes_only_heads_that_pass_both_outlier_bars() -> None:
    text = torch.zeros(6, 2)
    image = torch.tensor([[1.0, 0], [2, 0], [3, 0], [4, 0], [0.5, 0], [30, 0]])
    assert divergence(image, text, outlier_removal=True)[5] == 30
    text[5] = torch.tensor([60.0, 0])
    assert divergence(image, text, outlier_removal=True)[5] == 0
    assert divergence(image, text, outlier_removal=False)[5] == 30
    assert above_median(torch.tensor([4.0, 1, 3, 2])).tolist() == [True, False, True, False]
    assert not above_median(torch.zeros(4)).any()


def outlier_heads(vhd: list[float], text: list[float]) -> torch.Tensor:
    """What Eq. 6 leaves of divergences, given the squared norms without the image."""
    z_text = torch.tensor([[size**0.5, 0.0] for size in text])
    z_image = z_text + torch.tensor([[0.0, distance] for distance in vhd])
    return divergence(z_image, z_text, outlier_removal=True)


@pytest.mark.parametrize(
    ("vhd", "text", "kept"),
    [
        # With 0.74 the bar of the population is 0.707 and that of a sample 0.747; with 0.65: 0.677.
        ([0, 0, 0, 0, 1, 0.74], [0, 0, 0, 0, 0, 9], [0, 0, 0, 0, 1, 0]),
        ([0, 0, 0, 0, 1, 0.65], [0, 0, 0, 0, 0, 9], [0, 0, 0, 0, 1, 0.65]),
        # The same for the norms without the image.
        ([0, 0, 0, 0, 0, 9], [0, 0, 0, 0, 1, 0.74], [0, 0, 0, 0, 0, 0]),
        ([0, 0, 0, 0, 0, 9], [0, 0, 0, 0, 1, 0.65], [0, 0, 0, 0, 0, 9]),
    ],
)
def test_vhr_takes_the_deviation_of_a_population(
    vhd: list[float], text: list[float], kept: list[float]
) -> None:
    assert outlier_heads(vhd, text).tolist() == pytest.approx(kept, abs=1e-6)


def test_vhr_controls_pick_as_many_heads_at_random() -> None:
    vhr = build(parse("vhr").parts[0], INFO)
    controls = vhr.controls(5, seed=2)
    assert controls is not None and controls.possible == 6**3
    assert len({draw.canonical for draw in controls.draws}) == 5


def test_vectors_of_another_shape_are_refused(tmp_path: Path) -> None:
    save_file({"offset": torch.ones(2, 2, 2)}, tmp_path / "v.safetensors")
    path = str(tmp_path / "v.safetensors")
    with pytest.raises(RefusedError, match="shape"):
        resolve(f"offset_heads(file={path!r})", INFO)
    with pytest.raises(DataError, match="no tensor 'direction'"):
        resolve(f"steer(file={path!r},layer=0,strength=1)", INFO)
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    with pytest.raises(DataError, match="safetensors"):
        resolve(f"steer(file={str(tmp_path / 'bad.safetensors')!r},layer=0,strength=1)", INFO)


def test_a_users_file_adds_a_method(tmp_path: Path) -> None:
    source = (
        "from headbench.interventions.method_catalogue import Method, MethodParams\n"
        "from headbench.interventions.methods.mask_heads import build, MaskHeadsParams\n"
        "METHOD = Method('my_mask', MaskHeadsParams, build, 'mine', 'here')\n"
    )
    (tmp_path / "mine.py").write_text(source)
    (condition,) = resolve("my_mask(heads=[[0,1]])", INFO, include=[tmp_path])
    assert condition.name == "my_mask(heads=[[0,1]])"


@pytest.mark.parametrize(
    "intervention",
    [
        f"mask_heads({CHOSEN},mode=uniform)", f"rope_zero({CHOSEN})", f"stream_heads({CHOSEN})",
        "zerotuning(gamma=2)", "softpag(heads=[[0,1]],u=0.5)", "vhr",
        "vhr(per_sample=false,heads=[[0,1]])",
        "var", "var(sink_dims=[1,2])", "pai", "gift", "offset_heads(file=V)",
        "steer(file=V,layer=1,strength=2)", "scale_values(heads=[[0,0]],alpha=2)",
    ],
)  # fmt: skip
def test_a_canonical_form_can_be_given_again(intervention: str, vectors: str) -> None:
    (condition,) = resolve(intervention.replace("V", repr(vectors)), INFO)
    canonical = condition.interventions[0].canonical
    assert resolve(canonical, INFO)[0].interventions[0].canonical == canonical


def test_controls_of_given_vectors_move_or_redraw_them(vectors: str) -> None:
    offsets = build(parse(f"offset_heads(file={vectors!r})").parts[0], INFO)
    controls = offsets.controls(3, seed=0)
    assert controls is not None
    (edit,) = controls.draws[0].plan(None, {}).edits
    (own,) = offsets.plan(None, {}).edits
    assert edit.where != own.where
    assert sorted(edit.op.vector.norm(dim=-1)[0]) == sorted(own.op.vector.norm(dim=-1)[0])  # type: ignore[union-attr]
    steer = build(parse(f"steer(file={vectors!r},layer=1,strength=2)").parts[0], INFO)
    controls = steer.controls(2, seed=0)
    assert controls is not None
    first, second = (draw.plan(None, {}).edits[0].op.vector for draw in controls.draws)  # type: ignore[union-attr]
    assert abs(float(first.norm()) - 2) < 1e-5
    assert not torch.equal(first, second)
