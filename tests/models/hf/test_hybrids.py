"""Models that mix layers through the adapter: the library's own tokens, or a refusal at load."""

from __future__ import annotations

import dataclasses
import weakref
from functools import cache

import pytest
import torch
import transformers as t
from transformers import AutoModelForCausalLM

from headbench.errors import HeadbenchError, RefusedError
from headbench.interventions.resolve import resolve
from headbench.models.adapter_catalogue import create
from headbench.models.hf import state_check
from headbench.models.hf.adapter import HFModel, wrap
from headbench.models.hf.cache import known_cache, take_rows
from headbench.models.hf.forward_pass import HFBackend
from headbench.models.runtime import TokenSequence
from headbench.nouns import Answer, Capture
from helpers_families import BASE as FAMILY
from helpers_families import MIXED
from helpers_hybrids import HYBRIDS, hybrid, output_projection, saved, silence
from helpers_models import QUESTIONS, answers, jobs, llama, request
from helpers_tiny import tiny_tokenizer


def row(*tokens: int) -> TokenSequence:
    return TokenSequence(list(tokens), len(tokens))


LOST = {"MiniMax": "a short pass failed", "RecurrentGemma": "does not hold its state"}
DECODED = [name for name in HYBRIDS if name not in LOST]
PROMPTS = QUESTIONS[:4]
NEW = 4


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Saved hybrids by name, each made once."""
    root = tmp_path_factory.mktemp("hybrids")
    return cache(lambda name: saved(hybrid(name), root / name.replace(" ", "-")))


def load(folder, **args):
    return create("hf", {"pretrained": str(folder), "chat_template": "off", **args})


def library(folder, prompts, *, layer=None, head=1):
    """Tokens, their log-probabilities and the gaps of the two best, of the library's generate."""
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    if layer is not None:
        projection = output_projection(model, layer)
        silence(projection, head, projection.in_features // 4)
    tokenizer, found = tiny_tokenizer(), []
    for prompt in prompts:
        ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
        out = model.generate(
            ids, max_new_tokens=NEW, do_sample=False, pad_token_id=0,
            output_logits=True, return_dict_in_generate=True,
        )  # fmt: skip
        said = out.sequences[0, ids.shape[1] :].tolist()
        logits = torch.cat(out.logits).log_softmax(-1)
        best = logits.topk(2).values
        found.append(list(zip(said, best[:, 0].tolist(), (best[:, 0] - best[:, 1]).tolist())))  # noqa: B905
    return found


def same(answer, wanted):
    """How many tokens are equal up to the first near tie, with log-probabilities within 1e-4."""
    compared = 0
    assert answer.tokens
    for token, logprob, (expected, wanted_logprob, gap) in zip(
        answer.tokens, answer.logprobs, wanted, strict=False
    ):
        if gap <= 1e-3:
            break
        assert token == expected
        assert logprob == pytest.approx(wanted_logprob, abs=1e-4)
        compared += 1
    return compared


@pytest.mark.parametrize("name", DECODED)
def test_every_batch_size_gives_the_tokens_of_the_librarys_generate(name, checkpoint):
    model = load(checkpoint(name))
    wanted = library(checkpoint(name), PROMPTS)
    asked = [request(prompt, ask={"max_new_tokens": NEW}) for prompt in PROMPTS]
    for size in (1, 3, 16):
        model.rows = size
        found = answers(model, jobs(asked))
        compared = sum(same(answer, own) for answer, own in zip(found, wanted, strict=True))
        assert compared > 2 * len(PROMPTS), size


@pytest.mark.parametrize("name", DECODED)
def test_masking_a_head_of_the_last_layer_equals_a_plain_hook_there(name, checkpoint):
    model = load(checkpoint(name))
    layer = HYBRIDS[name][1][-1]
    (condition,) = resolve(f"mask_heads(heads=[[{layer},1]])", model.info)
    asked = [request(prompt, ask={"max_new_tokens": NEW}) for prompt in PROMPTS[:2]]
    wanted = library(checkpoint(name), PROMPTS[:2], layer=layer)
    plain = library(checkpoint(name), PROMPTS[:2])
    for answer, own, bare in zip(
        answers(model, jobs(asked, condition)), wanted, plain, strict=True
    ):
        assert same(answer, own)
        assert abs(own[0][1] - bare[0][1]) > 1e-3  # the hook changes something


@pytest.mark.parametrize("name", DECODED)
def test_layers_are_counted_among_all_decoder_layers(name, checkpoint):
    model = load(checkpoint(name))
    attending = HYBRIDS[name][1]
    assert (model.info.layers, model.info.attending) == (4, attending)
    for layer in range(4):
        spec = f"mask_heads(heads=[[{layer},1]])"
        seen = request("who", "represent", ask={"captures": [Capture("z", (layer,))]})
        if layer in attending:
            assert resolve(spec, model.info)
            model.plan(jobs([seen]))
            continue
        with pytest.raises(RefusedError, match=rf"layer {layer} of .* has no attention") as caught:
            resolve(spec, model.info)
        assert caught.value.hint == f"layers with attention: {', '.join(map(str, attending))}"
        with pytest.raises(RefusedError, match=rf"layer {layer} of .* has no attention"):
            model.plan(jobs([seen]))
    stream, last = Capture("residual", (0, 1, 2, 3)), Capture("residual", (-1,))
    ask = {"captures": [stream, last]}
    found = answers(model, jobs([request("who", "represent", ask=ask)]))[0]
    assert torch.equal(found.arrays[stream][3], found.arrays[last][0])


@pytest.mark.parametrize("name", LOST)
@pytest.mark.parametrize("attn", ["headbench", "sdpa"])
def test_a_model_whose_cache_does_not_hold_its_state_is_refused_at_load(name, attn, checkpoint):
    with pytest.raises(RefusedError, match=LOST[name]) as caught:
        load(checkpoint(name), attn=attn)
    assert type(hybrid(name)).__name__ in str(caught.value)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_in_half_precision_a_lost_state_is_found_and_rounding_is_not_taken_for_it(
    dtype, checkpoint
):
    """Rounding of recurrent states is as large there as what a lost state changes."""
    with pytest.raises(RefusedError, match="does not hold its state"):
        load(checkpoint("RecurrentGemma"), dtype=dtype)
    assert not load(checkpoint("Jamba"), dtype=dtype).backend.extends
    model = load(checkpoint("Bamba"), dtype=dtype)
    assert model.backend.extends
    stored = AutoModelForCausalLM.from_pretrained(checkpoint("Bamba"), dtype=dtype)
    for name, weights in stored.state_dict().items():
        held = model.model.state_dict()[name]
        assert held.dtype == weights.dtype, name
        assert torch.equal(held, weights), name
    buffers = dict(model.model.named_buffers())
    for name, wanted in stored.named_buffers():
        assert buffers[name].dtype == wanted.dtype, name


def test_jamba_decodes_token_by_token_and_refuses_several_at_once(checkpoint):
    rt = load(checkpoint("Jamba")).runtime
    batch = rt.encode([row(1, 12, 13, 14)])
    with pytest.raises(RefusedError, match="JambaForCausalLM forgets its state"):
        rt.fork(batch, [0], [batch.rows[0].continued([15, 16])])
    rt.step(batch, [15])
    whole = rt.encode([row(1, 12, 13, 14, 15)], cache=False)
    torch.testing.assert_close(batch.logits, whole.logits, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["LFM2", "Qwen3-Next"])
def test_several_tokens_may_follow_a_cache_that_holds_the_state(name, checkpoint):
    rt = load(checkpoint(name)).runtime
    prefix = rt.encode([row(1, 12, 13, 14), row(1, 20)])
    tails = ([15, 16], [21, 22])
    batch = rt.fork(
        prefix, [0, 1], [one.continued(t) for one, t in zip(prefix.rows, tails, strict=True)]
    )
    rt.step(batch, [17, 23])
    for number, tokens in enumerate([(1, 12, 13, 14, 15, 16, 17), (1, 20, 21, 22, 23)]):
        whole = rt.encode([row(*tokens)], cache=False).logits[0]
        torch.testing.assert_close(batch.logits[number], whole, atol=2e-4, rtol=0)


def test_the_check_finds_a_model_that_counts_positions_in_its_own_way():
    model = t.RobertaForCausalLM(
        t.RobertaConfig(
            vocab_size=64,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=48,
            is_decoder=True,
            initializer_range=0.3,
            pad_token_id=0,
        )
    ).eval()
    with pytest.raises(RefusedError, match=r"RobertaForCausalLM.* counts positions in its own way"):
        state_check.check_state(model, 0)


def test_the_check_finds_a_batch_that_goes_on_wrongly_after_a_row_has_left(monkeypatch):
    def forgetful(backend, cache, index):
        return take_rows(cache, torch.zeros(len(index), dtype=torch.long))

    monkeypatch.setattr(HFBackend, "take_rows", forgetful)
    with pytest.raises(RefusedError, match="goes wrong after a row has left"):
        llama()


def test_a_cache_of_an_unknown_kind_is_refused_by_name_before_weights_are_read(tmp_path):
    config = t.DeepseekV4Config()
    with pytest.raises(RefusedError, match="cache of deepseek_v4 is of a kind"):
        known_cache(config)
    config.save_pretrained(tmp_path / "v4")  # no weights beside it
    with pytest.raises(RefusedError, match="cache of deepseek_v4 is of a kind"):
        load(tmp_path / "v4")


def test_a_model_without_a_cache_argument_is_refused_by_name():
    model = t.MambaForCausalLM(t.MambaConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1))
    with pytest.raises(RefusedError, match="MambaForCausalLM takes no past_key_values"):
        HFBackend(model, 0)


def test_a_model_without_attention_heads_is_refused_by_name(tmp_path):
    t.MambaConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1).save_pretrained(tmp_path)
    with pytest.raises(RefusedError, match="mamba names no number of attention heads"):
        load(tmp_path)


SIZES = FAMILY | {"vocab_size": len(tiny_tokenizer())}
NO_SDPA = {
    "Gemma2": lambda: t.Gemma2ForCausalLM(
        t.Gemma2Config(**SIZES, **MIXED, head_dim=8, query_pre_attn_scalar=8)
    ),
    "GPT-OSS": lambda: t.GptOssForCausalLM(
        t.GptOssConfig(
            **SIZES, **MIXED, head_dim=8, num_local_experts=4, num_experts_per_tok=2,
            rope_parameters={"rope_type": "default", "rope_theta": 1e4},
        )
    ),
}  # fmt: skip


@pytest.mark.parametrize("attn", ["headbench", "sdpa"])
@pytest.mark.parametrize("name", NO_SDPA)
def test_classes_without_sdpa_load_and_say_which_attention_ran(name, attn, tmp_path):
    torch.manual_seed(0)
    folder = saved(NO_SDPA[name]().eval(), tmp_path / name)
    model = load(folder, attn=attn)
    assert model.identity["attention"] == ("headbench" if attn == "headbench" else "eager")
    asked = [request(prompt, ask={"max_new_tokens": NEW}) for prompt in PROMPTS]
    wanted = library(folder, PROMPTS)
    for answer, own in zip(answers(model, jobs(asked)), wanted, strict=True):
        assert same(answer, own)


def test_sdpa_stays_the_name_of_a_class_that_has_it():
    assert llama(attn="sdpa").identity["attention"] == "sdpa"
    assert llama(attn="headbench").identity["attention"] == "headbench"


def test_halving_lets_go_of_the_failed_pass(monkeypatch):
    model = llama()
    failed, alive = [], []

    def crowded(self, work):
        held = torch.zeros(1000)
        if len(work) > 1:
            failed.append(weakref.ref(held))
            raise torch.OutOfMemoryError("pretended")
        alive.append(sum(reference() is not None for reference in failed))
        return [Answer(text="")]

    monkeypatch.setattr(HFModel, "_answers", crowded)
    work = jobs([request(question) for question in QUESTIONS[:4]])
    found = dict(model.answer(work))
    assert alive == [0, 0, 0, 0]
    assert [found[n].batch.split(".", 1)[1] for n in range(4)] == ["0.0", "0.1", "1.0", "1.1"]


def test_one_row_that_memory_does_not_hold_is_an_error(monkeypatch):
    model = llama()

    def crowded(self, work):
        raise torch.OutOfMemoryError("pretended")

    monkeypatch.setattr(HFModel, "_answers", crowded)
    with pytest.raises(HeadbenchError, match="does not hold one row") as caught:
        list(model.answer(jobs([request("who")])))
    assert "'who'" in caught.value.where


def test_a_wrapped_hybrid_says_which_layers_have_attention():
    model = wrap(hybrid("LFM2"), tiny_tokenizer())
    assert model.info.attention == (1, 3)
    assert dataclasses.replace(model.info, attention=None).attending == (0, 1, 2, 3)


@pytest.mark.parametrize(("tried", "what"), [(0, "a short pass"), (1, "its weights in float32")])
def test_a_check_that_memory_does_not_hold_is_an_error(monkeypatch, tried, what):
    model = llama().model.to(torch.bfloat16)
    undecided = [{"left padding changes its logits": 1.0, state_check._EXTEND: 0.0}] * tried

    def crowded(*_):
        if undecided:
            return undecided.pop()
        raise torch.OutOfMemoryError("pretended")

    monkeypatch.setattr(state_check, "_attempt", crowded)
    with pytest.raises(RefusedError, match=f"memory does not hold {what}") as caught:
        state_check.check_state(model, 0)
    assert caught.value.where == "device cpu, dtype bfloat16"
    assert {one.dtype for one in model.parameters()} == {torch.bfloat16}
