"""Several adapters in one run: a judge and an encoder beside the subject."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_model
from typer.testing import CliRunner

import headbench
from headbench.cli import app, main
from headbench.errors import ConfigError, DataError, HeadbenchError, RefusedError
from headbench.results.cell import Cell
from headbench.results.collection import _state
from headbench.results.comparison import differences
from headbench.results.files import read_entries, read_result
from headbench.results.schema import Result
from headbench.running.model_roles import assign_args, parse_model_args, read_roles
from headbench.running.run_plan import make_plan
from headbench.running.spec import make_spec, spec_from_result
from headbench.tasks.loader import load_file

JUDGED = """
task: judged
dataset_path: world
dataset_kwargs: {name: scenes-pope, n: 6}
doc_to_target: target
scorer: pope
parser: pope_robust
metric_list: [{metric: pope.accuracy, main: true}]
needs_images: true
generation_kwargs: {max_gen_toks: 4, until: ["."]}
steps:
  - name: answer
    doc_to_image: picture
    doc_to_text: '<image>
      {{ question | span("question") }}'
  - name: verdict
    role: judge
    doc_to_text: 'Is it right? {{ earlier.answer[0] }}'
metadata: {version: 1}
"""
ENCODED = """
task: encoded
dataset_path: world
dataset_kwargs: {name: needles, repeats: 1, lengths: [64]}
doc_to_target: target
scorer: niah
metric_list: [{metric: niah.recall, main: true}]
generation_kwargs: {max_gen_toks: 3}
steps:
  - name: answer
    doc_to_text: '{{ question }}'
  - name: vector
    role: encoder
    doc_to_text: 'the answer was {{ earlier.answer[0] }}'
    output_type: represent
    captures: [{site: residual, layers: [-1]}]
metadata: {version: 1}
"""
ASSESSOR = '''
from pathlib import Path

from headbench.models.adapter_catalogue import Adapter
from headbench.models.base_model import BaseModel


class Assessor(BaseModel):
    """Says yes to long answers, and counts what it is asked."""

    def __init__(self, args):
        super().__init__("assessor", least=args.get("least", "3"))
        self.least, self.log = int(args.get("least", "3")), args.get("log")

    def generate(self, request):
        if self.log:
            with Path(self.log).open("a") as stream:
                stream.write(request.messages[-1]["content"] + "\\n")
        return "yes" if len(request.messages[-1]["content"]) > self.least else "no"


ADAPTER = Adapter("assessor", Assessor, "an adapter for tests")
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = tmp_path / "mine"
    home.mkdir()
    (home / "judged.yaml").write_text(JUDGED)
    (home / "encoded.yaml").write_text(ENCODED)
    (home / "assessor.py").write_text(ASSESSOR)
    return home


def run(folder: Path, out: Path, model: str, *options: str, task: str = "judged") -> list[Result]:
    """Run through the command line; the results by condition."""
    words = ["run", "--tasks", task, "--model", model, "--include", str(folder)]
    words += ["--out", str(out), "--limit", "3", "--controls", "0", "--draws", "50", *options]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found = [read_result(path) for path in sorted(out.rglob(f"{task}/*.json"))]
    return sorted(found, key=lambda one: one.arm.role)


def test_both_shipped_models_answer_in_their_roles(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    toggle = ("--intervention", "scale_heads(heads=[[1,1]],alpha=0)")
    base, toggled = run(folder, out, "subject=ref-vlm,judge=ref-lm-v2", *toggle)
    assert base.model.name == "ref-vlm-v2"
    assert base.roles["judge"].name == "ref-lm-v2" and base.roles["judge"].adapter == "ref-lm-v2"
    assert base.roles["judge"].identity["weights"] != base.model.identity["weights"]
    assert toggled.diagnostics is not None and toggled.diagnostics.changed > 0
    (path,) = out.rglob("judged/baseline-*.json")
    for entry in read_entries(path, base):
        assert len(entry.record.outputs) == 2, "the subject's answer, then the judge's"
    assert base.run.spec["roles"] == {"judge": {"model": "ref-lm-v2", "args": {}}}
    assert spec_from_result(path).digest == base.run.digest


def test_a_users_judge_is_asked_once_and_the_subject_alone_is_edited(
    folder: Path, tmp_path: Path
) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    judge = ("--model-args", f"judge.log={log}", "--intervention", "mask_heads(heads=[[1,1]])")
    run(folder, out, "subject=ref-vlm,judge=assessor", *judge)
    asked = log.read_text().splitlines()
    assert asked and len(set(asked)) == len(asked), "equal prompts of two conditions are one"
    assert all(line.startswith("Is it right?") for line in asked)
    before = {path: path.read_bytes() for path in out.rglob("judged/*.json")}
    run(folder, out, "subject=ref-vlm,judge=assessor", *judge)
    assert log.read_text().splitlines() == asked, "a repeated run asks nobody"
    assert {path: path.read_bytes() for path in out.rglob("judged/*.json")} == before


def test_another_judge_gives_other_results_from_the_subjects_stored_answers(
    folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (one,) = run(folder, out, "subject=ref-vlm,judge=assessor")
    (_, other) = sorted(
        run(folder, out, "subject=ref-vlm,judge=assessor", "--model-args", "judge.least=1000"),
        key=lambda found: found.id != one.id,
    )
    assert one.id != other.id and one.model == other.model
    assert one.roles["judge"].identity != other.roles["judge"].identity
    assert "code" in one.roles["judge"].identity
    assert {(code.kind, code.name) for code in one.run.code} == {("model", "assessor")}
    told = {name: (left, right) for name, left, right in differences(one, other)}
    assert told["roles.judge.identity.least"] == ("3", "1000")


def test_two_states_of_a_judge_are_two_runs_and_a_difference(folder: Path, tmp_path: Path) -> None:
    """Nothing but the judge's weights may differ: the spec names the same checkpoint."""
    (one,) = run(folder, tmp_path / "out", "subject=ref-vlm,judge=assessor")
    judge = one.roles["judge"]
    trained = judge.model_copy(update={"identity": {**judge.identity, "weights": "others"}})
    other = one.model_copy(update={"roles": {"judge": trained}})
    assert differences(one, other) == (("roles.judge.identity.weights", "absent", "others"),)
    assert _state(Cell(one, ())) == _state(Cell(one.model_copy(), ()))
    assert _state(Cell(one, ())) != _state(Cell(other, ()))


def test_a_recorded_judge_says_how_it_was_joined_and_answers_its_own_prompts_alone(
    folder: Path, tmp_path: Path
) -> None:
    run(folder, tmp_path / "made", "subject=ref-vlm,judge=assessor")
    (path,) = (tmp_path / "made").rglob("judged/*.json")
    stored = tmp_path / "verdicts.jsonl"
    rows = [
        {
            "id": entry.record.document,
            "question": f"Is it right? {entry.record.outputs[0]}",
            "output": "yes",
        }
        for entry in read_entries(path, read_result(path))
    ]
    stored.write_text("".join(json.dumps(row) + "\n" for row in rows))
    model, args = "subject=ref-vlm,judge=recorded", ("--model-args", f"judge.path={stored}")
    (found,) = run(folder, tmp_path / "out", model, *args)
    assert found.source == {
        "judge.joined by": "id and question",
        "judge.predictions.fields": "response from output, id from id, question from question",
    }
    assert found.headline == "accuracy"
    silent = ("--intervention", "scale_heads(heads=[[0,0],[0,1],[0,2],[0,3],[1,0],[1,1]],alpha=0)")
    with pytest.raises(DataError, match=r"the recorded judge of document .* was asked"):
        run(folder, tmp_path / "out", model, *args, *silent)


def test_what_a_judge_left_unfinished_is_not_the_subjects(folder: Path, tmp_path: Path) -> None:
    (plain,) = run(folder, tmp_path / "plain", "subject=ref-vlm,judge=assessor")
    text = (folder / "assessor.py").read_text()
    text = text.replace('return "yes" if', 'return Answer(truncated=True, text="yes") if')
    (folder / "assessor.py").write_text(f"from headbench.nouns import Answer\n{text}")
    (cut,) = run(folder, tmp_path / "cut", "subject=ref-vlm,judge=assessor")
    assert plain.diagnostics is not None and cut.diagnostics is not None
    assert cut.diagnostics.truncated_share == plain.diagnostics.truncated_share == 0
    (path,) = (tmp_path / "cut").rglob("judged/*.json")
    assert all("truncated" not in entry.facts for entry in read_entries(path, cut))


def test_thoughts_of_a_judge_are_cut_and_not_counted(folder: Path, tmp_path: Path) -> None:
    (plain,) = run(folder, tmp_path / "plain", "subject=ref-vlm,judge=assessor")
    text = (folder / "assessor.py").read_text()
    said = 'return "<think>no</think>yes" if'
    (folder / "assessor.py").write_text(text.replace('return "yes" if', said))
    (thinks,) = run(folder, tmp_path / "thinks", "subject=ref-vlm,judge=assessor")
    assert thinks.metrics == plain.metrics
    assert thinks.reasoning == plain.reasoning
    assert (plain.reasoning.closed, plain.reasoning.unclosed) == (0.0, 0.0)
    task = load_file(folder / "judged.yaml")
    (document,) = task.documents(limit=1)
    thought, none = "<think>a</think>yes", "yes"
    for outputs, closed in (((thought, none), 1), ((none, thought), 0), ((thought, thought), 1)):
        assert task.record(document, outputs).parts.get("closed_thoughts", 0) == closed


def test_a_role_of_the_same_model_shares_it_at_any_batch_size(folder: Path) -> None:
    same = {"model": "ref-vlm", "roles": {"judge": {"model": "ref-vlm"}}, "batch_size": 2}
    loaded = make_plan(make_spec(tasks=("judged",), include=(str(folder),), limit=1, **same))
    assert loaded.respondents["judge"].model is loaded.respondents["subject"].model
    assert loaded.spec.roles["judge"].args == {}


def test_an_encoder_answers_its_step(folder: Path, tmp_path: Path) -> None:
    encoder = write_encoder(tmp_path / "encoder")
    model = "subject=ref-lm,encoder=encoder"
    args = ("--model-args", f"encoder.pretrained={encoder}")
    (found,) = run(folder, tmp_path / "out", model, *args, task="encoded")
    assert found.roles["encoder"].adapter == "encoder"
    (path,) = (tmp_path / "out").rglob("encoded/*.json")
    vectors = [entry.record.outputs[1] for entry in read_entries(path, found)]
    assert all(vector.startswith("float32[1, 1, 16] ") for vector in vectors)


def write_encoder(folder: Path) -> Path:
    """A tiny BERT with the tokenizer of the shipped language model."""
    from transformers import AutoTokenizer, BertConfig, BertModel

    from headbench.reference.shipped import checkpoint

    tokenizer = AutoTokenizer.from_pretrained(checkpoint("ref-lm"))
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = BertConfig(vocab_size=len(tokenizer), intermediate_size=16, **sizes)
    config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    model = BertModel(config, add_pooling_layer=False)
    save_model(model, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_python_takes_roles_as_mappings(folder: Path, tmp_path: Path) -> None:
    found = headbench.run(
        "judged",
        model={"subject": "ref-vlm", "judge": "assessor"},
        model_args={"judge": {"least": 7}},
        include=(str(folder),),
        out=tmp_path / "out",
        limit=1,
        draws=50,
    )
    command = found.spec.command()
    assert "--model subject=ref-vlm,judge=assessor --model-args judge.least=7" in command
    assert found.results[0].roles["judge"].identity["least"] == "7"


# ------------------------------------------------------------------ refusals


def plan(folder: Path, **values: Any) -> None:
    make_plan(make_spec(tasks=("judged",), include=(str(folder),), limit=1, **values))


JUDGE = {"judge": {"model": "assessor"}}


def test_a_role_without_a_model_is_refused_before_anything_loads(folder: Path) -> None:
    with pytest.raises(RefusedError, match="is for the role 'judge', which this run has no model"):
        plan(folder, model="hf")  # which would fail for want of a checkpoint
    with pytest.raises(RefusedError, match="no step of these tasks is for the role 'encoder'"):
        plan(folder, roles={**JUDGE, "encoder": {"model": "encoder"}})


def test_a_judge_that_cannot_answer_is_refused(folder: Path) -> None:
    text = (folder / "assessor.py").read_text().replace("def generate", "def score")
    (folder / "assessor.py").write_text(text)
    with pytest.raises(RefusedError, match="asks 'generate', which this model does not answer"):
        plan(folder, roles=JUDGE)


def test_stored_verdicts_that_do_not_say_what_was_judged_are_refused(
    folder: Path, tmp_path: Path
) -> None:
    stored = tmp_path / "verdicts.jsonl"
    stored.write_text('{"id": "x", "output": "yes"}\n')
    with pytest.raises(RefusedError, match="joined by id alone cannot answer for the judge"):
        plan(folder, roles={"judge": {"model": "recorded", "args": {"path": str(stored)}}})


def test_a_task_without_a_step_for_the_subject_is_refused(folder: Path) -> None:
    path = folder / "judged.yaml"
    path.write_text(path.read_text().replace("- name: answer", "- name: answer\n    role: judge"))
    with pytest.raises(RefusedError, match="task 'judged' asks the subject nothing"):
        plan(folder, roles=JUDGE)


@pytest.mark.parametrize(
    ("model", "args", "told"),
    [
        ("subject=hf,jugde=hf", "", "there is no role 'jugde'"),
        ("judge=hf,judge=ref-lm", "", "the role 'judge' is given twice"),
        ("subject=,judge=hf", "", "the role 'subject' has no adapter"),
        ("subject=hf,judge=hf", "pretrained=x", "could be an argument of several models"),
        ("judge=hf", "pretrained=x", "could be an argument of several models"),
        ("hf", "judge.pretrained=x", "no model for the role 'judge'"),
        ("hf", "judg.pretrained=x", "is not name=value|there is no role 'judg'"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(model: str, args: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        assign_args(read_roles(model), parse_model_args(args))


def test_arguments_go_to_their_roles() -> None:
    roles = read_roles("subject=hf, judge=recorded")
    found = assign_args(roles, parse_model_args("subject.pretrained=a,b,judge.path=d,e"))
    assert found.args == {"subject": {"pretrained": "a,b"}, "judge": {"path": "d,e"}}
    plain = assign_args(read_roles("hf"), parse_model_args("pretrained=a,dtype=float32"))
    assert plain.fields() == {
        "model": "hf",
        "model_args": {"pretrained": "a", "dtype": "float32"},
        "roles": {},
    }


def test_template_arguments_need_a_role(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["headbench", "run", "--tasks", "judged", "--include", str(folder), "--model"]
    words += ["subject=ref-vlm,judge=ref-lm", "--template-arg", "x=1"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "could be those of several models" in capsys.readouterr().err


def test_a_spec_without_other_roles_is_written_as_before() -> None:
    spec = make_spec(tasks=("niah",), model="ref-lm")
    assert "roles" not in spec.document()
    with pytest.raises(HeadbenchError, match=r"roles\.reader"):
        make_spec(tasks=("niah",), roles={"reader": {"model": "hf"}})
