# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the module `canary`, and the request that they make, or all mistakes in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .._analysis.spec import ANALYSIS
from .._common.values import from_json
from .._k8s.auth import AUTH_ARGUMENTS
from .._preflight.checks import NAMES
from .._release.hints import Hints
from .._release.lease import has_ended
from .._release.model import Command, Run, Want
from .._release.plan import InvalidPlan, Plan, validate
from .._rollout.context import Request
from .._rollout.snapshot import FOLLOWERS_OPTION, ROUTES_OPTION, Refused, Target
from .._routing.hosts import short_name

if TYPE_CHECKING:  # not needed to run where nothing is judged
    from .._analysis.criteria import Criteria

Params = dict[str, Any]

ARGUMENTS: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str", "default": "default"},
    "stable": {"type": "str", "required": True},
    "canary": {"type": "str", "required": True},
    "routes": ROUTES_OPTION,
    "virtual_services": FOLLOWERS_OPTION,
    "destination_host": {"type": "str"},
    "state": {
        "type": "str",
        "choices": ["weighted", "advanced", "promoted", "rolled_back", "held", "cleaned"],
        "default": "weighted",
    },
    "weight": {"type": "raw"},
    "steps": {"type": "raw"},
    "step_weight": {"type": "raw"},
    "max_weight": {"type": "raw"},
    "interval": {"type": "raw", "default": 60},
    "on_failure": {"type": "str", "choices": ["rollback", "hold", "step_down"], "default": "rollback"},
    "confirm": {"type": "bool", "default": False},
    "adopt": {"type": "bool", "default": False},
    "reason": {"type": "str", "default": ""},
    "force": {"type": "bool", "default": False},
    "watch": {"type": "int"},
    "drain": {"type": "int", "default": 60},
    "min_ready": {"type": "int"},
    "wait_timeout": {"type": "int", "default": 120},
    "proof": {"type": "str", "choices": ["all", "gateways", "none"], "default": "all"},
    "proof_timeout": {"type": "float", "default": 30},
    "skip_checks": {"type": "list", "elements": "str", "default": []},
    "analysis": {"type": "dict", "options": ANALYSIS},
    "samples": {"type": "bool", "default": False},
    "playbook_options": {"type": "str"},
    "run": {
        "type": "dict",
        "options": {
            "id": {"type": "str", "required": True},
            "who": {"type": "str"},
            "host": {"type": "str"},
            "pid": {"type": "int"},
            "boot": {"type": "str"},
            "pid_namespace": {"type": "str"},
            "start": {"type": "str"},
            "progress": {"type": "path"},
        },
    },
}
SPEC: dict[str, Any] = {
    "argument_spec": AUTH_ARGUMENTS | ARGUMENTS,
    "required_if": [("state", "weighted", ("weight",))],
}
PLAN = ("stable", "canary", "weight", "steps", "step_weight", "max_weight", "interval", "on_failure")
# What a rollback ignores, and what it can do without: a mistake in either keeps no requests on the canary.
NOT_FOR_ROLLBACK = (
    *("weight", "steps", "step_weight", "max_weight", "interval", "on_failure", "confirm", "adopt", "watch", "drain"),
    *("skip_checks", "analysis", "samples"),
)
OPTIONAL_FOR_ROLLBACK = ("min_ready", "wait_timeout", "proof", "proof_timeout", "force", "virtual_services")
LEAST = {"watch": 0, "drain": 0, "min_ready": 0, "wait_timeout": 0, "proof_timeout": 0.1}
WANTS = {
    "promoted": Want.ADVANCED,  # a call raises once; the action plugin calls again until it is promoted
    "cleaned": Want.HELD,  # no weight changes
}

PLAYBOOKS = {
    **{"weighted": "canary", "promoted": "canary", "advanced": "advance"},
    **{"rolled_back": "rollback", "held": "hold", "cleaned": "cleanup"},
}


def for_rollback(arguments: Params) -> tuple[dict[str, Any], list[str]]:
    """The options without those that a rollback does not need, and the mistakes in those for which it has a default."""
    kept = {name: value for name, value in arguments.items() if name not in NOT_FOR_ROLLBACK}
    mistakes = []
    for name in [each for each in OPTIONAL_FOR_ROLLBACK if each in kept]:
        checked = ArgumentSpecValidator({name: ARGUMENTS[name]}).validate({name: kept[name]})
        if checked.error_messages:
            mistakes.append("; ".join(checked.error_messages))
            del kept[name]
    return kept, mistakes


def criteria_of_options(params: Params) -> tuple[Criteria | None, list[str]]:
    """What a step is judged by, and the mistakes in that."""
    if params["analysis"] is None or params["state"] not in ("advanced", "promoted"):
        return None, []
    from .._analysis.criteria import InvalidCriteria
    from .._watch.judge import criteria_of

    try:
        return criteria_of(
            params["analysis"], params["proof"], params["watch"] == 0 and params["state"] == "advanced"
        ), []
    except InvalidCriteria as invalid:
        return None, list(invalid.mistakes)


def plan_of_options(params: Params, others: list[str]) -> tuple[Plan | None, list[str]]:
    """What is asked for, or all mistakes. A rollback needs to know the versions, and no more."""
    versions = {name: short_name(params[name] or "", params["namespace"]) for name in ("stable", "canary")}
    options = {name: params[name] for name in PLAN} | {"steps": _steps(params["steps"])} | versions
    mistakes = [
        f"{name} is {params[name]}: it must be at least {least}"
        for name, least in LEAST.items()
        if params[name] is not None and params[name] < least
    ]
    mistakes += [*others, *_twice(params)]
    mistakes += [
        f"skip_checks has {name}: it must be one of {', '.join(NAMES)}"
        for name in params["skip_checks"]
        if name not in NAMES
    ]
    if params["state"] == "rolled_back":
        options, mistakes = dict(versions), []
        for name, least in LEAST.items():
            params[name] = params[name] if params[name] is None else max(least, params[name])
    try:
        plan = validate(**options)
    except InvalidPlan as invalid:
        return None, [*invalid.mistakes, *mistakes]
    return (None if mistakes else plan), mistakes


def _twice(params: Params) -> list[str]:
    """VirtualServices that are named more than once, of which each can have only one place in a release."""
    namespace = params["namespace"]
    places = [(params["name"], namespace)]
    places += [(each["name"], each["namespace"] or namespace) for each in params["virtual_services"]]
    again = dict.fromkeys(each for each in places if places.count(each) > 1)
    return [f"VirtualService {where}/{name} is named twice, by name and virtual_services" for name, where in again]


def _steps(given: object) -> object:
    """Steps from the command line come as text, either 5,20,50 or as JSON."""
    if not isinstance(given, str):
        return given
    try:
        return from_json(given)
    except ValueError:
        return given.split(",")


def _hints(params: Params, plan: Plan) -> Hints:
    given = (f"-e weight={plan.weight}",) if params["state"] == "weighted" else ()
    return Hints(params["playbook_options"], PLAYBOOKS[params["state"]], given)


def request_of_options(
    params: Params, check: bool, target: Target, plan: Plan, criteria: Criteria | None, run: Run
) -> Request:
    """The request. Raises Refused if the run in the name of which it is made has ended."""
    if has_ended(run):
        raise Refused([f"the run {run.id} that asked, process {run.pid}, has ended: nothing is done in its name"])
    want = WANTS.get(params["state"]) or Want(params["state"])
    moving = want is Want.ADVANCED
    others_follow = params["state"] == "promoted" and params["run"] is not None  # calls of the same run
    command = Command(
        want,
        run,
        weight=plan.weight,
        confirm=params["confirm"],
        adopt=params["adopt"],
        evidence=criteria is not None,
        why=params["reason"],
        force=params["force"],
        hints=_hints(params, plan),
    )
    return Request(
        target,
        plan,
        command,
        check=check,
        patience=params["wait_timeout"],
        drain=params["drain"] if params["state"] == "cleaned" else None,
        keep=others_follow or (moving and params["watch"] != 0 and (plan.interval > 0 or criteria is not None)),
        lasting=others_follow,
        watch=params["watch"] if moving else 0,
        skip=tuple(params["skip_checks"]),
        criteria=criteria,
        samples=params["samples"],
    )
