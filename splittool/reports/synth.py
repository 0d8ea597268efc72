"""A folder of synthetic steel."""

from typing import TYPE_CHECKING

from splittool.reports.base import Report
from splittool.tables import make_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType


class SynthReport(Report, tag="splittool.synth/1"):
    """A folder of synthetic steel."""

    folder: str
    images: int
    clean_images: int
    height: int
    width: int
    seed: int
    images_per_class: dict[str, int]
    pixel_share_per_class: dict[str, float]

    def tables(self) -> "Sequence[RenderableType]":
        """How many images show each class, and the share of all pixels that it covers."""
        rows = [
            [name, str(images), f"{self.pixel_share_per_class[name]:.3%}"]
            for name, images in self.images_per_class.items()
        ]
        rows.append(["none", str(self.clean_images), ""])
        title = f"{self.images} images of {self.height}x{self.width} in {self.folder}"
        return [make_table(title, ["class", "images", "pixels"], rows)]
