"""The sentences that are not in a template. English is the source; `translations/` has the Chinese."""

import gettext
from functools import cache
from pathlib import Path
from typing import Any

from django.utils.translation import get_language, to_locale


def _(text: str) -> str:
    """Marks a sentence for the catalogue."""
    return text


SENTENCES = {
    "anonymous": _("Sign in to the course to open this task."),
    "preview": _(
        "You look at this page as a learner. The tool opens for learners themselves; "
        "leave the preview to open it as yourself."
    ),
    "broken": _("This task cannot be opened now. Please tell your course team; what you handed in is kept."),
    "consumer_missing": _(
        "The LTI consumer is not installed on this site. Install it in LMS and Studio: "
        "pip install 'lti-consumer-xblock>=9.16.1,<12', add lti_consumer to INSTALLED_APPS, then restart both."
    ),
    "consumer_old": _(
        "The LTI consumer of this site (%(version)s) is too old. Upgrade it in LMS and Studio: "
        "pip install 'lti-consumer-xblock>=9.16.1,<12', run the migrations of lti_consumer, then restart both."
    ),
    "tool_missing": _(
        "This site does not know the address of Nengli yet. Set it in LMS and Studio: "
        "XBLOCK_SETTINGS['nengli'] = {'tool_url': 'https://nengli.example'} (Tutor: tutor config save --set "
        "NENGLI_TOOL_URL=https://nengli.example), then restart both."
    ),
    "tool_invalid": _(
        "The address of Nengli on this site is not one: %(address)s. It must begin with https:// and name a server; "
        "mend XBLOCK_SETTINGS['nengli']['tool_url'] in LMS and Studio, then restart both."
    ),
    "studio_only": _("This can be changed in Studio only."),
    "no_account": _("Studio does not say who you are. Sign in to Studio again."),
    "no_right": _("Only who may change this course in Studio can choose. Ask the course team to add you."),
    "picker_broken": _("The page to choose from cannot be opened now. Try again; the LMS's log says why."),
    "title_long": _("The title is longer than 200 letters."),
    "weight_wrong": _("Points in the gradebook must be a number from 0 to 1000."),
    "choice_wrong": _("What was chosen cannot be read. Choose again."),
}


def translated(i18n: Any, source: str) -> str:
    """A marked sentence in the reader's language. Platforms' services still differ in the name of the function."""
    translate = getattr(i18n, "gettext", None) or getattr(i18n, "ugettext", None)
    words = str(translate(source)) if translate is not None else source
    return words if words != source else _own(get_language() or "en").gettext(source)


@cache
def _own(language: str) -> gettext.NullTranslations:
    """What the block brings along. edx-platform's service looks there too, but no more once a site has fetched
    translations of its own for its blocks (OEP-58): then it knows of ours only what is in those."""
    folder = Path(__file__).parent / "translations"
    return gettext.translation("text", folder, [to_locale(language)], fallback=True)


def sentence(i18n: Any, code: str, **params: object) -> str:
    """A sentence in the reader's language."""
    words = translated(i18n, SENTENCES[code])
    return words % params if params else words
