"""The runtime's verbs: any order of them gives what each row gives alone."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from headbench.edits import Columns, Edit, Plan, Scale
from headbench.errors import HeadbenchError, RefusedError
from headbench.models.hf import cache
from headbench.models.hf.engine import Engine
from headbench.models.hf.forward_pass import HFBackend
from headbench.models.runtime import OPEN, Batch, Runtime, SequenceGroup, TokenSequence, runtime
from headbench.nouns import Capture
from helpers_families import DECODERS
from helpers_models import QUESTIONS, images, llama, llava, qwen, request
from helpers_tiny import tiny_llama

STORE = images(3)
HALVE = Plan((Edit("z", Scale(0.5), {0: (1,), 1: (0, 2)}),))


def ids(seed: int, length: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(8, 60, (length,), generator=generator).tolist()


def row(tokens: list[int], plan: Plan | None = None, **changes: object) -> TokenSequence:
    found = TokenSequence(list(tokens), len(tokens), plan=plan or Plan())
    return dataclasses.replace(found, **changes)  # type: ignore[arg-type]


def alone(rt: Runtime, one: TokenSequence) -> torch.Tensor:
    """The last logits of a row by itself, in one pass."""
    fresh = dataclasses.replace(one, tokens=list(one.tokens), memory={})
    return rt.encode([fresh], cache=False).logits[0, -1]


def check(rt: Runtime, batch: Batch, bound: float = 2e-4) -> None:
    for number, one in enumerate(batch.rows):
        difference = (batch.logits[number, -1] - alone(rt, one)).abs().max()
        assert difference < bound, f"row {number}: {difference:.1e}"


@pytest.fixture(scope="module")
def plain() -> Runtime:
    model = tiny_llama()
    return Runtime(HFBackend(model, 0), Engine(model))


@settings(max_examples=25)
@given(data=st.data())
def test_any_order_of_verbs_gives_what_each_row_gives_alone(plain: Runtime, data) -> None:
    """Encode, then a few of: step, drop, repeat, reorder, join with another batch, fork."""
    plans = (Plan(), HALVE)

    def fresh(label: str) -> Batch:
        lengths = data.draw(st.lists(st.integers(2, 9), min_size=1, max_size=3), label=label)
        rows = [
            row(ids(number, length), data.draw(st.sampled_from(plans)))
            for number, length in enumerate(lengths)
        ]
        return plain.encode(rows)

    batch = fresh("first")
    for _ in range(data.draw(st.integers(1, 4), label="verbs")):
        places = range(len(batch.rows))
        verb = data.draw(st.sampled_from(("step", "drop", "repeat", "join", "fork")), label="verb")
        if verb == "step":
            plain.step(batch, [data.draw(st.integers(8, 59)) for _ in places])
        elif verb == "drop":
            kept = data.draw(st.permutations(list(places)))[: max(1, len(places) - 1)]
            batch = plain.select(batch, kept)
        elif verb == "repeat":
            picks = data.draw(st.lists(st.sampled_from(list(places)), min_size=1, max_size=4))
            batch = plain.select(batch, picks, [batch.rows[p].continued(()) for p in picks])
        elif verb == "join":
            other = fresh("other")
            count = len(batch.rows) + len(other.rows)
            order = data.draw(st.permutations(list(range(count))))
            batch = plain.join([batch, other], order)
        else:
            picks = data.draw(st.lists(st.sampled_from(list(places)), min_size=1, max_size=4))
            tails = [data.draw(st.lists(st.integers(8, 59), min_size=1, max_size=3)) for _ in picks]
            rows = [
                batch.rows[pick].continued(tail) for pick, tail in zip(picks, tails, strict=True)
            ]
            batch = plain.fork(batch, picks, rows)
        check(plain, batch)
        layer = batch.cache.layers[0]
        assert layer.keys.shape[0] == len(batch.rows)
        assert layer.keys.shape[2] == batch.seen >= max(len(one.tokens) for one in batch.rows)


@pytest.mark.parametrize("make", [llama, llava, qwen])
def test_a_batch_prefilled_in_parts_goes_on_like_one_prefilled_whole(make, monkeypatch):
    model = make() if make is llama else make(STORE)
    asked = [request(text) for text in QUESTIONS]
    if model.images:
        asked += [request("<image> who", images=(sha256,)) for sha256 in STORE]

    def rows() -> list[TokenSequence]:
        return [model.preparation.sequence(model.prompter.resolve(one)) for one in asked]

    rt, together, apart = model.runtime, rows(), rows()
    whole = rt.encode(together)
    monkeypatch.setattr(runtime, "PREFILL_TOKENS", 48)
    parts = rt.parts([SequenceGroup.of(one) for one in apart])
    assert sorted(index for part in parts for index in part) == list(range(len(asked)))
    assert len(parts) > 2
    joined = rt.join(
        [rt.encode([apart[i] for i in part]) for part in parts],
        [index for part in parts for index in part],
    )
    assert joined.rows == apart
    for _ in range(3):
        torch.testing.assert_close(joined.logits, whole.logits, atol=2e-4, rtol=0)
        tokens = whole.logits[:, -1].argmax(-1).tolist()
        rt.step(joined, tokens)
        rt.step(whole, tokens)
    kept = [3, 0, 5]
    tokens = whole.logits[:, -1].argmax(-1).tolist()
    joined = rt.select(joined, kept)
    rt.step(joined, [tokens[place] for place in kept])
    rt.step(whole, tokens)
    torch.testing.assert_close(joined.logits, whole.logits[kept], atol=2e-4, rtol=0)


def test_parts_hold_whole_groups_and_stay_within_the_bound(plain, monkeypatch):
    monkeypatch.setattr(runtime, "PREFILL_TOKENS", 40)
    groups = [
        SequenceGroup({"main": row(ids(0, n)), "other": row(ids(1, n - 1))})
        for n in (9, 12, 9, 20, 25)
    ]
    parts = plain.parts(groups)
    assert parts == [[4], [3], [1], [0, 2]]
    monkeypatch.setattr(HFBackend, "device", torch.device("meta"))
    assert plain.parts(groups) == [[0, 1, 2, 3, 4]]


def test_a_model_with_windows_prefills_a_batch_at_once():
    torch.manual_seed(0)
    rt = Runtime(HFBackend(DECODERS["Mistral"]().eval(), 0))
    assert len(rt.parts([SequenceGroup.of(row(ids(0, 30))) for _ in range(200)])) == 1


def test_a_fork_and_a_copying_selection_leave_their_source_usable(plain):
    batch = plain.encode([row(ids(0, 7)), row(ids(1, 5))])
    plain.fork(batch, [1, 1], [batch.rows[1].continued([9]), batch.rows[1].continued([9, 10])])
    copied = plain.select(batch, [0], [batch.rows[0].continued(())])
    plain.step(copied, [20])
    plain.step(batch, [30, 31])
    check(plain, batch)
    check(plain, copied)


def test_a_batch_that_was_handed_over_is_dead(plain):
    batch = plain.encode([row(ids(0, 7)), row(ids(1, 5))])
    plain.select(batch, [0])
    with pytest.raises(HeadbenchError, match="handed over"):
        plain.step(batch, [9, 9])


def test_what_was_handed_over_holds_no_cache_and_what_was_taken_no_old_buffer(plain):
    """A kept variable would keep the keys and values of the whole batch."""
    batch = plain.encode([row(ids(0, 7)), row(ids(1, 5)), row(ids(2, 6))])
    plain.step(batch, [9, 9, 9])
    taken = plain.select(batch, [1])
    assert batch.cache is None
    layer = taken.cache.layers[0]
    assert layer._key_room is None
    assert layer.keys.untyped_storage().nbytes() == layer.keys.numel() * 4
    first, second = plain.encode([row(ids(0, 7))]), plain.encode([row(ids(1, 5))])
    plain.join([first, second])
    assert first.cache is None
    assert second.cache is None


def test_a_view_of_a_fused_projection_is_copied_into_the_cache():
    fused = torch.randn(2, 4, 3 * 8).unflatten(-1, (3, 2, 4))
    keys, values = (fused[:, :, place].transpose(1, 2) for place in (0, 2))
    layer = cache.RoomyLayer()
    layer.update(keys, values)
    for kept, states in ((layer.keys, keys), (layer.values, values)):
        assert torch.equal(kept, states)
        assert kept.untyped_storage().nbytes() == kept.numel() * 4


def test_a_fork_keeps_the_last_logits_whatever_its_tails(plain):
    batch = plain.encode([row(ids(0, 5))])
    for tails in ([[9, 10, 11]], [[9, 10, 11], [12]]):
        rows = [batch.rows[0].continued(tail) for tail in tails]
        assert plain.fork(batch, [0] * len(tails), rows).logits.shape[:2] == (len(tails), 1)


def test_no_groups_have_no_parts(plain, monkeypatch):
    assert plain.parts([]) == []
    monkeypatch.setattr(HFBackend, "device", torch.device("meta"))
    assert plain.parts([]) == []


def test_one_sequence_in_two_rows_is_refused(plain):
    one = row(ids(0, 5))
    with pytest.raises(HeadbenchError, match="two rows"):
        plain.encode([one, one])
    batch = plain.encode([one])
    with pytest.raises(HeadbenchError, match="two rows"):
        plain.select(batch, [0, 0])


def test_a_continuation_must_add_tokens_and_no_pictures(plain):
    batch = plain.encode([row(ids(0, 5))])
    with pytest.raises(RefusedError, match="at least one token"):
        plain.fork(batch, [0], [batch.rows[0].continued(())])
    with pytest.raises(RefusedError, match="at least one token"):
        plain.fork(batch, [0], [row([*ids(1, 5), 9])])
    with pytest.raises(RefusedError, match="pictures of its own"):
        late = dataclasses.replace(batch.rows[0].continued([9, 9]), image=(5,))
        plain.fork(batch, [0], [late])


def test_counts_and_choices_do_not_depend_on_the_route(plain):
    """One pass; a prefix and a fork; parts that are joined; steps: equal counts."""
    prompt, answer = ids(0, 9), ids(5, 3)

    def counts(one: TokenSequence) -> tuple[int, int]:
        return one.visited, one.changed

    whole = row([*prompt, *answer], HALVE, prompt=len(prompt))
    plain.finish(plain.encode([whole]))
    prefix = plain.encode([row(prompt[:4], HALVE, prompt=OPEN)])
    forked = prefix.rows[0].continued([*prompt[4:], *answer], prompt=len(prompt))
    plain.finish(plain.fork(prefix, [0], [forked]))
    stepped = row(prompt, HALVE)
    batch = plain.join([plain.encode([stepped]), plain.encode([row(ids(2, 4))])])
    for token in answer:
        plain.step(batch, [token, 9])
    plain.finish(batch)
    plain.finish(batch)
    assert counts(whole) == counts(forked) == counts(stepped)
    assert whole.changed == 3 * (len(prompt) + len(answer))
    assert (whole.passes, forked.passes, stepped.passes) == (1, 2, 4)


def test_an_error_in_a_pass_leaves_the_model_clean(plain, monkeypatch):
    before = alone(plain, row(ids(0, 6)))
    batch = plain.encode([row(ids(0, 6), HALVE)])
    real = plain.backend.forward

    def failing(*given: object) -> torch.Tensor:
        real(*given)
        raise RuntimeError("stopped")

    monkeypatch.setattr(plain.backend, "forward", failing)
    with pytest.raises(RuntimeError, match="stopped"):
        plain.step(batch, [9])
    monkeypatch.undo()
    assert torch.equal(alone(plain, row(ids(0, 6))), before)


def test_captures_of_forked_rows_are_those_of_whole_rows(plain):
    seen = Capture("z", (0, 2), rows="last")
    prompt = ids(0, 9)
    prefix = plain.encode([row(prompt[:4], HALVE, prompt=OPEN)])
    tails = [prompt[4:], prompt[4:7], prompt[4:]]
    rows = [prefix.rows[0].continued(tail, prompt=4 + len(tail)) for tail in tails]
    forked = plain.fork(prefix, [0, 0, 0], rows, captures=(seen,)).captured
    for number, tail in enumerate(tails):
        whole = plain.encode([row(prompt[:4] + tail, HALVE)], cache=False, captures=(seen,))
        torch.testing.assert_close(forked[number][seen], whole.captured[0][seen])


def test_edits_that_read_the_whole_prompt_are_refused_behind_a_prefix(plain):
    """They would read the part behind the prefix only, and be silently wrong."""

    def doubled(view: object, columns: torch.Tensor) -> torch.Tensor:
        return 2 * columns

    for reads in ("layer_input", "column_mass"):
        op = Columns((0,), doubled, renormalise=True, reads=(reads,))
        plan = Plan((Edit("pattern", op, {0: (0,)}),))
        with pytest.raises(RefusedError, match=r"(a|the) whole prompt"):
            prefix = plain.encode([row(ids(0, 5), plan, prompt=OPEN)])
            plain.fork(prefix, [0], [prefix.rows[0].continued([9, 10], prompt=7)])
        whole = plain.encode([row(ids(0, 5), plan)])
        plain.step(whole, [9])  # decode positions behind a whole prompt are what they are made for


def test_a_step_writes_into_the_room_and_copies_only_when_it_is_full(monkeypatch):
    monkeypatch.setattr(cache, "ROOM", 2)
    layer = cache.RoomyLayer()
    held = torch.randn(2, 3, 4, 5)
    layer.update(held, held)
    places = []
    for _ in range(4):
        new = torch.randn(2, 3, 1, 5)
        held = torch.cat([held, new], dim=2)
        keys, values = layer.update(new, new)
        assert torch.equal(keys, held)
        assert torch.equal(values, held)
        places.append(keys.data_ptr())
    assert places[0] == places[1] == places[2] != places[3]
    layer.reorder_cache(torch.tensor([1]))
    new = torch.randn(1, 3, 1, 5)
    keys, _ = layer.update(new, new)
    assert torch.equal(keys, torch.cat([held[1:], new], dim=2))
