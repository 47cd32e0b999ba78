"""Pictures that a page shows by the dozen: drawn here, as a template takes several times as long for each."""

from collections.abc import Sequence

from markupsafe import Markup

from lms_plugin.web.formats import translator

_FIVE = Markup(
    '<svg class="five" viewBox="0 0 100 12" preserveAspectRatio="none" width="100%%" height="14" role="img"'
    ' aria-label="%s"><rect class="track" y="1" width="100" height="10"/>'
    '<rect class="five-1" y="1" width="%.2f" height="10"/><rect class="five-2" y="1" width="%.2f" height="10"/>'
    '<rect class="five-3" y="1" width="%.2f" height="10"/><rect class="five-4" y="1" width="%.2f" height="10"/>'
    '<rect class="five-5" y="1" width="%.2f" height="10"/>%s</svg>'
)
_GOAL = Markup('<line class="goal" x1="%d" x2="%d" y1="0" y2="12" vector-effect="non-scaling-stroke"/>')


def stage_names() -> tuple[str, ...]:
    """The five stages of a bar, in the page's language."""
    _ = translator()
    return _("已登录"), _("已选点"), _("已提交"), _("合格"), _("优秀")


def five_bar(counts: Sequence[int], total: int, goal: int = 90, label: str = "") -> Markup:
    """The five stages as nested bars with a line at the goal (per cent of `total`), told in words to who cannot see it.

    `counts`: logged in ≥ chosen ≥ submitted ≥ passed ≥ excellent, of `total` people.
    """
    _ = translator()
    comma = _("，")
    told = "".join(f"{name} {count}{comma}" for name, count in zip(stage_names(), counts, strict=True))
    words = f"{label}{_('：') if label else ''}{told}{_('应参训')} {total}"
    widths = (min(100 * count / total, 100) if total else 0 for count in counts)
    return _FIVE % (words, *widths, _GOAL % (goal, goal) if goal else "")


_INTERVAL = Markup(
    '<svg class="five" viewBox="0 0 100 12" preserveAspectRatio="none" width="100%%" height="14" role="img"'
    ' aria-label="%s"><rect class="track" y="1" width="100" height="10"/>'
    '<rect class="five-3" x="%.2f" y="1" width="%.2f" height="10"/>'
    '<rect class="five-5" x="%.2f" y="1" width="1.6" height="10"/>%s</svg>'
)


def interval_bar(value: float, low: float, high: float, least: float, label: str = "") -> Markup:
    """A figure between 0 and 1 as a mark on its interval, with a line at the least that is good (`least`); told in
    words to who cannot see it. What lies below 0 is drawn at 0."""
    _ = translator()
    words = _(
        "%(label)s：%(value)s，多半在 %(low)s 到 %(high)s 之间，分界 %(least)s",
        label=label,
        value=f"{value:.2f}",
        low=f"{low:.2f}",
        high=f"{high:.2f}",
        least=f"{least:.2f}",
    )
    left, right, at = (100 * min(max(one, 0.0), 1.0) for one in (low, high, value))
    return _INTERVAL % (words, left, right - left, min(max(at - 0.8, 0), 98.4), _GOAL % (100 * least, 100 * least))


DRAWN = {"five_bar": five_bar, "interval_bar": interval_bar, "stage_names": stage_names}  # as templates call them
