"""`splittool data import`: what it makes can be trained on, and names of classes arrive."""

import json
from pathlib import Path

import pytest
from PIL import Image

from splittool.cli.main import run
from splittool.reports import ImportReport, decode

SQUARE = [8, 8, 40, 8, 40, 40, 8, 40]


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """A COCO folder of six images, four of them with a square of one of two classes."""
    folder = tmp_path / "coco"
    folder.mkdir()
    images, regions = [], []
    for number in range(6):
        picture = Image.new("L", (96, 64), 60)
        if number % 3:
            picture.paste(200, (8, 8, 40, 40))
            region = {"image_id": number, "category_id": number % 3, "segmentation": [SQUARE]}
            regions.append({"id": number, **region})
        picture.save(folder / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "height": 64, "width": 96})
    categories = [{"id": 1, "name": "fine crack"}, {"id": 2, "name": "rust, red"}]
    content = {"images": images, "annotations": regions, "categories": categories}
    (folder / "instances.json").write_text(json.dumps(content))
    return folder


def test_import_prints_a_report(coco: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    target = coco.parent / "steel"
    assert run(["data", "import", "coco", str(coco), "-o", str(target)]) == 0
    report = decode(capfdbinary.readouterr().out, "it", ImportReport)
    assert report.images_per_class == {"fine crack": 2, "rust, red": 2}
    assert report.annotations is not None
    assert report.annotations.path.endswith("instances.json")


def test_names_of_classes_arrive_in_predictions(
    coco: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(coco.parent)
    commands = (
        "data import coco coco -o steel",
        "train steel -o unet.pt --epochs 1 --quiet",
        "export unet.pt -o unet.xml",
        "infer unet.xml steel/train_images -o out --threshold 0",
    )
    for command in commands:
        assert run(command.split()) == 0, capfd.readouterr().err
    report = json.loads((coco.parent / "out" / "report.json").read_bytes())
    assert set(report["scores"]["dice_per_class"]) == {"fine crack", "rust, red"}
    predicted = (coco.parent / "out" / "predictions.csv").read_text()
    assert '"rust, red"' in predicted


def test_masks_are_imported(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("images", "masks"):
        (tmp_path / "in" / name).mkdir(parents=True)
        Image.new("L", (6, 4), 3).save(tmp_path / "in" / name / "a.png")
    command = ["data", "import", "masks", str(tmp_path / "in"), "-o", str(tmp_path / "out")]
    assert run([*command, "--ignore", "255"]) == 0
    assert json.loads(capfd.readouterr().out)["images_per_class"] == {"3": 1}
    assert run(command) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert "exists; give --force" in line
    assert run([*command, "--force"]) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ("data import coco gone -o out", 3, "there is no folder gone"),
        ("data import masks gone -o out", 3, "there is no folder gone/images"),
        ("data import masks gone", 3, "there is no folder gone/images"),
        ("data import voc gone", 2, "voc"),
        ("data import masks gone -o out --ignore 0", 2, "--ignore"),
    ],
)
def test_bad_input_is_one_line(
    arguments: str,
    code: int,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(arguments.split()) == code
    (line,) = capfd.readouterr().err.splitlines()
    assert words in line
