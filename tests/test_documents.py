"""Documents keep their word: commands run, links lead somewhere, tables are true."""

import io
import json
import os
import pkgutil
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import notebook
import pytest
import torch
from PIL import Image
from test_architecture import LAYERS

from examples import chain_blocks, examples
from splittool.cli.main import app, run

ROOT = Path(__file__).resolve().parent.parent
NAMES = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "benchmarks/README.md",
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").glob("*.md"))),
)
# Examples run as written, only smaller.
SMALLER = {
    r"--images 64": "--images 12 --size 64x96",
    r"--epochs \d+ --crop 256x384": "--epochs 1 --workers 0",
    r"--minutes [\d.]+": "--minutes 0.002 --warmup 0",
    r"--iterations \d+": "--iterations 8 --warmup 0",
}


def text_of(name: str) -> str:
    return (ROOT / name).read_text()


def shrunk(name: str) -> str:
    """The blocks of a document as one script that takes seconds."""
    # Servers run until they are stopped; tests/serving starts and stops them.
    blocks = [block for block in chain_blocks(text_of(name)) if "splittool serve" not in block]
    script = "\n".join(blocks).replace("\\\n", " ")
    for written, smaller in SMALLER.items():
        script = re.sub(written, smaller, script)
    return script


def run_in_shell(name: str, folder: Path, bin_folder: Path) -> None:
    """Run the blocks of a document in a shell of their own."""
    result = subprocess.run(
        ["sh", "-eu", "-c", shrunk(name)],
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",  # the networks are too small for more
        },
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr


def run_here(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the blocks of a document in this process: torch and OpenVINO are loaded once."""
    for line in shrunk(name).splitlines():
        words = shlex.shlex(line, posix=True, punctuation_chars="|>")
        words.whitespace_split = True
        pipeline, _, file = " ".join(map(shlex.quote, words)).partition(" '>' ")
        output = b""
        for command in filter(None, pipeline.split(" '|' ")):
            output = run_command(shlex.split(command), output, monkeypatch)
        if file:
            Path(file).write_bytes(output)


def run_command(words: list[str], given: bytes, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Run `splittool` on a standard input; its standard output."""
    assert words[0] == "splittool"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), write_through=True))
    assert run(words[1:]) == 0, words
    return sys.stdout.buffer.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_readmes_chain_runs_as_written(tmp_path: Path, bin_folder: Path) -> None:
    run_in_shell("README.md", tmp_path, bin_folder)
    for name in ("unet.pt", "unet.xml", "cut.json", "out/report.json"):
        assert (tmp_path / name).is_file()


@pytest.fixture
def one_thread() -> Iterator[None]:
    """The networks are too small for more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_every_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of docs/commands.md, which are in the man pages, too."""
    monkeypatch.chdir(tmp_path)
    for folder, value in (("images", 90), ("masks", 1)):  # a user's own, to import
        Path("photos", folder).mkdir(parents=True)
        Image.new("L", (96, 64), value).save(f"photos/{folder}/one.png")
    run_here("docs/commands.md", monkeypatch)
    for name in ("unet.pt", "cut.json", "cut-3/cut.json", "baked/cut.json", "compare.svg"):
        assert (tmp_path / name).is_file()


@pytest.mark.usefixtures("one_thread")
def test_tutorial_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_here("docs/tutorial.md", monkeypatch)
    for name in ("unet.xml", "whole/report.json", "split/report.json", "compare.svg", "heads.json"):
        assert (tmp_path / name).is_file()


@pytest.mark.usefixtures("one_thread")
def test_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It shows tables and an overlay; what it keeps is of the cells that it has."""
    monkeypatch.chdir(tmp_path)
    kept = json.loads(notebook.FILE.read_text())
    before = [len(cell["outputs"]) for cell in notebook.code_cells(kept)]
    shown = [data.get("text/html", "") for data in notebook.run_notebook(kept)]
    assert before == [len(cell["outputs"]) for cell in notebook.code_cells(kept)]
    assert sum("<img src" in html for html in shown) == 1
    assert sum("compare" in html or "crossing tensors" in html for html in shown) >= 2


def commands() -> list[str]:
    from typer.main import get_command

    return list(get_command(app).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", commands())
def test_every_command_is_documented(command: str) -> None:
    assert f"splittool {command}" in examples()[command]
    assert re.search(rf"splittool {command} |`{command}`", text_of("README.md"))


LINK = re.compile(
    r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)$", re.M
)


def prose(text: str) -> str:
    """A document without its blocks of code."""
    return re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)


def anchors(text: str) -> set[str]:
    """What its headings are called in links, as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", prose(text), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(name: str) -> Iterator[str]:
    for groups in LINK.findall(prose(text_of(name))):
        yield next(filter(None, groups))


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    for link in links(name):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), f"{name} links to {link}"
        if anchor:
            assert anchor in anchors(target.read_text()), f"{name} links to {link}"


def test_links_are_found() -> None:
    assert {"architecture.md", "../CONTRIBUTING.md"} & {
        link for name in NAMES for link in links(name)
    }


@pytest.mark.parametrize("name", NAMES)
def test_python_is_python(name: str) -> None:
    for number, block in enumerate(
        re.findall(r"^```python\n(.*?)^```", text_of(name), re.M | re.S)
    ):
        compile(block, f"{name}, block {number}", "exec")


@pytest.mark.usefixtures("one_thread", "trained")
def test_python_runs(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    for number, block in enumerate(python_blocks("docs/python.md")):
        exec(compile(block, f"docs/python.md, block {number}", "exec"), names)
    assert "did you mean 'maxpool_2'" in capsys.readouterr().out


@pytest.fixture
def trained(tmp_path: Path, steel: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder holds a network and images, as the tutorial makes them."""
    shutil.copytree(steel, tmp_path / "steel")
    shutil.copy(models / "tiny.pt", tmp_path / "unet.pt")
    monkeypatch.chdir(tmp_path)


def python_blocks(name: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", text_of(name), re.MULTILINE | re.DOTALL)


def test_readme_is_short_and_names_the_paper_first() -> None:
    text = text_of("README.md")
    assert len(text.split()) <= 900
    assert 0 < text.index("Splitted Neural Networks") < text.lower().index("the paper")


def test_layers_are_those_of_the_architecture_page() -> None:
    table = text_of("docs/architecture.md").partition("<!-- layers -->")[2].partition("\n\n")[0]
    rows = [set(re.findall(r"`(\w+)`", row)) for row in table.splitlines() if row[2:3].isdigit()]
    assert rows == LAYERS


def test_api_page_documents_what_there_is() -> None:
    names = re.findall(r"^\.\. auto(?:module|class):: (\S+)", text_of("docs/api.md"), re.MULTILINE)
    assert len(names) > 10
    for name in names:
        pkgutil.resolve_name(name)


def test_every_benchmark_is_listed() -> None:
    text = text_of("benchmarks/README.md")
    for script in (ROOT / "benchmarks").glob("*.py"):
        assert f"({script.name})" in text


def test_drawing_is_up_to_date() -> None:
    """And says of the cut at maxpool_2 what the paper's tables do."""
    tool = [sys.executable, str(ROOT / "tools" / "drawing.py"), "--check"]
    result = subprocess.run(tool, capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    assert "5,324,800 elements" in text_of("docs/unet-cut.svg")


def test_the_page_of_operations_is_up_to_date() -> None:
    tool = [sys.executable, str(ROOT / "tools" / "operations.py"), "--check"]
    result = subprocess.run(tool, capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr


def avoided_words() -> list[str]:
    """The last column of the glossary."""
    rows = [line.split("|") for line in text_of("docs/glossary.md").splitlines() if "|" in line]
    words = [word.strip() for row in rows[2:] for word in row[-2].split(",")]
    return [word for word in words if word]


def test_one_word_for_one_thing() -> None:
    avoided = re.compile(rf"\b({'|'.join(avoided_words())})s?\b", re.IGNORECASE)
    texts = [name for name in NAMES if name != "docs/glossary.md"]
    texts += [str(path.relative_to(ROOT)) for path in (ROOT / "splittool").rglob("*.py")]
    found = [(name, *avoided.findall(text_of(name))) for name in texts]
    assert [words for words in found if len(words) > 1] == []
