# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print the SBOM of a tarball of the collection: the tarball and its digest, and what has to be installed beside it."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import yaml
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)([^#;\s]*)", re.MULTILINE)
RANGE = "progressive.istio:version-range"
SCHEMA = SchemaVersion.V1_6


def bom(tarball: Path) -> Bom:
    """The same for the same tarball: without a time, and with a serial number made from its digest."""
    digest = hashlib.sha256(tarball.read_bytes()).hexdigest()
    with tarfile.open(tarball) as members:
        about = json.loads(_read(members, "MANIFEST.json"))["collection_info"]
        runtime = yaml.safe_load(_read(members, "meta/runtime.yml"))
        libraries = _read(members, "meta/ee-requirements.txt").decode()
    name = f"{about['namespace']}.{about['name']}"
    root = Component(
        name=name,
        version=about["version"],
        type=ComponentType.LIBRARY,
        bom_ref=name,
        description=about["description"],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
        licenses=[LicenseExpression("GPL-3.0-or-later")],
        external_references=[ExternalReference(type=ExternalReferenceType.VCS, url=XsUri(about["repository"]))],
    )
    found = Bom(serial_number=uuid5(NAMESPACE_URL, digest), components=_required(about, runtime, libraries))
    found.metadata.component = root
    found.metadata.timestamp = None
    found.register_dependency(root, found.components)
    return found


def _required(about: dict[str, Any], runtime: dict[str, Any], libraries: str) -> Iterator[Component]:
    """What users install beside the tarball: which version is up to them, so each has a range of versions instead."""
    for name, versions in about["dependencies"].items():
        yield _component(name, versions)
    for name, versions in [("ansible-core", runtime["requires_ansible"]), *REQUIREMENT.findall(libraries)]:
        yield _component(name, versions, PackageURL("pypi", name=name.lower()))


def _component(name: str, versions: str, purl: PackageURL | None = None) -> Component:
    range_ = Property(name=RANGE, value=versions)
    return Component(name=name, type=ComponentType.LIBRARY, bom_ref=name, purl=purl, properties=[range_])


def _read(members: tarfile.TarFile, name: str) -> bytes:
    file = members.extractfile(name)
    assert file is not None, f"{name} is no file"
    return file.read()


if __name__ == "__main__":
    text = make_outputter(bom(Path(sys.argv[1])), OutputFormat.JSON, SCHEMA).output_as_string(indent=2)
    wrong = JsonStrictValidator(SCHEMA).validate_str(text)
    if wrong is not None:
        sys.exit(f"The SBOM does not fit CycloneDX's schema: {wrong}")
    print(text)
