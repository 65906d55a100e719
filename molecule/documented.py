"""What a module documents: its examples and the structure of its results."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

MODULES = Path(__file__).resolve().parents[1] / "plugins" / "modules"
TYPES: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "float": (int, float),
    "bool": bool,
    "list": list,
    "dict": dict,
}
# What Ansible itself adds to results.
ANSIBLES = {"changed", "failed", "invocation", "diff", "warnings", "deprecations", "exception"}


@dataclass(frozen=True)
class Documented:
    """A module's documentation."""

    name: str
    options: dict[str, Any]
    examples: str
    returned: dict[str, Any]

    @property
    def fqcn(self) -> str:
        return f"progressive.istio.{self.name}"


def read(name: str) -> Documented:
    """That of the module with this name."""
    module = MODULES / f"{name}.py"
    texts = {
        ast.unparse(node.targets[0]): ast.literal_eval(node.value)
        for node in ast.parse(module.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in {"DOCUMENTATION", "EXAMPLES", "RETURN"}
    }
    documentation = yaml.safe_load(texts["DOCUMENTATION"])
    options = documentation.get("options", {})
    for fragment in documentation["extends_documentation_fragment"]:
        options = shared_options(*fragment.split(".")[2:]) | options
    return Documented(module.stem, options, texts["EXAMPLES"], yaml.safe_load(texts["RETURN"]))


def shared_options(file: str, part: str = "DOCUMENTATION") -> dict[str, Any]:
    """The options of a fragment of the documentation."""
    body = ast.walk(ast.parse((MODULES.parent / "doc_fragments" / f"{file}.py").read_text(encoding="utf-8")))
    texts = (
        node.value for node in body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == part.upper()
    )
    return yaml.safe_load(ast.literal_eval(next(texts))).get("options") or {}


def strangers(keys: dict[str, Any], result: dict[str, Any], failed: bool) -> list[str]:
    """How a result differs from what is documented of it; failed: whether the task has failed."""
    found = [f"{key} is not documented" for key in result if key not in keys and key not in ANSIBLES and key[0] != "_"]
    for key, about in keys.items():
        returned = about.get("returned", "always")
        if key in result:
            found += [f"{key}{problem}" for problem in mismatches(about, result[key])]
        elif returned == "always" or returned == ("failure" if failed else "success"):
            found.append(f"{key} is missing, and is returned: {returned}")
    return found


def mismatches(about: dict[str, Any], value: Any) -> list[str]:
    """How a value differs from what is documented of it."""
    if value is None:
        return []
    if not isinstance(value, TYPES[about["type"]]) or (isinstance(value, bool) and about["type"] != "bool"):
        return [f" is {value!r} and should be of type {about['type']}"]
    items = value if isinstance(value, list) else [value]
    if "elements" in about:
        element = {"type": about["elements"]}
        odd = [f"'s element{problem}" for item in items for problem in mismatches(element, item)]
        if odd:
            return odd
    if "contains" in about:
        return [f".{problem}" for item in items for problem in strangers(about["contains"], item, failed=False)]
    return []


def unlike(sample: Any, real: list[Any]) -> list[str]:
    """Fields of a sample that no real value has, and the other way round, where values have named fields."""
    samples, values = _fields(sample), [_fields(value) for value in real]
    if not samples or not any(values):
        return []
    seen = set().union(*values)
    return [f"{field} is in the sample only" for field in sorted(samples - seen)] + [
        f"{field} is not in the sample" for field in sorted(set.intersection(*filter(None, values)) - samples)
    ]


def _fields(value: Any) -> set[str]:
    """The names in a dictionary, or in those of a list; the name of a thing, such as a version, is no field."""
    items = value if isinstance(value, list) else [value]
    return {
        str(key) for item in items if isinstance(item, dict) for key in item if not re.fullmatch(r"v\d+|\d+", str(key))
    }
