from typing import Any

import pytest
import torch

from splittool.errors import UsageError
from splittool.quantities import Size
from splittool.training.precision import choose_precision
from splittool.training.settings import make_settings


def test_recipes_fill_in_the_settings_and_changes_win() -> None:
    paper = make_settings("paper", epochs=7, seed=None)
    assert paper.options == {"activation": "elu", "norm": "none"}
    assert (paper.epochs, paper.seed, paper.learning_rate) == (7, 0, 1e-3)
    assert make_settings("balanced", learning_rate=0.1).learning_rate == 0.1
    with pytest.raises(UsageError, match="unknown recipe 'best'; give one of: balanced, paper"):
        make_settings("best")
    with pytest.raises(UsageError, match="unknown network 'vit'; give one of: unet"):
        make_settings("paper", arch="vit")


def test_a_recipe_has_options_for_each_network() -> None:
    found = {
        (recipe, arch): make_settings(recipe, arch=arch).options
        for recipe in ("balanced", "paper")
        for arch in ("unet", "fcn8s", "pspnet")
    }
    assert found["paper", "unet"] == {"activation": "elu", "norm": "none"}
    assert found["paper", "fcn8s"] == {"norm": "none"}
    assert found["paper", "pspnet"] == found["balanced", "pspnet"] == {}
    changed = make_settings("paper", {"activation": "relu", "norm": None})
    assert changed.options == {"activation": "relu", "norm": "none"}


@pytest.mark.parametrize(
    ("arch", "options", "words"),
    [
        ("pspnet", {"activation": "elu"}, "`activation` is not an option of pspnet; it has: width"),
        ("fcn8s", {"bottleneck": 8}, "`bottleneck` is not an option of fcn8s"),
        ("fcn8s", {"widths": [8, 8]}, "fcn8s cannot be built: it has 5 widths, not 2"),
        ("pspnet", {"widths": [8]}, "pspnet cannot be built: it has 4 widths, not 1"),
        ("unet", {"widths": [8, 0]}, r"`widths` \[8, 0\]: give numbers from 1 to 65535"),
        ("splitnet", {"depths": [1, 2, 101]}, r"`depths` .*: give numbers from 0 to 100"),
        ("splitnet", {"cloud_depths": [8]}, "3 levels need as many `cloud_depths`, not 1"),
        ("unet", {"cloud_depths": [1]}, "`cloud_depths` is not an option of unet; it has: widths"),
        ("unet", {"widths": [8, 65536]}, r"`widths` .*: give numbers from 1 to 65535"),
    ],
)
def test_options_a_network_does_not_have(arch: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        make_settings("balanced", options, arch=arch)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("inf"), float("nan")])
def test_learning_rates_that_cannot_be(rate: float) -> None:
    with pytest.raises(UsageError, match=r"`learning_rate` .* is out of range"):
        make_settings(learning_rate=rate)


def test_sizes_are_plain_in_files() -> None:
    """A checkpoint holds no classes of ours, which loading it would refuse."""
    assert type(make_settings(size=Size(64, 96)).size) is tuple


@pytest.mark.parametrize(
    ("given", "kept"),
    [("f32", "fp32"), ("fp32", "fp32"), ("bf16", "bf16"), ("f16", "fp16"), ("fp16", "fp16")],
)
def test_precisions_have_two_spellings_and_files_have_one(given: str, kept: str) -> None:
    assert make_settings(precision=given).precision == kept
    assert choose_precision(kept, torch.device("cuda")) == kept


def test_precisions_a_cpu_cannot_train_in() -> None:
    with pytest.raises(UsageError, match="unknown precision 'f8'; give one of: auto, f32, bf16, f"):
        make_settings(precision="f8")
    with pytest.raises(UsageError, match="a CPU does not train in f16"):
        choose_precision("fp16", torch.device("cpu"))
