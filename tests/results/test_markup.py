"""Tables for other programs: what a file says is data in each of them."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from headbench.results.markup import csv_text, html_table, latex, markdown, visible

HOSTILE = [
    "a|b",
    "**bold** _it_ `code` [x](http://y)",
    "<script>alert(1)</script>",
    r"\input{secret} 100 % $x_1^2$ {~} #1 & \\[2cm]",
    "two\nlines\tand\x00nul",
    "left\u202eright\u2028line",
    "\x1b[31mred",
    "[red]x[/foo]",
    "=HYPERLINK(1)",
    "-1+cmd",
    "@sum",
    "www.example.org me@example.org",
    'say "no"',
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_in_its_markdown_cell(name: str) -> None:
    lines = markdown(["name", "n"], [[name, "7"]]).splitlines()
    assert len(lines) == 3
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 3 for line in lines)
    cell = re.split(r"(?<!\\)\|", lines[2])[1].strip()
    assert not re.search(r"(?<!\\)[*_`<>\[\]:@]", cell) and "www." not in cell
    assert re.sub(r"\\([\W_])", r"\1", cell) == visible(name)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_in_its_latex_cell(name: str) -> None:
    body = latex(["name", "n"], [[name, "7"]]).splitlines()
    (row,) = [line for line in body if line.endswith(r"& 7 \\")]
    assert len(re.findall(r"(?<!\\)&", row)) == 1
    cell = row.removesuffix(r"& 7 \\")
    commands = set(re.findall(r"\\[A-Za-z]+", cell))
    assert commands <= {
        r"\textbackslash", r"\textasciitilde", r"\textasciicircum", r"\textless", r"\textgreater",
        r"\textbar",
    }  # fmt: skip
    assert not re.search(r"(?<!\\)[%$#_^~]", cell)
    assert cell.count("{") - cell.count(r"\{") == cell.count("}") - cell.count(r"\}")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_one_field_of_csv_and_no_formula(name: str) -> None:
    ((head, number), (field, value)) = csv.reader(
        io.StringIO(csv_text(["name", "n"], [[name, -0.25]]))
    )
    assert (head, number, value) == ("name", "n", "-0.25")  # a number is no formula
    assert field in (visible(name), f"'{visible(name)}")
    assert not field.startswith(("=", "+", "-", "@"))


def test_csv_keeps_all_digits_and_leaves_out_what_is_undefined() -> None:
    assert csv_text(["a", "b"], [[0.1 + 0.2, None]]) == "a,b\n0.30000000000000004,\n"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_in_html(name: str) -> None:
    shown = html_table(["name"], [[name]])
    assert re.findall(r"<(/?\w+)>", shown) == [
        "table", "thead", "tr", "th", "/th", "/tr", "/thead", "tbody", "tr", "td", "bdi", "/bdi",
        "/td", "/tr", "/tbody", "/table",
    ]  # fmt: skip
    assert "\u202e" not in shown and "\x00" not in shown and "\x1b" not in shown


def test_invisible_characters_are_shown_and_others_are_kept() -> None:
    assert visible("caf\u00e9 \u4e2d \U0001f600") == "caf\u00e9 \u4e2d \U0001f600"
    assert visible("a\u202eb\x1bc\nd") == "a\\u202eb\\x1bc\\nd"


def test_latex_compiles_where_there_is_a_compiler(tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex here")
    table = latex(["name"], [[name] for name in HOSTILE])
    text = f"\\documentclass{{article}}\\begin{{document}}\n{table}\\end{{document}}\n"
    (tmp_path / "t.tex").write_text(text)
    words = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    assert subprocess.run(words, cwd=tmp_path, check=False, capture_output=True).returncode == 0
