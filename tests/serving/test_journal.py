"""The file of results is one process's at a time, and is let go whatever happens."""

from pathlib import Path

import pytest

from splittool.errors import OutputError
from splittool.serving.journal import FILE_NAME, Heading, Results

HEADING = Heading("0" * 64, ["1"], ["a.png"], 0.5)


def test_one_at_a_time(tmp_path: Path) -> None:
    with (
        Results(tmp_path, HEADING),
        pytest.raises(OutputError, match="in use by another process; wait for it"),
    ):
        Results(tmp_path, HEADING)
    with Results(tmp_path, HEADING) as again:
        assert again.done == 0
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_one_that_is_refused_is_let_go(tmp_path: Path) -> None:
    Results(tmp_path, HEADING).close()
    other = Heading("1" * 64, ["1"], ["a.png"], 0.5)
    for _ in range(2):
        with pytest.raises(OutputError, match="results of another cut"):
            Results(tmp_path, other)
    Results(tmp_path, HEADING).close()
