from __future__ import annotations

from pathlib import Path

import pytest

from headbench.errors import ConfigError
from headbench.tasks.yamlfile import dotted, read_yaml


def write(folder: Path, text: str) -> Path:
    path = folder / "x.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_key_and_item_has_its_line(tmp_path: Path) -> None:
    read = read_yaml(write(tmp_path, "a: 1\nb:\n  c: 2\n  d:\n    - x\n    - y: 3\n"))
    assert read.data == {"a": 1, "b": {"c": 2, "d": ["x", {"y": 3}]}}
    assert read.lines[("b", "c")] == 3
    assert read.lines[("b", "d", 1, "y")] == 6


def test_dotted() -> None:
    assert dotted(("metric_list", 0, "metric")) == "metric_list[0].metric"


def test_duplicate_keys_are_refused_with_their_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'a' stands twice") as caught:
        read_yaml(write(tmp_path, "a: 1\nb: 2\na: 3\n"))
    assert caught.value.where.endswith("x.yaml:3")


@pytest.mark.parametrize(
    ("text", "what", "where"),
    [
        ("a: [1, 2\n", "not valid YAML", "x.yaml:2:1"),
        ("a: !!python/object/apply:os.system ['true']\n", "not valid YAML", "x.yaml:1:4"),
        ("- a\n- b\n", "mapping of names", "x.yaml"),
        ("1: a\n", "mapping of names", "x.yaml"),
    ],
)
def test_broken_files(tmp_path: Path, text: str, what: str, where: str) -> None:
    with pytest.raises(ConfigError, match=what) as caught:
        read_yaml(write(tmp_path, text))
    assert caught.value.where.endswith(where)


def test_not_utf8_names_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"task: caf\xe9\n")
    with pytest.raises(ConfigError, match="not UTF-8") as caught:
        read_yaml(path)
    assert caught.value.where.endswith("byte 9")
    assert "UTF-8" in caught.value.hint


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        read_yaml(tmp_path / "none.yaml")


def test_recursive_aliases_end(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(ConfigError, match="expands to more than 500,000 values"):
        read_yaml(write(tmp_path, "\n".join(lines)))
