"""Names as sources print them, and the one name that all pages use. Only what is certain.

Two spellings are one model where they differ in case, in an owner's prefix or in the order of
size, version and variant. ``InstructBLIP`` and ``InstructBLIP-7B`` stay two: nobody says that the
first is the second.
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml

_TABLES = yaml.safe_load((Path(__file__).parent / "names.yaml").read_text(encoding="utf-8"))
SLUGS: dict[str, str] = _TABLES["papers"]
"""Paper as collected -> file name."""
MODELS: dict[str, str] = _TABLES["models"]
"""Printed -> canonical, beside the owners' prefixes that :func:`model` drops."""
METRICS: dict[str, list[str]] = _TABLES["metrics"]
"""Printed -> canonical name, unit (``auto``: read off the paper's largest figure), direction."""
_OWNERS = frozenset(
    ["google", "meta-llama", "Qwen", "mistralai", "microsoft", "tiiuae", "allenai", "stabilityai"]
)  # an owner of weights; "GradientAI/Llama3 70B" is how a table spells a model of its own


def model(printed: str | None) -> str:
    """The canonical name of a model; what no source names is said to be unnamed."""
    if printed is None:
        return "no model named"
    if printed in MODELS:
        return MODELS[printed]
    owner, _, rest = printed.partition("/")
    return rest if owner in _OWNERS else printed


_HEAD = re.compile(r"mean retrieval score of head (\d+-\d+)")


def metric(printed: str, task: str) -> tuple[str, str, str, str]:
    """Canonical metric, unit, direction, and the head that the printed name holds."""
    if task == "llava_bench_wild" and printed == "accuracy":
        return "judge_accuracy", "score", "higher", ""  # points of a judge, no share
    if head := _HEAD.fullmatch(printed):
        return "retrieval_score", "fraction", "neither", head[1]
    if printed in METRICS:
        name, unit, direction = METRICS[printed]
        return name, unit, direction, ""
    name = slug(re.sub(r"\((?:%|x100)\)|, percent", "", printed))
    if printed.startswith(("heads ", "retrieval heads ", "copy heads ")):
        return name, "count", "neither", ""
    if re.search(r"percent|\(%\)|\(x100\)|R@1", printed):
        better = re.search(r"accuracy|gain|R@1|repaired|rescue|human choice", printed)
        return name, "percent", "higher" if better else "neither", ""
    if printed.startswith("partial r("):
        return name, "correlation", "higher", ""
    raise ValueError(f"no canonical name for the metric {printed!r}")


def slug(text: str) -> str:
    """Lower case, words joined by underscores."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


_SETTINGS = re.compile(
    r"(pope)_coco_(random|popular|adversarial)"
    r"|(self_correction_[a-z]+)_(generation|multiple_choice)"
    r"|(LongBench|LooGLE|JailbreakBench) (.+)"
    r"|(coco_box_steering)_(.+)"
    r"|(passphrase needle) \((.+)\)"
)


def task(printed: str) -> tuple[str, str, str]:
    """Canonical task, its setting, and the context length that the printed name holds."""
    if found := re.fullmatch(r"passphrase needle, length (\d+)", printed):
        return "passphrase_needle", "", found[1]
    if found := _SETTINGS.fullmatch(printed):
        name, setting = (one for one in found.groups() if one)
        return slug(name), setting, ""
    return slug(printed), "", ""


_FAMILY = (
    ("chair", r"chair"),
    ("pope", r"pope"),
    ("mm_niah", r"mm_niah.*"),
    ("steering", r"comic_.*|coco_box_steering"),
    ("passphrase_needle", r"passphrase_needle"),
    ("ruler", r"ruler.*"),
    ("long_documents", r"longbench|loogle"),
    ("self_correction", r"self_correction.*"),
    ("truthfulqa", r"truthfulqa"),
    ("jailbreak", r"jailbreakbench|jbb.*|benign_prompts|sensitive.*|test_prompts|deception.*"),
    ("inverse_scaling", r"inverse_scaling.*"),
    ("stickiness", r"annotation_stickiness|proportional_analogy|final_localisation"),
    ("surprisal", r"surprisal.*|reading_time.*|futrell.*"),
    ("brain", r"brain.*|pereira.*|blank.*|tuckute.*|things.*|concept_.*|l_vs_mmlu|movie10.*"),
    ("head_maps", r"retrieval_head_detection|(first|second)_released_list|norm_utility"),
    ("circuits", r"ioi.*|colored_objects|world_capitals.*|ten_binding.*|entity_binding|architecture"
     r"|text_to_image|plain_text|57_tasks_average|text_classification_average|qa_.*|mt_bench"
     r"|classification|multiple_choice|average_over_data_sets|extractive_qa"),
    ("vlm_benchmarks", r"llava.*|mmhal|mme|mm_vet|vqav2|gqa|vizwiz|sqa_i|textvqa|mmbench_en|seed_i"
     r"|mmvp|cv_bench.*|mmdocir|all_benchmarks|amber|mmlongbench_doc|slidevqa"),
    ("reasoning", r".*"),
)  # fmt: skip


def family(canonical: str) -> str:
    """The page that a task belongs to."""
    return next(name for name, pattern in _FAMILY if re.fullmatch(pattern, canonical))


_ARMS = (
    ("vhr", r"VHR.*"),
    ("var", r"VAR.*"),
    ("pai", r"PAI"),
    ("zerotuning", r"ZeroTuning.*"),
    ("rope_zero", r".*rotary dims zeroed.*|low-frequency 16 dims, 30 heads"),
    ("mask_heads", r"zero-output.*|mask .*|uniform mask.*|retrieval heads masked.*"),
    ("mask_heads", r"o_proj of top 20 safety heads zeroed"),
    ("scale_values", r"one head's value vector scaled"),
    ("offset_heads", r"ITI .*"),
)
_NO_EDIT = re.compile(
    r"none|no edit.*|greedy|beam5|baseline.*|FullKV.*|vanilla|.*: no edit"
    r"|surprisal summed over tokens"
)
_CONTROL = re.compile(
    r".*\brandom\b.*|.*in control heads|.*in layer-matched other heads|worst .* heads"
)
_SWEEP = re.compile(r".*\b(?:alpha|beta|ratio|delta|gamma|[kK])=.*")
_RIVALS = {
    "vhr": r"DoLa|VCD|OPERA|CODE|EAH",
    "sevi": r"VCD|ICD|PAI|IBD|VAR|AD-HH|VAF|DeGF|CICD",
    "vista": r"DoLa|VCD|PAI|OPERA",
    "paint": r"PAI",
    "task_kv": r"(?:StreamingLLM|SnapKV|PyramidKV|HeadKV-R2),.*",
    "gaze_heads": r"(?:Image|Localization) Heads",
    "headhunter": r"CFG 3\.0",
    "loss_curvature": r"BSN|SVD",
    "mm_ret_heads": r"Col-Phi3|ColPali",
}
_ABLATIONS = re.compile(
    r"VHR (?:fixed heads|no outlier removal|layer1 only|last 14 only)|VAR (?:without|budget).*"
    r"|all heads|.* (?:middle|top|bottom|global|local) (?:layers|heads)|(?:global|local) credit.*"
)


def arm(printed: str) -> str | None:
    """Our intervention of the same method; ``None`` where we have none."""
    return next((name for name, pattern in _ARMS if re.fullmatch(pattern, printed)), None)


def role(printed: str, paper: str, model_printed: str | None) -> str:
    """What a row is in its table; see :data:`headbench.results.paper_cells.ROLES`."""
    if model_printed == "Human":
        return "human"
    if printed == "ceiling" or "ceiling" in (model_printed or ""):
        return "ceiling"
    if not printed or _NO_EDIT.fullmatch(printed):
        return "baseline"
    if paper in _RIVALS and re.fullmatch(_RIVALS[paper], printed):
        return "rival"
    if _CONTROL.fullmatch(printed):
        return "control"
    if printed.startswith("ITI "):
        return "method"  # one setting, though its name spells the parameters
    if _ABLATIONS.fullmatch(printed):
        return "ablation"
    return "sweep" if _SWEEP.fullmatch(printed) else "method"
