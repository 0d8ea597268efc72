"""A folder of synthetic steel."""

from splittool.reports.base import Report


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
