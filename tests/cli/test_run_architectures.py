"""``headbench run`` on ten classes of model: the tokens of the library, and an edit that counts."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM
from typer.testing import CliRunner

from headbench.cli import app
from sweep.checkpoint import prompts, save, tokenizer
from sweep.checks import words_only

CLASSES = {
    "llama": (0, 1, 2, 3),
    "gpt2": (0, 1, 2, 3),
    "mistral": (0, 1, 2, 3),
    "gemma2": (0, 1, 2, 3),
    "gpt_oss": (0, 1, 2, 3),
    "deepseek_v3": (0, 1, 2, 3),
    "falcon_h1": (0, 1, 2, 3),
    "lfm2": (1, 3),
    "jamba": (1, 3),
    "qwen3_next": (1, 3),
}
TASK = """
task: go_on
dataset_path: jsonl
dataset_kwargs: {data_files: go_on.jsonl}
doc_to_text: "{{ question }}"
generation_kwargs: {max_gen_toks: 5}
scorer: niah
metric_list:
  - {metric: niah.recall, main: true}
metadata: {version: 1}
"""
TEXTS = prompts(4)


def outputs(folder: Path, condition: str) -> dict[str, str]:
    """Document -> what was said, from the records that the run wrote."""
    (path,) = folder.rglob(f"{condition}*.records.jsonl.gz")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return {row["document"]: row["outputs"][0] for row in rows}


@pytest.mark.parametrize("model_type", CLASSES)
def test_a_run_says_what_the_library_says(model_type: str, tmp_path: Path) -> None:
    save(model_type, tmp_path / "model")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "go_on.yaml").write_text(TASK)
    rows = [{"id": f"d{n}", "question": text, "target": "w1"} for n, text in enumerate(TEXTS)]
    (mine / "go_on.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    heads = ",".join(f"[{layer},{head}]" for layer in CLASSES[model_type] for head in (0, 1, 2))
    words = [
        "run", "--tasks", "go_on", "--include", str(mine), "--model", "hf",
        "--model-args", f"pretrained={tmp_path / 'model'}", "--controls", "0",
        "--intervention", f"mask_heads(heads=[{heads}])",
        "--out", str(tmp_path / "out"),
    ]  # fmt: skip
    with words_only():
        ran = CliRunner().invoke(app, words)
        assert ran.exit_code == 0, ran.exception
        missing = next(iter({0, 1, 2, 3} - {*CLASSES[model_type]}), None)
        if missing is not None:
            other = [*words[:-3], f"mask_heads(heads=[[{missing},0]])", *words[-2:]]
            refused = CliRunner().invoke(app, other)
            assert f"layer {missing} of model has no attention heads" in str(refused.exception)
    library = AutoModelForCausalLM.from_pretrained(tmp_path / "model").eval()
    told = outputs(tmp_path / "out", "baseline")
    for number, text in enumerate(TEXTS):
        ids = torch.tensor([tokenizer()(text)["input_ids"]])
        with torch.no_grad():
            said = library.generate(
                ids, max_new_tokens=5, do_sample=False, pad_token_id=0, eos_token_id=2
            )[0, ids.shape[1] :]
        assert told[f"d{number}"] == tokenizer().decode(said, skip_special_tokens=True)
    assert outputs(tmp_path / "out", "mask_heads") != told
