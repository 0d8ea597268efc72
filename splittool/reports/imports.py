"""A data set that was brought into Kaggle's layout."""

from typing import TYPE_CHECKING, Literal

import msgspec

from splittool.reports.base import FileRecord, Report
from splittool.tables import make_table, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType


class ImportReport(Report, tag="splittool.import/1"):
    """A data set that was brought into Kaggle's layout.

    `annotations` is the COCO file and `crowd_regions` the number of its regions that stand for a
    crowd; both are null for folders of masks. `classes_without_masks` are named by the source and
    drawn on no image; the data set does not have them.
    """

    format: Literal["coco", "masks"]
    source: str
    folder: str
    annotations: FileRecord | None = None
    crowd_regions: int | None = None
    images: int = 0
    clean_images: int = 0
    images_per_class: dict[str, int] = msgspec.field(default_factory=dict)
    pixel_share_per_class: dict[str, float] = msgspec.field(default_factory=dict)
    classes_without_masks: list[str] = msgspec.field(default_factory=list)

    def tables(self) -> "Sequence[RenderableType]":
        """How many images show each class, and the share of all pixels that it covers."""
        rows = [
            [name, str(images), f"{self.pixel_share_per_class[name]:.3%}"]
            for name, images in self.images_per_class.items()
        ]
        rows.append(["none", str(self.clean_images), ""])
        title = f"{self.images} images of {self.source} in {self.folder}"
        tables: list[RenderableType] = [make_table(title, ["class", "images", "pixels"], rows)]
        if self.classes_without_masks:
            names = printable(", ".join(self.classes_without_masks))
            tables.append(f"classes without a mask, left out: {names}")
        return tables
