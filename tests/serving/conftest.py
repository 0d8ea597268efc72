"""Servers and what calls them, all on this machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("grpc", reason="serving needs the extra 'serve'")
pytest.importorskip("tritonclient.grpc", reason="serving needs the extra 'serve'")

from splittool.serving.models import Place
from splittool.serving.server import Server, ServerOptions, embedded


@pytest.fixture(scope="module")
def server(cut_folder: Path) -> Iterator[Server]:
    """A server of the tiny cut, called `cut`, in this process."""
    places = [Place("cut", "1", cut_folder / "cut.json")]
    with embedded(places, ServerOptions(port=0)) as found:
        yield found
