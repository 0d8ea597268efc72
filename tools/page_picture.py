"""A picture of a page, for the documents.

    python tools/page_picture.py decision.html docs/decision.webp

Needs Debian's chromium; the page should be of synthetic images.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

SIZE = (1100, 1330)  # down to the end of the bars of times


def main() -> None:
    """Take the picture: the top of the page, as a person sees it."""
    from PIL import Image

    page, target = map(Path, sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "page.png"
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        size = f"--window-size={SIZE[0]},{SIZE[1]}"
        wait = "--virtual-time-budget=10000"
        command = ["chromium", *options, size, wait, f"--screenshot={shot}"]
        subprocess.run([*command, page.resolve().as_uri()], check=True, capture_output=True)
        picture = Image.open(shot).convert("RGB")
    picture.save(target, quality=80)


if __name__ == "__main__":
    main()
