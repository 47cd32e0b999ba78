"""The tool side of LTI 1.3 and its services. Knows platforms, launches, columns and scores; nothing of learning.

Outsiders write `import lti; lti.x(...)`. A launch takes two calls: `begin_login`, then `receive_launch`, which may
want `refresh_keys` first (its own short transactions, HTTP between them); `log_launch` says how it ended. A service
call takes three steps: `service_client` (in a transaction), methods of the client (HTTP, in none),
`ServiceClient.keep` (in a transaction; none is needed where the client was given `sessions`).
"""

from lti import returning
from lti.bearer import forget_refusals
from lti.claims import Launch
from lti.deep_linking import Column as LinkColumn
from lti.deep_linking import ContentItem, DeepLinking
from lti.deep_linking import answer as answer_deep_linking
from lti.history import MOST_COUNTED, Wanted, reference_of
from lti.history import count as count_launches
from lti.history import row as launch_row
from lti.history import rows as launch_rows
from lti.hosts import Outcome
from lti.hosts import added as with_query
from lti.keys import decrypt, encrypt, ensure_tool_key, rotate_key, rotate_when_due, tool_jwks
from lti.keysets import KeysWanted, refresh_keys
from lti.launch import Proof, Replayed, log_launch, receive_launch, refuse_unread, sweep
from lti.log import log_registration
from lti.login import begin_at_once, begin_login
from lti.models import (
    AccessToken,
    ContextCopy,
    DeliveryState,
    Deployment,
    HostTurn,
    KeySet,
    LaunchLog,
    LineItem,
    LineItemKind,
    LoginState,
    NoticeService,
    Offer,
    Platform,
    ResourceLink,
    ScoreDelivery,
    ToolKey,
)
from lti.pace import Pace
from lti.platform_notices import LARGEST as MOST_NOTICE_BYTES
from lti.platform_notices import Heard, origins_of, receive_notices
from lti.platforms import (
    PlatformUse,
    add_deployments,
    add_platform,
    are_some_guessable,
    by_client,
    change_platform,
    deployment_ids,
    frame_ancestors,
    has_doors,
    platform_origins,
    platform_use,
    platforms,
    proves_who,
    switch_platform,
    withdraw_deployment,
)
from lti.products import FIELDS as PLATFORM_FIELDS
from lti.products import registration_of
from lti.registration import Offer as RegistrationOffer
from lti.registration import Registered, is_configuration_address, read_offer
from lti.registration import Tool as RegistrationTool
from lti.registration import ask as ask_registration
from lti.registration import request_of as registration_request
from lti.review import SubmissionReview
from lti.rosters import GROUPS as GROUPS_SCOPE
from lti.rosters import MEMBERS as MEMBERS_SCOPE
from lti.rosters import Group, Member, Roster
from lti.services import Delivery, ServiceClient, next_timestamp, service_client
from lti.spaces import is_course
from lti.storage import Storage, unchecked_return
from lti.storage import of_launch as storage_of
from lti.subscriptions import COPIED, GREETING
from lti.subscriptions import NOTICES as NOTICES_SCOPE
from lti.text import full_name, origin
from lti.trails import MENDS, ORDERS, Mender, Result, Step, is_refused, steps, way_of
from lti.trial import RIGHTS, Finding, Trial
from lti.trial import prepare as prepare_trial

__all__ = [
    "begin_login",
    "begin_at_once",
    "returning",
    "refresh_keys",
    "KeysWanted",
    "receive_launch",
    "Launch",
    "DeepLinking",
    "ContentItem",
    "LinkColumn",
    "answer_deep_linking",
    "Proof",
    "Replayed",
    "Storage",
    "storage_of",
    "unchecked_return",
    "log_launch",
    "log_registration",
    "refuse_unread",
    "sweep",
    "MOST_COUNTED",
    "Wanted",
    "reference_of",
    "count_launches",
    "launch_row",
    "launch_rows",
    "MENDS",
    "ORDERS",
    "Mender",
    "Result",
    "Step",
    "is_refused",
    "steps",
    "way_of",
    "decrypt",
    "encrypt",
    "ensure_tool_key",
    "rotate_key",
    "rotate_when_due",
    "tool_jwks",
    "add_platform",
    "add_deployments",
    "change_platform",
    "by_client",
    "platforms",
    "platform_use",
    "PlatformUse",
    "PLATFORM_FIELDS",
    "registration_of",
    "is_configuration_address",
    "read_offer",
    "registration_request",
    "ask_registration",
    "Registered",
    "RegistrationOffer",
    "RegistrationTool",
    "full_name",
    "origin",
    "RIGHTS",
    "prepare_trial",
    "Trial",
    "Finding",
    "switch_platform",
    "withdraw_deployment",
    "deployment_ids",
    "frame_ancestors",
    "has_doors",
    "is_course",
    "with_query",
    "platform_origins",
    "are_some_guessable",
    "proves_who",
    "service_client",
    "ServiceClient",
    "next_timestamp",
    "Delivery",
    "Member",
    "Roster",
    "Group",
    "MEMBERS_SCOPE",
    "GROUPS_SCOPE",
    "NOTICES_SCOPE",
    "COPIED",
    "GREETING",
    "receive_notices",
    "Heard",
    "MOST_NOTICE_BYTES",
    "origins_of",
    "ContextCopy",
    "NoticeService",
    "Outcome",
    "SubmissionReview",
    "Pace",
    "HostTurn",
    "forget_refusals",
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
