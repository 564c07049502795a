"""A workflow about washes, small enough for tests."""

from typing import Any

from libs.common.workflows import Workflow, parse_workflow


def wash_workflow(**changes: Any) -> Workflow:
    title = {"en": "a", "zh": "a"}
    values: dict[str, Any] = {
        "name": "handwash",
        "title": title,
        "task": "temporal",
        "procedure": {
            "steps": [
                {"name": "palm_to_palm", "title": title, "order": 1},
                {"name": "thumb", "title": title, "order": 2, "sides": "each"},
            ]
        },
        "cleaning": {"minimum_sharpness": 5, "approve": {"spot_check_share": 0.0}} | changes.pop("cleaning", {}),
    }
    return parse_workflow(values | changes, origin="test")
