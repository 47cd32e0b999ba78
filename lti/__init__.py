"""The tool side of LTI 1.3 and its services. Knows platforms, launches, columns and scores; nothing of learning.

Outsiders write `import lti; lti.x(...)`.
"""

from lti.models import (
    AccessToken,
    DeliveryState,
    Deployment,
    KeySet,
    LaunchLog,
    LineItem,
    LineItemKind,
    LoginState,
    Offer,
    Platform,
    ResourceLink,
    ScoreDelivery,
    ToolKey,
)

__all__ = [
    "AccessToken",
    "DeliveryState",
    "Deployment",
    "KeySet",
    "LaunchLog",
    "LineItem",
    "LineItemKind",
    "LoginState",
    "Offer",
    "Platform",
    "ResourceLink",
    "ScoreDelivery",
    "ToolKey",
]
