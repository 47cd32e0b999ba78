"""The Django application in LMS and Studio: it listens for scores that arrive."""

from typing import ClassVar

from django.apps import AppConfig


class NengliApp(AppConfig):
    """Found by edx-platform through the entry points `lms.djangoapp` and `cms.djangoapp`. It has no tables."""

    name = "nengli_xblock"
    verbose_name = "Nengli"
    plugin_app: ClassVar[dict[str, object]] = {}

    def ready(self) -> None:
        """Hours and points that the tool reports are kept from now on. Without the LTI consumer there are none."""
        from nengli_xblock import compat  # noqa: PLC0415 - its models exist only once all applications are loaded

        compat.listen()
