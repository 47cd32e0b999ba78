"""What a gradebook opens behind a score: the `submissionReview` of a line item (LTI Submission Review 1.0)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lti.text import clean

_WHENEVER = ("Initialized", "Started", "InProgress", "Submitted", "Completed")  # of AGS's activityProgress


@dataclass(frozen=True)
class SubmissionReview:
    """Where a click on somebody's score leads. `url` must be an address that the registration knows (Moodle launches
    no other); `custom` comes back with the launch, which names the person itself."""

    label: str
    url: str
    custom: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        """As a line item carries it; the launch works however far the work is."""
        return {
            "reviewableStatus": list(_WHENEVER),
            "label": clean(self.label, 255),
            "url": self.url,
            "custom": dict(self.custom),
        }
