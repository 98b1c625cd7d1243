"""Identities: what must change a key changes it, and nothing else does."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headbench.errors import StoreError
from headbench.jobs import Condition, Job
from headbench.nouns import Capture, Request
from headbench.results.canonical import digest, dumps, plain
from headbench.results.keys import response_key, result_id, seed_for


@dataclass(frozen=True)
class Toggle:
    canonical: str
    artefacts: dict[str, str] = field(default_factory=dict)
    needs: frozenset[str] = frozenset()


REQUEST = Request(
    "doc",
    "answer",
    0,
    "generate",
    ({"role": "user", "content": "where?"},),
    ask={"max_new_tokens": 4},
    spans={"question": ((0, 0, 6),)},
    seed=5,
)
IDENTITY = {"weights": "w", "dtype": "float32"}
PROMPT = {"tokens": "t"}


def key(condition: Condition | None = None, **changes: object) -> str:
    request = replace(REQUEST, **changes)  # type: ignore[arg-type]
    return response_key(IDENTITY, PROMPT, Job(request, condition or Condition("baseline")))


def edited(text: str, **artefacts: str) -> Condition:
    return Condition(text, (Toggle(text, artefacts),), "toggle")  # type: ignore[arg-type]


def test_an_condition_never_shares_a_response_with_the_baseline_or_another_condition() -> None:
    conditions = [
        Condition("baseline"),
        edited("mask_heads(heads=[[0,1]])"),
        edited("mask_heads(heads=[[0,2]])"),
        edited("mask_heads(map=x)", map="1"),
        edited("mask_heads(map=x)", map="2"),
    ]
    assert len({key(condition) for condition in conditions}) == len(conditions)


def test_code_that_is_not_our_own_splits_responses() -> None:
    toggle = edited("halve()")
    keys = {key(replace(toggle, code=code)) for code in ({}, {"halve": "1"}, {"halve": "2"})}
    assert len(keys) == 3


def test_the_name_and_role_of_an_condition_do_not_split_responses() -> None:
    toggle = edited("mask_heads(heads=[[0,1]])")
    control = replace(toggle, name="other#control-0", role="control", of="other", draw=0)
    assert key(toggle) == key(control)


@pytest.mark.parametrize(
    "changes",
    [{"ask": {"max_new_tokens": 5}}, {"images": ("sha",)}, {"kind": "score"}],
)
def test_what_changes_an_answer_changes_the_key(changes: dict[str, object]) -> None:
    assert key(**changes) != key()


@pytest.mark.parametrize(
    "ask",
    [
        {"do_sample": True},
        {"do_sample": True, "temperature": 0},
        {"temperature": 0.7},
        {"top_p": 0.9},
        {"top_k": 5},
    ],
)
def test_the_seed_splits_requests_that_sample(ask: dict[str, object]) -> None:
    assert key(ask=ask, seed=6) != key(ask=ask)
    assert key(ask=ask, document="other") == key(ask=ask)


@pytest.mark.parametrize(
    "changes",
    [
        {"ask": {"max_new_tokens": 4}},
        {"ask": {"temperature": 0}},
        {"ask": {"temperature": None}},
        {"ask": {"do_sample": False, "temperature": 0.7}},
        {"kind": "score", "ask": {"continuations": ("yes",)}},
        {"kind": "represent", "ask": {}},
    ],
)
def test_the_seed_leaves_greedy_requests_together(changes: dict[str, object]) -> None:
    assert key(**{**changes, "seed": 6}) == key(**changes)


@pytest.mark.parametrize(
    "changes", [{"document": "other"}, {"index": 3}, {"step": "second"}, {"seed": 6}]
)
def test_an_intervention_that_needs_the_document_splits_by_it(changes: dict[str, object]) -> None:
    condition = Condition(
        "random()", (Toggle("random()", needs=frozenset({"document"})),), "toggle"
    )  # type: ignore[arg-type]
    assert key(condition, **changes) != key(condition)
    assert key(edited("random()"), **changes) == key(edited("random()"))


@pytest.mark.parametrize("changes", [{"document": "other"}, {"index": 3}, {"step": "second"}])
def test_what_does_not_change_an_answer_leaves_the_key(changes: dict[str, object]) -> None:
    assert key(**changes) == key()


def test_spans_split_edited_rows_only() -> None:
    moved = {"spans": {"question": ((0, 1, 6),)}}
    assert key(**moved) == key()
    assert key(edited("a()"), **moved) != key(edited("a()"))


def test_model_identity_and_prompt_are_in_the_key() -> None:
    job = Job(REQUEST, Condition("baseline"))
    first = response_key(IDENTITY, PROMPT, job)
    assert response_key({**IDENTITY, "dtype": "bfloat16"}, PROMPT, job) != first
    assert response_key(IDENTITY, {"tokens": "u"}, job) != first


def test_result_id_ignores_order_and_feels_versions() -> None:
    assert result_id(["a", "b"], {"v": 1}) == result_id(["b", "a"], {"v": 1})
    assert result_id(["a", "b"], {"v": 1}) != result_id(["a", "b"], {"v": 2})
    assert result_id(["a", "b"], {"v": 1}) != result_id(["a"], {"v": 1})


def test_seeds_differ_by_purpose_and_are_the_same_in_every_process() -> None:
    seeds = {seed_for(0, "d", s, i) for s in ("x", "y") for i in range(50)}
    assert len(seeds) == 100
    assert seed_for(0, "a", "b") != seed_for(0, "ab")
    code = "from headbench.results.keys import seed_for; print(seed_for(3, 'doc', 'step', 1))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(out.stdout) == seed_for(3, "doc", "step", 1)
    assert 0 <= seed_for(3, "doc", "step", 1) < 2**63


@settings(deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_canonical_text_reads_back_equal(value: object) -> None:
    import json

    assert json.loads(dumps(value)) == plain(value)
    assert digest(value) == digest(json.loads(dumps(value)))


def test_sets_are_sorted_and_dataclasses_open() -> None:
    assert plain({"b", "a"}) == ["a", "b"]
    assert plain(Capture("z", (1,)))["layers"] == [1]  # type: ignore[index, call-overload]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (float("nan"), "nan cannot be stored"),
        (float("inf"), "inf cannot be stored"),
        (b"bytes", "type bytes has no JSON form"),
        (object(), "type object has no JSON form"),
    ],
)
def test_what_json_cannot_say_is_refused(value: object, said: str) -> None:
    with pytest.raises(StoreError, match=said):
        plain([value])


def test_a_seed_is_the_hash_of_the_runs_seed_and_of_its_purpose() -> None:
    """Sixty-three bits of SHA-256 of the canonical JSON, whatever the machine."""
    expected = int(hashlib.sha256(b'[7,"interval","pope",3]').hexdigest()[:16], 16) >> 1
    assert seed_for(7, "interval", "pope", 3) == expected
    assert 0 <= expected < 2**63
    others = {seed_for(8, "interval", "pope", 3), seed_for(7, "interval", "pope", 4),
              seed_for(7, "controls", "pope", 3), seed_for(7, "interval", "pope")}  # fmt: skip
    assert len(others) == 4 and expected not in others
