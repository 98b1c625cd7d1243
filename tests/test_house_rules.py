"""Rules of the house that no linter knows, read off the source text; nothing is imported.

Each rule is a function from one file to what is wrong with it, so that the second half of this
module can show every rule an offender that it must catch.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "harness" / "headbench"
TRAINING = ROOT / "training"

HEAVY = frozenset({"torch", "transformers", "datasets", "scipy", "sklearn"})
MAY_BE_HEAVY = (
    "interventions/edits/",  # run inside a model
    "models/hf/",
    "models/runtime/",
    "models/encoder.py",
    "detectors/",  # score heads by running a model
    "look/",  # runs a model on one prompt
    "training/",  # trains and measures models; no verb imports it
)
"""Places that only a verb which runs a model imports. Names begin below the package."""

NEUTRAL = ("cli/", "guard/", "running/", "results/", "tasks/", "scoring/", "statistics/")
"""Rooms that know no family of tasks."""
FAMILIES = frozenset(
    {path.name for path in (SOURCE / "families").iterdir() if (path / "__init__.py").is_file()}
    | {"niah", "needle", "wall"}
) - {"general"}
"""Words that name a family or its tasks."""
MAY_NAME_A_FAMILY = {
    "cli/run.py": "shows an example command",
    "cli/heads.py": "lists the worlds that detectors run on",
    "running/familiarity.py": "the old path of a name, for one release",
    "running/selftest.py": "runs one shipped task",
    "scoring/stickiness_familiarity.py": "the old path of a name, for one release",
}
"""File -> why it may."""

FORBIDDEN_MODULES = frozenset({"pickle", "cPickle", "dill", "joblib", "shelve", "marshal"})
FORBIDDEN_CALLS = frozenset({"eval", "exec", "compile", "__import__"})
FORBIDDEN_KEYWORDS = {"weights_only": False, "trust_remote_code": True, "shell": True}
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b|\braise NotImplementedError")
EMPTY = (None, "", ".", ".*", ".+")
"""Patterns that any message matches."""
PAPER = re.compile(r"arXiv[: ]?\s*\d{4}\.\d{4,5}|\bown\b")


@dataclass(frozen=True)
class Module:
    """One source file."""

    name: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)


Rule = Callable[[Module], Iterator[str]]


def modules() -> list[Module]:
    """Every Python file of the package and of the training."""
    package = {path.relative_to(SOURCE): path for path in SOURCE.rglob("*.py")}
    training = {path.relative_to(ROOT): path for path in TRAINING.rglob("*.py")}
    return [
        Module(name.as_posix(), path.read_text(encoding="utf-8"))
        for name, path in sorted((package | training).items())
    ]


# ------------------------------------------------------------------ the rules


def imports_nothing_heavy(module: Module) -> Iterator[str]:
    """Cheap packages import model libraries inside functions only."""
    if not module.name.startswith(MAY_BE_HEAVY):
        for line, name in run_at_import(module.tree.body):
            if name.partition(".")[0] in HEAVY:
                yield f"line {line} imports {name}"


def run_at_import(body: list[ast.stmt]) -> Iterator[tuple[int, str]]:
    """Line and module of each import that runs when the file is imported."""
    for node in body:
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=str(name), level=0):
                yield node.lineno, name
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                yield from run_at_import(node.orelse)
            case ast.If():
                yield from run_at_import([*node.body, *node.orelse])
            case ast.Try():
                handled = [line for handler in node.handlers for line in handler.body]
                yield from run_at_import([*node.body, *handled, *node.orelse, *node.finalbody])
            case ast.ClassDef() | ast.With():
                yield from run_at_import(node.body)


def catches_by_name(module: Module) -> Iterator[str]:
    """No bare except, no ``except Exception``; ``BaseException`` only to clean up and re-raise."""
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        names = {kind.id for kind in kinds if isinstance(kind, ast.Name)}
        raises = any(isinstance(x, ast.Raise) and x.exc is None for x in ast.walk(node))
        if node.type is None or "Exception" in names or ("BaseException" in names and not raises):
            yield f"line {node.lineno} catches everything"


def runs_no_foreign_code(module: Module) -> Iterator[str]:
    """No pickle, no eval, no unsafe loading."""
    for node in ast.walk(module.tree):
        match node:
            case ast.Import(names=names):
                found = [a.name for a in names if a.name.partition(".")[0] in FORBIDDEN_MODULES]
                yield from (f"line {node.lineno} imports {name}" for name in found)
            case ast.ImportFrom(module=str(name)) if name.partition(".")[0] in FORBIDDEN_MODULES:
                yield f"line {node.lineno} imports {name}"
            case ast.Call(func=ast.Name(id=name)) if name in FORBIDDEN_CALLS:
                yield f"line {node.lineno} calls {name}"
            case ast.Attribute(value=ast.Name(id="torch"), attr="load"):
                yield f"line {node.lineno} uses torch.load"
            case ast.keyword(arg=str(key), value=ast.Constant(value=value)):
                if key in FORBIDDEN_KEYWORDS and value is FORBIDDEN_KEYWORDS[key]:
                    yield f"line {node.value.lineno} passes {key}={value}"


def is_finished(module: Module) -> Iterator[str]:
    """No stubs, no notes to oneself."""
    for number, line in enumerate(module.text.splitlines(), start=1):
        if UNFINISHED.search(line):
            yield f"line {number}: {line.strip()}"


def names_its_source(module: Module) -> Iterator[str]:
    """A method's file says which paper it follows, or that it is our own."""
    folder, _, file = module.name.rpartition("/")
    if folder != "interventions/methods" or file == "__init__.py":
        return
    if not PAPER.search(ast.get_docstring(module.tree) or ""):
        yield "the docstring names neither an arXiv id nor says 'own'"


def is_documented(module: Module) -> Iterator[str]:
    """Modules, and public classes and functions at any level of a class, have docstrings."""
    if module.text.strip() and ast.get_docstring(module.tree) is None:
        yield "the module"
    yield from undocumented(module.tree.body, "")


def undocumented(body: list[ast.stmt], within: str) -> Iterator[str]:
    """Public definitions without a docstring; what overrides a documented one says so itself."""
    for node in body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
        if node.name.startswith("_") or decorators & {"overload", "override"}:
            continue
        if ast.get_docstring(node) is None:
            yield f"line {node.lineno}: {within}{node.name}"
        if isinstance(node, ast.ClassDef):
            yield from undocumented(node.body, f"{within}{node.name}.")


def watches_by_verbs(module: Module) -> Iterator[str]:
    """Detectors see a model through its adapter and the runtime's verbs, and drive no pass."""
    if not module.name.startswith("detectors/"):
        return
    for node in ast.walk(_without_type_imports(module.tree)):
        match node:
            case ast.ImportFrom(module=str(name)) if name.startswith("headbench.models.hf."):
                if name != "headbench.models.hf.adapter":
                    yield f"line {node.lineno} imports {name}"
            case ast.Attribute(attr=str(name)) if name.startswith("register_forward"):
                yield f"line {node.lineno} hooks a module"
            case ast.Call(func=ast.Attribute(attr="model" | "forward")):
                yield f"line {node.lineno} drives a pass"


def _without_type_imports(tree: ast.Module) -> ast.Module:
    kept = [
        node
        for node in tree.body
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    ]
    return ast.Module(kept, [])


def names_no_family(module: Module) -> Iterator[str]:
    """The rooms that every family uses ask for things by name, and name no family themselves."""
    if not module.name.startswith(NEUTRAL) or module.name in MAY_NAME_A_FAMILY:
        return
    tree = module.tree
    docstrings = {id(node) for node in documented(tree)}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                said = " ".join(alias.name for alias in names)
            case ast.ImportFrom(module=str(name)):
                said = name
            case ast.Constant(value=str(text)) if id(node) not in docstrings:
                said = text
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                said = name.replace("_", " ")
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                said = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", name)
            case _:
                continue
        named = set(re.findall(r"\w+", said.lower())) & FAMILIES
        if named:
            yield f"line {getattr(node, 'lineno', 0)} names {', '.join(sorted(named))}"


def documented(tree: ast.Module) -> Iterator[ast.expr]:
    """Every text that stands alone: the docstrings of modules, classes, functions and values."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value


def names_what_is_raised(module: Module) -> Iterator[str]:
    """Every ``pytest.raises`` says which message it waits for, not only which class."""
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call):
            continue
        if ast.unparse(node.func) not in ("pytest.raises", "raises"):
            continue
        given = [keyword.value for keyword in node.keywords if keyword.arg == "match"]
        if not given or any(isinstance(x, ast.Constant) and x.value in EMPTY for x in given):
            yield f"line {node.lineno}: {ast.unparse(node)}"


RULES: tuple[Rule, ...] = (
    imports_nothing_heavy,
    catches_by_name,
    runs_no_foreign_code,
    is_finished,
    names_its_source,
    is_documented,
    watches_by_verbs,
    names_no_family,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps(rule: Rule) -> None:
    found = [f"{module.name}: {fault}" for module in modules() for fault in rule(module)]
    assert not found, "\n".join(found)


def test_every_raises_of_the_tests_names_its_message() -> None:
    tests = Path(__file__).resolve().parent
    found = [
        f"{path.relative_to(tests)}: {fault}"
        for path in sorted(tests.rglob("*.py"))
        for fault in names_what_is_raised(Module(path.name, path.read_text(encoding="utf-8")))
    ]
    assert not found, "\n".join(found)


def test_every_family_folder_registers_itself() -> None:
    folders = [path for path in (SOURCE / "families").iterdir() if (path / "__init__.py").is_file()]
    silent = [
        path.name
        for path in folders
        if "FAMILY = Family(" not in (path / "__init__.py").read_text()
    ]
    assert len(folders) >= 6 and silent == []


def test_every_reason_to_name_a_family_is_still_needed() -> None:
    texts = {module.name: module.text for module in modules()}
    words = re.compile(rf"\b(?:{'|'.join(sorted(FAMILIES))})\b")
    assert [name for name in MAY_NAME_A_FAMILY if not words.search(texts.get(name, ""))] == []


# ------------------------------------------------------------------ each rule can fail


OFFENDERS: tuple[tuple[Rule, str, str], ...] = (
    (imports_nothing_heavy, "scoring/a.py", "import torch.nn\n"),
    (
        imports_nothing_heavy,
        "cli/a.py",
        "try:\n    from scipy.stats import t\nfinally:\n    pass\n",
    ),
    (watches_by_verbs, "detectors/a.py", "from headbench.models.hf.engine import Engine\n"),
    (watches_by_verbs, "detectors/a.py", "def f(m):\n    m.norm.register_forward_pre_hook(m)\n"),
    (watches_by_verbs, "detectors/a.py", "def f(m):\n    return m.model(input_ids=1)\n"),
    (watches_by_verbs, "detectors/a.py", "def f(m):\n    return m.block.forward(1)\n"),
    (catches_by_name, "a.py", "try:\n    pass\nexcept:\n    raise\n"),
    (catches_by_name, "a.py", "try:\n    pass\nexcept (OSError, Exception):\n    pass\n"),
    (catches_by_name, "a.py", "try:\n    pass\nexcept BaseException:\n    pass\n"),
    (runs_no_foreign_code, "a.py", "from pickle import loads\n"),
    (runs_no_foreign_code, "a.py", "y = eval('1')\n"),
    (runs_no_foreign_code, "a.py", "torch.load(path)\n"),
    (runs_no_foreign_code, "a.py", "load(path, weights_only=False)\n"),
    (is_finished, "a.py", "def f():\n    raise NotImplementedError\n"),
    (names_no_family, "guard/a.py", "import headbench.families.pope.pope_scorer\n"),
    (names_no_family, "results/a.py", "from headbench.families.walls import walls_scorer\n"),
    (names_no_family, "tasks/a.py", "SOURCES = {'pope': 1}\n"),
    (names_no_family, "running/a.py", "def rescore_chair(): ...\n"),
    (names_no_family, "cli/a.py", "class NeedleOptions: ...\n"),
    (names_what_is_raised, "test_a.py", "with pytest.raises(ValueError):\n    f()\n"),
    (names_what_is_raised, "test_a.py", "with pytest.raises(ValueError, match=''):\n    f()\n"),
    (names_its_source, "interventions/methods/a.py", '"""Scales heads."""\n'),
    (is_documented, "a.py", '"""A."""\nclass A:\n    """A."""\n    def go(self): ...\n'),
)
INNOCENT = '''"""Follows arXiv 2412.13949."""
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def _hidden():
    import torch

    try:
        return torch.ones(1).eval()
    except BaseException:
        raise
'''


@pytest.mark.parametrize(("rule", "name", "text"), OFFENDERS)
def test_a_rule_catches_an_offender(rule: Rule, name: str, text: str) -> None:
    assert list(rule(Module(name, text)))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_rule_lets_the_innocent_pass(rule: Rule) -> None:
    assert list(rule(Module("interventions/methods/a.py", INNOCENT))) == []
