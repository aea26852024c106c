"""What is written once for a release, the pieces of `python -m tests.release` that build nothing, and the workflows."""

from __future__ import annotations

import configparser
import os
import re
from pathlib import Path

import pytest
import release
import yaml
from conftest import ROOT
from release import Line
from scripts import fails, succeeds

from scratchnn import __version__

pytestmark = pytest.mark.skipif("setup.cfg" not in release.tree(), reason="there is no checkout to be released")
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
CHANGELOG = """\
# Changelog

## [1.2.0] - 2026-01-31

## [1.1.0] - 2025-12-01
"""


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_version_is_written_in_one_place_and_in_the_history():
    asked = [
        name for name in release.tree() if Path(name).suffix in {".cfg", ".toml", ".cff", ".yml", ".yaml", ".json"}
    ]
    asked += [name for name in release.tree() if name.startswith("scratchnn/") and name.endswith(".py")]
    own = re.compile(rf"(?i)(?<!cff-)version\w*\s*[:=]+\s*[\"']?v?{re.escape(__version__)}\b")
    assert [name for name in asked if own.search(read(name))] == ["scratchnn/__init__.py"]
    assert not release.wrong_version(__version__, read("CHANGELOG.md"), f"v{__version__}")


def test_the_changelog_has_the_form_that_it_names():
    text = read("CHANGELOG.md")
    sections = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert all(re.fullmatch(r"\[Unreleased\]|\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", title) for title in sections)
    kinds = set(re.findall(r"^### (.*)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    numbers = [tuple(map(int, version.split("."))) for version in release.RELEASE.findall(text)]
    assert numbers and numbers == sorted(numbers, reverse=True)


@pytest.mark.parametrize(
    "version, changelog, tag, message",
    [
        ("1.2.0", CHANGELOG, None, None),
        ("1.2.0", CHANGELOG, "v1.2.0", None),
        ("1.2.0", CHANGELOG.replace("## [1.2", "## [Unreleased]\n\n## [1.2"), None, None),
        ("1.2.0", CHANGELOG.replace("## [1.2", "## [Unreleased]\n\n## [1.2"), "v1.2.0", "not released"),
        ("1.2.0", CHANGELOG, "1.2.0", "the tag must be v1.2.0"),
        ("1.2.0", CHANGELOG, "v1.1.0", "the tag must be v1.2.0"),
        ("1.1.0", CHANGELOG, "v1.1.0", r"must be ## \[1.1.0\] - DATE"),
        ("1.2.0", CHANGELOG.replace(" - 2026-01-31", ""), None, r"must be ## \[1.2.0\] - DATE"),
        ("1.2.0", "# Changelog\n", None, r"must be ## \[1.2.0\] - DATE"),
    ],
)
def test_a_version_is_released_under_its_tag_and_with_its_date(version, changelog, tag, message):
    found = release.wrong_version(version, changelog, tag)
    assert re.search(message, found) if message else found == ""


def test_the_citation_names_the_thesis_as_the_texts_do():
    """Its schema is checked by the rehearsal."""
    citation = yaml.safe_load(read("CITATION.cff"))
    (thesis,) = (work for work in citation["references"] if work["type"] == "thesis")
    (author,) = thesis["authors"]
    named = (
        f'{author["given-names"][0]}. {author["family-names"]}, "{thesis["title"]}", {thesis["institution"]["name"]}'
    )
    assert f"{named}, {thesis['year']}." in read("docs/equations.md")


def test_the_readme_says_what_each_extra_is_for():
    setup = configparser.ConfigParser(interpolation=None)
    setup.read_string(read("setup.cfg"))
    rows = re.search(r"\| extra \| for \|\n(.*?)\n\n", read("README.md"), re.DOTALL)[1]
    first_cells = " ".join(row.split("|")[1] for row in rows.splitlines())
    assert sorted(re.findall(r"`(\w+)`", first_cells)) == sorted(setup["options.extras_require"])


def test_every_file_that_a_program_reads_is_held_to_its_schema():
    of_github = [name for name in release.tree() if name.startswith(".github/") and name.endswith(".yml")]
    assert sorted(file for files in release.FORMS.values() for file in files) == sorted([*of_github, "CITATION.cff"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_few_rights_and_runs_what_is_pinned(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 60
        if any(right == "write" for right in job.get("permissions", {}).values()):
            assert "environment" in job and not any("run" in step for step in job["steps"])
        for step in job["steps"]:
            if "actions/checkout" in step.get("uses", ""):
                assert step["with"] == {"persist-credentials": False}
    for used in re.findall(r"uses:(.*)", path.read_text(encoding="utf-8")):
        assert re.fullmatch(r" [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used), used


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_what_the_texts_tell_people_to_run(path):
    texts = read("README.md") + read("CONTRIBUTING.md")
    for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values():
        for step in job["steps"]:
            command = step.get("run", "").replace('"$GITHUB_REF_NAME"', "TAG")
            assert command in texts, command
            assert "${{" not in command  # what others name, a branch for example, must not become code


def test_the_hooks_run_what_ci_runs_and_with_its_programs():
    (hooks,) = (repository["hooks"] for repository in yaml.safe_load(read(".pre-commit-config.yaml"))["repos"])
    assert {hook["language"] for hook in hooks} == {"system"}  # the ruff and mypy of the extra [lint], as .ci/run
    entries = {hook["entry"] + ("" if "pass_filenames" in hook else " .") for hook in hooks}  # . is the files changed
    assert entries == {command.strip() for command in re.findall(r"bin/((?:ruff|mypy)[^&;]*)", read(".ci/run"))}


# ---- python -m tests.release


@pytest.fixture
def rehearsed(monkeypatch):
    """The command with a rehearsal that leaves both archives and comes to the lines in this list."""
    lines = [Line("builds", "both", 3.4)]

    def rehearsal(folder: Path, tag: str | None) -> list[Line]:
        (folder / "archives").mkdir()
        for name in ("scratchnn-1.2.0.tar.gz", "scratchnn-1.2.0-py3-none-any.whl"):
            (folder / "archives" / name).write_bytes(b"")
        return lines

    monkeypatch.setattr(release, "rehearsal", rehearsal)
    monkeypatch.setattr(release, "TOOLS", ("pytest",))
    return lines


def test_both_archives_are_left_where_every_check_passes(rehearsed, tmp_path):
    assert "| builds | both | yes | 3 |" in succeeds(release.main, "--out", tmp_path / "dist")
    assert {path.suffix for path in (tmp_path / "dist").iterdir()} == {".gz", ".whl"}
    assert "is not empty" in fails(release.main, "--out", tmp_path / "dist")


def test_one_line_that_fails_is_told_and_leaves_nothing(rehearsed, tmp_path, capsys):
    rehearsed.append(Line("the readme runs", "wheel", 1, "no module named numpy"))
    fails(release.main, "--out", tmp_path / "dist")
    assert not list((tmp_path / "dist").iterdir())
    assert release.table(rehearsed).endswith("**no** | 1 |\n\nthe readme runs (wheel):\nno module named numpy")


def test_a_tool_that_is_missing_is_named_with_what_brings_it(monkeypatch):
    monkeypatch.setattr(release, "TOOLS", ("no_such_tool",))
    assert '".[test,release]"' in fails(release.main)


def test_what_is_no_checkout_is_not_released(monkeypatch, tmp_path):
    monkeypatch.setattr(release, "ROOT", tmp_path)
    assert f"{tmp_path} is no git checkout" in fails(release.main)


def test_a_test_that_is_skipped_or_fails_is_no_line_that_passes(tmp_path):
    file = tmp_path / "test_of_three.py"
    file.write_text(
        "import pytest\n@pytest.mark.parametrize('kind', ['a wheel'])\ndef test_it_runs(kind): pass\n"
        "@pytest.fixture\ndef index(): pytest.skip('no index')\n"
        "def test_it_skips(index): pass\ndef test_it_fails(): assert 1 == 2\n",
        encoding="utf-8",
    )
    lines = release.Lines()
    assert pytest.main(["-q", "-c", os.devnull, "-p", "no:cacheprovider", str(file)], plugins=[lines]) == 1
    assert [(line.check, line.of, bool(line.wrong)) for line in lines.found] == [
        ("it runs", "a wheel", False), ("it skips", "", True), ("it fails", "", True),
    ]  # fmt: skip
    assert "no index" in lines.found[1].wrong and "1 == 2" in lines.found[2].wrong
