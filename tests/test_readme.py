"""The README's chain runs as written, only smaller."""

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SMALLER = {
    "--images 64": "--images 12 --size 64x96",
    "--epochs 20 --crop 256x384": "--epochs 1 --workers 0",
    "--minutes 30": "--minutes 0.002 --warmup 0",
}


def chain_blocks() -> list[str]:
    text = (ROOT / "README.md").read_text()
    return re.findall(r"<!-- chain -->\n```sh\n(.*?)```", text, re.DOTALL)


def test_chain_runs_as_written(tmp_path: Path, bin_folder: Path) -> None:
    blocks = chain_blocks()
    assert len(blocks) == 2
    script = "\n".join(blocks)
    for written, smaller in SMALLER.items():
        assert written in script
        script = script.replace(written, smaller)
    result = subprocess.run(
        ["sh", "-eu", "-c", script],
        cwd=tmp_path,
        env={
            **os.environ,
            "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    for name in ("unet.pt", "unet.xml", "cut.json", "cut-3/cut.json", "out/report.json"):
        assert (tmp_path / name).is_file()


def test_every_command_is_described() -> None:
    from typer.main import get_command

    from splittool.cli.main import app

    text = (ROOT / "README.md").read_text()
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert [name for name in commands if f"| `{name}` |" not in text] == []
