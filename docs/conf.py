"""How `make docs` builds the site: Markdown as it lies in the repository, and docstrings.

The source folder is the repository's root, so that links between documents hold on the site as they
do in a checkout.
"""

import splittool

project = "splittool"
author = "splittool's contributors"
release = splittool.__version__

root_doc = "docs/index"
include_patterns = [
    "docs/*.md",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "benchmarks/README.md",
]
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]

default_role = "code"  # what docstrings put in backquotes
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes once: as fields of the class, not as objects of their own
# An attribute called `bytes` or `type` makes every mention of the built-in ambiguous.
suppress_warnings = ["ref.python"]

html_theme = "furo"
html_title = f"splittool {release}"
html_show_sphinx = False
html_show_copyright = False
html_static_path: list[str] = []
