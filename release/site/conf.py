# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx's settings for `make docs-site`. It reads nothing from the network, so it maps no other site."""

from __future__ import annotations

import json
from pathlib import Path

# Sphinx reads the content of the tarball, so a link that is dead there fails the build.
ABOUT = json.loads((Path(__file__).parent / "MANIFEST.json").read_text(encoding="utf-8"))["collection_info"]

project = f"{ABOUT['namespace']}.{ABOUT['name']}"
project_copyright = "Contributors to the progressive.istio project"
version = release = ABOUT["version"]
html_title = html_short_title = f"{project} {version}"

extensions = ["myst_parser", "sphinx_antsibull_ext"]
exclude_patterns = ["README.md"]  # it is the front page, inside of index.md
suppress_warnings = ["ref.ref", "ref.envvar"]  # what Ansible's own pages define, which are elsewhere
myst_heading_anchors = 3
highlight_language = "none"
pygments_style = "ansible"

html_theme = "sphinx_rtd_theme"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
