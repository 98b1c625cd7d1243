"""Documents a CPU-second of ``generate`` at batch 16, headbench over lm-eval 0.4.13: 1.3 x.

    python benchmarks/lm_eval.py --lm-eval PATH/TO/python [--documents 180] [--rounds 15]

``--lm-eval`` is the interpreter of an environment that holds lm-eval and the same torch and
transformers. Both read one file of prompts (the packaged needle task, rendered), answer with the
shipped language model in fp32 on one thread, greedily, and score. Each works in a process of its
own that imports first; a round is one whole evaluation, loading the weights included. The outputs
must be equal, else nothing is printed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from measuring import ROUNDS, alternate, median, one_thread

from headbench.reference.shipped import checkpoint
from headbench.tasks.loader import load

BATCH, NEW_TOKENS, GOAL = 16, 5, 1.3

OURS = """
import json, sys, tempfile, time
from pathlib import Path
import torch, transformers, headbench
from headbench.results.files import read_entries, read_result
torch.set_num_threads(1)
folder, model, batch = sys.argv[1:4]
for _ in sys.stdin:
    with tempfile.TemporaryDirectory() as out:
        start = time.process_time()
        done = headbench.run(f"{folder}/ours.yaml", model="hf", out=out, batch_size=int(batch),
                             model_args={"pretrained": model, "dtype": "float32"})
        seconds = time.process_time() - start
        path = done.files[0]
        outputs = {e.record.document: e.record.outputs[0]
                   for e in read_entries(path, read_result(path))}
    print(json.dumps([seconds, outputs]), flush=True)
"""

THEIRS = """
import json, sys, time
import torch, transformers, lm_eval
from lm_eval.tasks import TaskManager
torch.set_num_threads(1)
folder, model, batch = sys.argv[1:4]
manager = TaskManager(include_path=folder, include_defaults=False)
for _ in sys.stdin:
    start = time.process_time()
    done = lm_eval.simple_evaluate(
        model="hf", tasks=["theirs"], task_manager=manager, batch_size=int(batch), device="cpu",
        model_args=f"pretrained={model},dtype=float32,add_bos_token=True", bootstrap_iters=0)
    seconds = time.process_time() - start
    outputs = {s["doc"]["id"]: s["filtered_resps"][0] for s in done["samples"]["theirs"]}
    print(json.dumps([seconds, outputs]), flush=True)
"""

OURS_TASK = f"""
task: ours
dataset_path: jsonl
dataset_kwargs: {{data_files: prompts.jsonl}}
doc_to_text: "{{{{ prompt }}}}"
generation_kwargs: {{max_gen_toks: {NEW_TOKENS}, until: ["."]}}
scorer: niah
metric_list: [{{metric: niah.recall, main: true}}]
metadata: {{version: 1}}
"""

THEIRS_TASK = f"""
task: theirs
dataset_path: json
dataset_kwargs: {{data_files: {{test: FOLDER/prompts.jsonl}}}}
test_split: test
doc_to_text: "{{{{ prompt }}}}"
doc_to_target: "{{{{ target }}}}"
output_type: generate_until
generation_kwargs: {{max_gen_toks: {NEW_TOKENS}, until: ["."], do_sample: false}}
metric_list: [{{metric: exact_match}}]
metadata: {{version: 1}}
"""


def write_documents(folder: Path, count: int) -> None:
    """The same prompts for both, and a task file for each."""
    task = load("niah_long") if count > 90 else load("niah")
    lines = []
    for document in task.documents(0, count):
        request = task.requests(document, "answer", {}, 0)[0]
        row = {"id": document.id, "cluster": document.cluster, "target": document.target}
        lines.append(json.dumps({**row, "prompt": request.messages[0]["content"]}))
    (folder / "prompts.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "ours.yaml").write_text(OURS_TASK)
    (folder / "theirs.yaml").write_text(THEIRS_TASK.replace("FOLDER", str(folder)))


class Worker:
    """A process that evaluates once for each line it is given."""

    def __init__(self, python: str, code: str, folder: Path) -> None:
        self.outputs: dict[str, str] = {}
        self.process = subprocess.Popen(
            [python, "-c", code, str(folder), str(checkpoint("ref-lm")), str(BATCH)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=one_thread(),
        )

    def seconds(self) -> float:
        """CPU seconds of one evaluation."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("["):
                seconds, self.outputs = json.loads(line)
                return float(seconds)
        raise SystemExit("a worker ended early: run its code by hand to see why")


def main() -> None:
    """Alternate, check that the outputs are equal, and print both speeds and their ratio."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lm-eval", required=True, help="interpreter that has lm-eval")
    options.add_argument("--documents", type=int, default=90)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_documents(folder, chosen.documents)
        workers = {
            "headbench": Worker(sys.executable, OURS, folder),
            "lm-eval": Worker(chosen.lm_eval, THEIRS, folder),
        }
        for worker in workers.values():
            worker.seconds()
        found = alternate({k: partial(w.seconds) for k, w in workers.items()}, chosen.rounds)
        ours, theirs = (
            {key: text.strip().rstrip(".") for key, text in worker.outputs.items()}
            for worker in workers.values()
        )
        for worker in workers.values():
            worker.process.terminate()
    differing = [key for key in ours if ours[key] != theirs.get(key)]
    if differing or len(ours) != len(theirs):
        raise SystemExit(f"{len(differing)} of {len(ours)} outputs differ, e.g. {differing[:3]}")
    for tool, seconds in found.items():
        speed = median([len(ours) / value for value in seconds])
        print(f"{tool:<12} {speed} documents a CPU-second")
    pairs = zip(found["headbench"], found["lm-eval"], strict=True)
    ratio = median([their / our for our, their in pairs])
    print(f"{'ratio':<12} {ratio}  goal {GOAL}  {'ok' if ratio.value >= GOAL else 'BELOW'}")


if __name__ == "__main__":
    main()
