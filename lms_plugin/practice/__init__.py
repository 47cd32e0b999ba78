"""A practice LMS: a small LTI 1.3 platform with invented people, so that the whole path runs on one machine.

It is a host, not a part of the product: it imports nothing of ours and knows the tool by its addresses alone.
"""

from lms_plugin.practice.app import create_practice, serve
from lms_plugin.practice.config import (
    COURSES,
    PEOPLE,
    PracticeConfig,
    PracticeCourse,
    PracticeLink,
    PracticePerson,
)

__all__ = [
    "COURSES",
    "PEOPLE",
    "PracticeConfig",
    "PracticeCourse",
    "PracticeLink",
    "PracticePerson",
    "create_practice",
    "serve",
]
