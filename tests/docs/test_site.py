"""What ``make docs`` builds the site from; ``.ci/run`` builds it, with warnings as errors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import headbench
from headbench import extend
from training.pages import site, site_hooks
from training.pages.typed.blocks import ROOT, pages


def test_the_reference_has_every_public_name_once() -> None:
    shown = re.findall(r"^::: ([\w.]+)$", (ROOT / "docs" / "api.md").read_text(), re.M)
    homes = {**headbench._HOMES, **extend._HOMES}
    public = {*headbench.__all__, *extend.__all__} - {"__version__", "register"}
    wanted = {f"{homes[name]}.{name}" for name in public} | {"headbench.extend.register"}
    assert wanted - set(shown) == set()
    assert len(shown) == len(set(shown))


def test_the_navigation_has_every_page_once() -> None:
    nav = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    listed = re.findall(r"([\w./-]+\.md)$", nav, re.M)
    reached = {path for page in pages() for path in (page, *site.linked(page))}
    wanted = {path.relative_to(ROOT).as_posix() for path in reached if path.suffix == ".md"}
    assert sorted(listed) == sorted(wanted)


def test_pages_and_what_they_link_to_keep_their_paths(tmp_path: Path) -> None:
    site.stage(tmp_path)
    for name in ("README.md", "docs/tasks.md", "tasks/niah/README.md", "docs/figures/pope.svg"):
        assert (tmp_path / name).read_bytes() == (ROOT / name).read_bytes()


@pytest.mark.parametrize("target", ["nothing.md", "../tests", "../../../../etc/hostname"])
def test_a_link_that_leads_nowhere_is_told(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    page = ROOT / "docs" / "tasks.md"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: f"[there]({target}) [web](https://x)")
    with pytest.raises(FileNotFoundError, match=r"docs/tasks\.md: .* is no file of this project"):
        list(site.linked(page))


def test_roles_of_docstrings_become_names() -> None:
    html = "see :func:<code>headbench.detect</code> and :class:<code>~headbench.edits.Edit</code>"
    shown = "see <code>headbench.detect</code> and <code>Edit</code>"
    assert site_hooks.on_page_content(html, page=None) == shown


def test_ci_builds_the_site_with_warnings_as_errors() -> None:
    assert "make docs\n" in (ROOT / ".ci" / "run").read_text()
    assert '"build", "--strict"' in Path(site.__file__).read_text()
