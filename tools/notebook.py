"""Run examples/split.ipynb and keep what it showed.

python tools/notebook.py

The cells run in this process and in a temporary folder; no Jupyter is needed.
"""

import ast
import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

FILE = Path(__file__).resolve().parent.parent / "examples" / "split.ipynb"


def main() -> None:
    """Run all cells and write the notebook with their outputs."""
    notebook = json.loads(FILE.read_text())
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        run_notebook(notebook)
    FILE.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


def run_notebook(notebook: dict[str, Any]) -> list[dict[str, str]]:
    """Run the cells in the current folder, and put into each what it showed.

    Args:
        notebook: In format 4, as read from its file.

    Returns:
        What the cells showed: text and, where there is one, HTML, by MIME type.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    shown = []
    for number, cell in enumerate(code_cells(notebook), start=1):
        value = run_cell("".join(cell["source"]), f"{FILE.name}, cell {number}", names)
        cell["execution_count"], cell["outputs"] = number, []
        if value is not None:
            data = display(value)
            shown.append(data)
            cell["outputs"].append(
                {
                    "output_type": "execute_result",
                    "execution_count": number,
                    "data": {kind: text.splitlines(keepends=True) for kind, text in data.items()},
                    "metadata": {},
                }
            )
    return shown


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """The cells that run."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def run_cell(source: str, name: str, names: dict[str, Any]) -> Any:
    """Run a cell; the value of its last line if that is an expression."""
    tree = ast.parse(source, name)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), names)
    if not isinstance(last, ast.Expr):
        return None
    return eval(compile(ast.Expression(last.value), name, "eval"), names)


def display(value: Any) -> dict[str, str]:
    """A value as a notebook shows it; the text is the name alone where there is HTML."""
    html = getattr(value, "_repr_html_", None)
    if html is None:
        return {"text/plain": repr(value)}
    return {"text/plain": f"<{type(value).__name__}>", "text/html": html()}


if __name__ == "__main__":
    os.environ["COLUMNS"] = "100"
    main()
