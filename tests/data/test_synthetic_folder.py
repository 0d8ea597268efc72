from pathlib import Path

import numpy as np
import pytest

from splittool.data.kaggle import read_folder
from splittool.data.synthetic import generate
from splittool.data.synthetic_folder import write_synthetic
from splittool.errors import OutputError, UsageError


def _content(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_the_folder_reads_back_as_it_was_drawn(steel: Path) -> None:
    samples, classes = read_folder(steel)
    assert classes == ("1", "2", "3", "4")
    assert len(samples) == 12
    for index, sample in enumerate(samples):
        grey, masks = generate(0, index, 64, 96)
        assert np.array_equal(sample.masks(classes), masks)
        read = sample.image()
        assert np.ptp(read, axis=2).max() == 0  # grey
        assert np.abs(read[..., 0].astype(int) - grey).mean() < 4  # JPEG is lossy


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_synthetic(tmp_path / name, 3, 32, 48, seed)
    assert _content(tmp_path / "a") == _content(tmp_path / "b") != _content(tmp_path / "c")


def test_the_report_counts_what_was_written(tmp_path: Path) -> None:
    told: list[tuple[float, float]] = []
    report = write_synthetic(
        tmp_path / "s", 8, 64, 96, 5, progress=lambda done, total, _: told.append((done, total))
    )
    samples, classes = read_folder(tmp_path / "s")
    assert told == [(done, 8) for done in range(9)]
    assert report.images == 8
    assert report.clean_images == sum(not sample.runs for sample in samples)
    shown = {name: sum(name in sample.runs for sample in samples) for name in classes}
    assert report.images_per_class == shown
    share = np.mean([sample.masks(classes).mean(axis=(1, 2)) for sample in samples], axis=0)
    assert list(report.pixel_share_per_class.values()) == pytest.approx(list(share))


def test_a_data_set_is_replaced_only_by_force(tmp_path: Path) -> None:
    write_synthetic(tmp_path / "s", 4, 32, 48, 0)
    before = _content(tmp_path / "s")
    with pytest.raises(OutputError, match="`force`"):
        write_synthetic(tmp_path / "s", 2, 32, 48, 1)
    assert _content(tmp_path / "s") == before
    write_synthetic(tmp_path / "s", 2, 32, 48, 1, force=True)
    assert len(_content(tmp_path / "s")) == 3


def test_a_folder_with_something_else_is_never_written_to(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").touch()
    with pytest.raises(OutputError, match=r"holds thesis\.doc"):
        write_synthetic(tmp_path, 2, 32, 48, 0, force=True)
    with pytest.raises(OutputError, match="is a file"):
        write_synthetic(tmp_path / "thesis.doc", 2, 32, 48, 0, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]


def test_nothing_is_left_behind_when_drawing_stops(tmp_path: Path) -> None:
    def stop(done: float, total: float, what: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_synthetic(tmp_path / "s", 4, 32, 48, 0, progress=stop)
    assert not (tmp_path / "s").exists()


def test_a_size_too_small_makes_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="too small"):
        write_synthetic(tmp_path / "s", 4, 16, 48, 0)
    assert not (tmp_path / "s").exists()
