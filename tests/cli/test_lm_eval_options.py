"""Options that users of lm-eval know: the same spelling and meaning, recorded under their names."""

from __future__ import annotations

import gzip
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from headbench.cli import app
from headbench.errors import ConfigError, HeadbenchError
from headbench.models import adapter_catalogue
from headbench.running.spec import make_spec
from headbench.tasks.loader import load_file
from headbench.tasks.merge import read_merged
from headbench.tasks.overrides import Overrides, overridden, parse_gen_kwargs

COLORS = """task: colors
dataset_path: jsonl
dataset_kwargs: {data_files: colors.jsonl}
doc_to_text: 'Color of {{ thing | span("question") }}?'
doc_to_target: color
fewshot_config:
  samples: [{thing: a leaf, color: green}, {thing: blood, color: red}]
  sampler: first_n
  delimiter: "\\n"
generation_kwargs: {max_gen_toks: 8, until: ["."]}
scorer: niah
metric_list: [{metric: niah.recall, main: true}]
metadata: {version: 1}
"""
ROWS = [{"id": str(n), "thing": f"thing {n}", "color": "blue"} for n in range(6)]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(adapter_catalogue.SHIPPED, "fake", ("helpers_fake_model:create", ""))  # type: ignore[misc]
    (tmp_path / "colors.yaml").write_text(COLORS)
    (tmp_path / "colors.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    return tmp_path


def ran(*words: str) -> str:
    done = CliRunner().invoke(app, ["run", "--tasks", "colors.yaml", "--model", "fake", *words])
    if isinstance(done.exception, ConfigError):
        raise done.exception
    assert done.exit_code == 0, f"{done.output} {done.exception}"
    return done.output


def result(folder: Path, out: str = "results") -> dict[str, Any]:
    (path,) = (folder / out).glob("measured/*/colors/baseline-*.json")
    return json.loads(path.read_text())


def asked(**changes: Any) -> list[dict[str, str]]:
    """The messages of the first document."""
    task = load_file(Path("colors.yaml"), changes=Overrides(**changes))
    return [dict(one) for one in task.requests(task.documents()[0], "answer", {}, 0)[0].messages]


def test_a_command_line_of_lm_eval_runs(folder: Path) -> None:
    ran(
        *("--batch_size", "2", "--limit", "0.5", "--output_path", "mine", "--log_samples"),
        *("--num_fewshot", "2", "--fewshot_as_multiturn", "--system_instruction", "Be brief."),
        *("--gen_kwargs", "max_gen_toks=3,do_sample=True,temperature=0.7"),
    )
    found = result(folder, "mine")
    said = found["run"]["spec"]
    assert {key: said[key] for key in ("limit", "num_fewshot", "fewshot_as_multiturn")} == {
        "limit": 0.5,
        "num_fewshot": 2,
        "fewshot_as_multiturn": True,
    }
    assert said["system_instruction"] == "Be brief." and said["batch_size"] == 2
    assert said["gen_kwargs"] == {
        "max_gen_toks": "3",
        "do_sample": "True",
        "temperature": "0.7",
    }
    assert found["coverage"] == {"expected": 3, "answered": 3} | {
        key: value
        for key, value in found["coverage"].items()
        if key not in ("expected", "answered")
    }
    (records,) = (folder / "mine").glob("measured/*/colors/baseline-*.records.jsonl.gz")
    rows = [json.loads(line) for line in gzip.decompress(records.read_bytes()).splitlines()]
    assert len(rows) == 3 and all(row["outputs"] for row in rows)  # --log_samples


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        (("--num_fewshot", "1"), {"num_fewshot": 1}),
        (("--system_instruction", "Be brief."), {"system_instruction": "Be brief."}),
        (("--gen_kwargs", "max_gen_toks=3"), {"gen_kwargs": {"max_gen_toks": "3"}}),
    ],
)
def test_what_changes_a_number_changes_the_identity(
    folder: Path, words: tuple[str, ...], changes: dict[str, Any]
) -> None:
    ran()
    plain = result(folder)
    ran(*words, "--out", "other")
    other = result(folder, "other")
    assert plain["id"] != other["id"]
    assert plain["task"]["prompt_hash"] != other["task"]["prompt_hash"]
    (name,) = changes
    assert other["run"]["spec"][name] == changes[name] and name not in plain["run"]["spec"]


def test_batch_size_and_samples_change_nothing(folder: Path) -> None:
    ran()
    ran("--batch_size", "2", "--log_samples", "--out", "other")
    assert result(folder)["id"] == result(folder, "other")["id"]


def test_a_share_is_of_the_documents_and_rounded_up(folder: Path) -> None:
    ran("--limit", "0.4")
    assert result(folder)["coverage"]["answered"] == 3
    for text in ("0", "-1", "1.5", "nan", "half", "inf"):
        with pytest.raises(ConfigError, match=f"'{text}' is no limit"):
            ran("--limit", text)
    ran("--limit", "4.0", "--out", "four")
    assert result(folder, "four")["coverage"]["answered"] == 4


def test_examples_come_before_or_as_turns_and_the_system_turn_first() -> None:
    question = {"role": "user", "content": "Color of thing 0?"}
    assert asked() == [question]
    before = "Color of a leaf? green\nColor of blood? red\nColor of thing 0?"
    assert asked(num_fewshot=2) == [{"role": "user", "content": before}]
    text = 'Say {{ x }} {% raw %} "ü"\n'
    assert asked(num_fewshot=1, fewshot_as_multiturn=True, system_instruction=text) == [
        {"role": "system", "content": text},
        {"role": "user", "content": "Color of a leaf?"},
        {"role": "assistant", "content": "green"},
        question,
    ]


def test_a_task_file_may_show_examples_as_turns_itself(folder: Path) -> None:
    text = COLORS.replace("  sampler", "  placement: turns\n  sampler") + "num_fewshot: 1\n"
    (folder / "colors.yaml").write_text(text)
    assert [one["role"] for one in asked()] == ["user", "assistant", "user"]


def test_a_judge_is_asked_as_the_task_says(folder: Path) -> None:
    (folder / "judged.yaml").write_text(
        "include: colors.yaml\ntask: judged\nsteps:\n  - name: answer\n  - name: verdict\n"
        "    role: judge\n    doc_to_text: Right?\n    generation_kwargs: {max_gen_toks: 2}\n"
    )
    changes = Overrides(system_instruction="x", gen_kwargs={"max_gen_toks": "3"})
    first, second = overridden(read_merged(folder / "judged.yaml"), changes).data["steps"]  # type: ignore[misc]
    assert first["system"] == '{{ "x" }}'
    assert first["generation_kwargs"] == {"max_gen_toks": 3, "until": ["."]}
    assert "system" not in second and second["generation_kwargs"] == {"max_gen_toks": 2}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--gen_kwargs", "temp=1"), "no generation setting 'temp'"),
        (("--system_instruction", ""), "an empty system turn says nothing"),
        (("--gen_kwargs", "temperature"), "'temperature' is not name=value"),
        (("--gen_kwargs", "temperature=hot"), "temperature: Input should be a valid number"),
        (("--fewshot_as_multiturn",), "no task of the run shows solved examples: colors"),
        (("--num_fewshot", "3"), "3 examples are asked for, 2 exist"),
        (("--device", "cpu", "--model_args", "device=cuda"), "device is given in two ways"),
        (
            ("--apply_chat_template", "--model-args", "chat_template=off"),
            "chat_template is given in two ways",
        ),
    ],
)
def test_what_cannot_be_taken_is_refused(words: tuple[str, ...], told: str) -> None:
    done = CliRunner().invoke(app, ["run", "--tasks", "colors.yaml", "--model", "fake", *words])
    assert told in str(done.exception)


def test_the_arguments_of_the_adapter_have_options_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from headbench.running import run_plan

    seen: list[Any] = []

    def kept(spec: Any) -> None:
        seen.append(spec)
        raise ConfigError("stop here")

    monkeypatch.setattr(run_plan, "make_plan", kept)
    for words in (
        ("--model", "hf", "--model_args", "pretrained=x", "--device", "cuda:1"),
        ("--model", "hf", "--apply_chat_template", "--model_args", "pretrained=x"),
        ("--model", "subject=hf,judge=fake", "--device", "cpu"),
    ):
        CliRunner().invoke(app, ["run", "--tasks", "colors.yaml", *words])
    assert [one.model_args for one in seen] == [
        {"pretrained": "x", "device": "cuda:1"},
        {"pretrained": "x", "chat_template": "on"},
        {"device": "cpu"},
    ]


def test_the_command_that_a_run_prints_gives_it_again(folder: Path) -> None:
    words = ("--num_fewshot", "1", "--gen_kwargs", "max_gen_toks=3,until=x,y", "--limit", "0.5")
    ran(*words, "--system_instruction", "a 'b'", "--fewshot_as_multiturn")
    spec = make_spec(**result(folder)["run"]["spec"])
    again = shlex.split(spec.command())
    (folder / "results").rename(folder / "first")
    done = CliRunner().invoke(app, again[1:])
    assert done.exit_code == 0, f"{done.output} {done.exception}"
    assert result(folder)["id"] == result(folder, "first")["id"]


def test_specs_without_these_options_keep_their_digest() -> None:
    assert set(make_spec(tasks=["niah"]).document()) & set(Overrides.__annotations__) == set()
    assert parse_gen_kwargs("until=a,b,temperature=1") == {"until": "a,b", "temperature": "1"}


def test_no_examples_are_a_number_of_them_that_a_result_keeps(folder: Path) -> None:
    text = COLORS.replace("scorer:", "num_fewshot: 1\nscorer:")
    (folder / "colors.yaml").write_text(text)
    ran("--num_fewshot", "0", "--limit", "1")
    (first,) = (folder / "results").glob("measured/*/colors/baseline-*.json")
    assert result(folder)["run"]["spec"]["num_fewshot"] == 0
    again = CliRunner().invoke(app, ["run", "--from", str(first), "--out", "again"])
    assert again.exit_code == 0, f"{again.output} {again.exception}"
    assert result(folder, "again")["id"] == result(folder)["id"]


@pytest.mark.parametrize(
    "words",
    [
        ("heads", "detect", "--detector", "nothing", "--model_args", "pretrained=x"),
        ("rescore", "--task", "chair", "--predictions", "x", "--ground_truth", "y"),
        ("show", "task", "nothing", "--task_args", "a=b"),
        ("guard", "--without_data", "--at_least", "1"),
    ],
)
def test_every_verb_takes_underscores(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, list(words))
    assert "No such option" not in done.output
    assert isinstance(done.exception, HeadbenchError), done.output
