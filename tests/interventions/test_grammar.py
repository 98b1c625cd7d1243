from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headbench.errors import ConfigError
from headbench.interventions.grammar import InterventionSpec, MethodSpec, canonical, parse

words = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
names = words.filter(lambda w: parse_name(w))
scalars = (
    st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4).map(tuple), max_leaves=8)


def parse_name(word: str) -> bool:
    import keyword

    return not keyword.iskeyword(word) and word not in ("baseline", "__debug__")


specs = st.builds(MethodSpec, names, st.dictionaries(names, values, max_size=4))
interventions = st.lists(specs, min_size=1, max_size=5).map(
    lambda parts: InterventionSpec(tuple(parts))
)


@given(interventions)
def test_a_printed_intervention_reads_back_as_itself(intervention: InterventionSpec) -> None:
    text = canonical(intervention)
    assert parse(text) == intervention
    assert canonical(parse(text)) == text


def test_parameters_print_sorted_and_without_spaces() -> None:
    written = "scale_heads( heads = [[1, 2], [0,3]], alpha = 1.50 ) + vhr"
    assert canonical(parse(written)) == "scale_heads(alpha=1.5,heads=[[1,2],[0,3]])+vhr"


def test_whole_floats_and_integers_are_one_text() -> None:
    assert canonical(parse("vhr(alpha=2.0)")) == canonical(parse("vhr(alpha=2)")) == "vhr(alpha=2)"


def test_truth_words_and_quoted_words_differ() -> None:
    assert parse("a(x=true)").parts[0].params["x"] is True
    assert parse("a(x='true')").parts[0].params["x"] == "true"
    assert canonical(parse("a(x='true')")) == "a(x='true')"


def test_the_baseline_is_the_intervention_without_parts() -> None:
    assert parse("baseline") == InterventionSpec()
    assert canonical(InterventionSpec()) == "baseline"


def test_a_chain_is_read_left_to_right_however_long() -> None:
    parts = [f"m{i}" for i in range(1500)]
    assert [part.name for part in parse("+".join(parts)).parts] == parts


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("vhr(alpha=)", 11),
        ("vhr(2)", 5),
        ("vhr(alpha=1e999)", 11),
        ("vhr(alpha=nan)+1", 16),
        ("vhr(alpha=1+1)", 11),
        ("vhr(alpha=f(1))", 11),
        ("vhr(alpha=x.(y))", 11),
        ("vhr.zero(alpha=1)", 1),
        ("vhr(alpha=None)", 11),
        ("vhr(alpha=-true)", 11),
        ("vhr(alpha=-True)", 11),
        ("vhr(alpha=1,alpha=2)", 13),
        ("vhr(**a)", 5),
        ("vhr-mask", 1),
        ("a.b(x=1)", 1),
        ("__import__('os').system('x')", 1),
        ("", 1),
        ("vhr(x={1:2})", 7),
        ("vhr(x=1j)", 7),
        ("vhr(x=b'a')", 7),
    ],
)
def test_everything_else_is_refused_with_its_column(text: str, column: int) -> None:
    with pytest.raises(ConfigError, match=f"column {column} of") as caught:
        parse(text)
    assert str(caught.value).startswith(caught.value.what)


@pytest.mark.parametrize("text", ["(" * 5000, "a(x=" + "[" * 3000, "a\0b", "-" * 9000 + "1"])
def test_hostile_texts_end_in_an_error_of_ours(text: str) -> None:
    with pytest.raises(ConfigError, match="not an intervention"):
        parse(text)


def test_endless_texts_are_not_read() -> None:
    with pytest.raises(ConfigError, match="longer"):
        parse("a+" * 20_000 + "a")


@pytest.mark.parametrize(
    "name",
    [
        "heads.json",
        "there.safetensors",
        "runs/2024-05-01/heads-2.json",
        "/data/a_b/heads.json",
        "../heads.json",
        "./0.json",
        "~/heads.json",
        "llama-3.1-8b",
        "org/Name-7B",
        "1-x",
        "9b.json",
        "true.json",
        "None.json",
    ],
)
def test_file_names_need_no_quotes(name: str) -> None:
    bare, quoted = f"mask_heads(map={name}, top=2)+vhr", f"mask_heads(map='{name}', top=2)+vhr"
    assert parse(bare) == parse(quoted)
    assert parse(bare).parts[0].params["map"] == name
    assert canonical(parse(bare)) == f"mask_heads(map='{name}',top=2)+vhr"


def test_file_names_in_lists_and_beside_other_letters_are_found() -> None:
    read = parse("a(x=[b.json,c/d.json,'é', e.json],y=-1.5e-3,z=.5,w='q.json')")
    assert read.parts[0].params == {
        "x": ("b.json", "c/d.json", "é", "e.json"),
        "y": -0.0015,
        "z": 0.5,
        "w": "q.json",
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a(map=2-5)", "'2-5' is no number; quote it if it is a name.*column 7 of"),
        ("a(map=2024/11)", "'2024/11' is no number; quote it if it is a name"),
        ("a(map=1.2.3)", r"'1\.2\.3' is no number"),
        ("a(map=..)", r"'\.\.' is no number"),
        ("a(map=x.json+b)", r"'x\.json' goes on with '\+'; a bare name holds .*: quote it"),
        ("a(map=my-own heads.json)", "'my-own' goes on with a blank"),
        ("a(map=x.json=2)", r"'x\.json' goes on with '='"),
        ("a(map=köpfe.json)", "'k' goes on with 'ö'.*quote it"),
        ("a(map=C:/heads.json)", "'C' goes on with ':'.*quote it"),
        ("a(map=my heads)", "'my' goes on with a blank.*quote it"),
        ("a(map=x+y)", r"'x' goes on with '\+'.*quote it"),
        ("a(x='e',map=x.json@main)", r"'x\.json' goes on with '@'.*\n.*column 13 of"),
        ("a(map=-heads.json)", "a value is a finite number, a word, a file name"),
    ],
)
def test_what_stays_ambiguous_is_refused(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=f"(?s){told}"):
        parse(text)
