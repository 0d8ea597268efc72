import json
from pathlib import Path

import pytest
from PIL import Image

from splittool.plots import training_curves


def record(epoch: int, loss: float, dice: float | None) -> dict[str, object]:
    part = {"loss": loss, "dice": dice}
    return {"epoch": epoch, "train": part, "validation": part}


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_curves_are_drawn(suffix: str, tmp_path: Path) -> None:
    history = [record(1, 60.0, None), record(2, 1.0, 0.2), record(3, 0.9, 0.4), record(4, 0.8, 0.5)]
    path = tmp_path / f"curves.{suffix}"
    training_curves(json.loads(json.dumps(history)), path)
    if suffix == "png":
        with Image.open(path) as image:
            assert image.size == (1200, 480)
    else:
        assert "validation peak of 60 cut off" in path.read_text() or "<svg" in path.read_text()
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
