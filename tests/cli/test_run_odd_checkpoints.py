"""``headbench run`` on checkpoints whose template, shapes or device are not what a run expects."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import torch
import transformers as t
from typer.testing import CliRunner

from headbench.cli import app
from headbench.errors import HeadbenchError
from helpers_families import BASE
from helpers_tiny import tiny_tokenizer

TURNS = (
    "{% for m in messages %}{{ m['content'] }} {% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT :{% endif %}"
)
NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
)
TASK = """
task: own
dataset_path: jsonl
dataset_kwargs: {data_files: rows.jsonl}
system: answer the question
doc_to_text: "{{ question }}"
generation_kwargs: {max_gen_toks: 6}
scorer: niah
metric_list:
  - {metric: niah.recall, main: true}
metadata: {version: 1}
"""
QUESTION = "what is the secret word ?"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random model; its folder gets a tokenizer with the template of each test."""
    root = tmp_path_factory.mktemp("odd")
    torch.manual_seed(0)
    config = t.LlamaConfig(**{**BASE, "vocab_size": len(tiny_tokenizer())})
    t.LlamaForCausalLM(config).eval().save_pretrained(root)
    (root / "rows.jsonl").write_text(json.dumps({"id": "d", "question": QUESTION, "target": "w"}))
    (root / "own.yaml").write_text(TASK)
    (root / "plain.yaml").write_text(TASK.replace("system: answer the question\n", ""))
    return root


def run(folder: Path, task: str, out: Path, *more: str, args: str = "") -> tuple[int, str]:
    """Exit status, and the error as the command line prints it; anything else is a failure."""
    words = ["run", "--tasks", str(folder / task), "--model", "hf", "--out", str(out)]
    words += ["--model-args", f"pretrained={folder}{args}", *more]
    done = CliRunner().invoke(app, words)
    error = done.exception
    if isinstance(error, HeadbenchError):
        return 2, str(error)
    assert error is None or isinstance(error, SystemExit), repr(error)
    return done.exit_code, done.output


def with_template(folder: Path, template: str) -> t.PreTrainedTokenizerFast:
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    return tokenizer


@pytest.mark.parametrize(
    ("template", "told"),
    [
        (NO_SYSTEM + TURNS, "System role not supported"),
        ("{{ raise_exception('roles must alternate') }}" + TURNS, "roles must alternate"),
        ("{{ messages[7]['content'] }}" + TURNS, "refuses the messages"),
        ("{{ 1 // 0 }}" + TURNS, "refuses the messages"),
        ("{% for m in messages %}", "template"),
    ],
)
def test_a_template_that_raises_is_an_error_of_ours(
    weights: Path, tmp_path: Path, template: str, told: str
) -> None:
    with_template(weights, template)
    code, said = run(weights, "own.yaml", tmp_path)
    assert code == 2
    assert told in said


def test_a_template_without_a_system_role_runs_a_task_that_has_none(
    weights: Path, tmp_path: Path
) -> None:
    with_template(weights, NO_SYSTEM + TURNS)
    assert run(weights, "plain.yaml", tmp_path)[0] == 0
    assert run(weights, "own.yaml", tmp_path, args=",chat_template=off")[0] == 0


@pytest.mark.parametrize("blanks", ["", "\n", " \n\n "])
def test_a_template_that_writes_its_own_bos_gives_one(
    weights: Path, tmp_path: Path, blanks: str
) -> None:
    tokenizer = with_template(weights, f"{blanks}{{{{ bos_token }}}}{TURNS}")
    assert run(weights, "plain.yaml", tmp_path)[0] == 0
    (path,) = tmp_path.rglob("*.records.jsonl.gz")
    told = json.loads(gzip.decompress(path.read_bytes()))["outputs"][0]
    library = t.AutoModelForCausalLM.from_pretrained(weights).eval()
    turns = [{"role": "user", "content": QUESTION}]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    once = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert once.count(tokenizer.bos_token_id) == 1

    def generated(ids: list[int]) -> str:
        with torch.no_grad():
            out = library.generate(
                torch.tensor([ids]), max_new_tokens=6, do_sample=False, pad_token_id=0
            )
        return str(tokenizer.decode(out[0, len(ids) :], skip_special_tokens=True))

    assert told.strip() == generated(once).strip()
    assert generated([tokenizer.bos_token_id, *once]) != generated(once)  # it would show


@pytest.mark.parametrize(
    "config",
    [
        t.GPT2Config(n_embd=64, n_layer=2, n_head=8, vocab_size=60),
        t.OPTConfig(hidden_size=64, num_hidden_layers=2, num_attention_heads=8, vocab_size=60),
        t.BloomConfig(hidden_size=64, n_layer=2, n_head=8, vocab_size=60),
    ],
    ids=lambda one: one.model_type,
)
def test_heads_that_do_not_divide_the_width_are_refused(
    config: t.PreTrainedConfig, tmp_path: Path
) -> None:
    folder = tmp_path / "seven"
    tiny_tokenizer().save_pretrained(folder)
    config.save_pretrained(folder)
    written = json.loads((folder / "config.json").read_text())
    written["n_head" if "n_head" in written else "num_attention_heads"] = 7
    (folder / "config.json").write_text(json.dumps(written))
    (folder / "model.safetensors").write_bytes(b"no weights")
    (folder / "plain.yaml").write_text(TASK.replace("system: answer the question\n", ""))
    (folder / "rows.jsonl").write_text(json.dumps({"id": "d", "question": "q", "target": "w"}))
    code, said = run(folder, "plain.yaml", tmp_path / "out")
    assert code == 2
    assert "7" in said
    assert "64" in said


@pytest.mark.parametrize(
    ("device", "told"),
    [("meta", "holds no values"), ("mps:9x", "no device is called"), ("xla", "does not run on")],
)
def test_a_device_that_computes_nothing_is_refused(
    weights: Path, tmp_path: Path, device: str, told: str
) -> None:
    with_template(weights, TURNS)
    code, said = run(weights, "plain.yaml", tmp_path, args=f",device={device}")
    assert code == 2
    assert told in said
