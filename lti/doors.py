"""By which door people of a host come: hosts have one, an Open edX with our block has two (ADR 0049).

Our block there has one registration for the whole site (door `BLOCK`), the stock LTI component one for each place or
each entry of an LTI Store (door ""). The host names a learner alike in all of them, but what one door lets in says
nothing of who comes by the other.

The address of the registration's keys says whose it is: each token is held against the keys that lie there. Our block
lets the consumer keep its keys under a number of its own (`SITE` in the block's compat.py). A course author can write
that number into a stock component, whose launches then are signed with the same keys. They name another kind of place,
which no author chooses.
"""

import uuid

BLOCK = "block"
KEYS = f"/api/lti_consumer/v1/public_keysets/{uuid.uuid5(uuid.NAMESPACE_URL, 'urn:nengli:site')}"
_KIND = "nengli"  # how Open edX calls our block


def door_of(jwks_url: str) -> str:
    """The door of a registration whose keys lie at that address: `BLOCK`, or "" for every other one of its issuer."""
    return BLOCK if jwks_url.endswith(KEYS) else ""


def lets_in(door: str, link: str) -> bool:
    """Whether a launch of the place with that id may come by the door. `link` "" names none (Deep Linking).

    Opaque keys of Open edX: `block-v1:Org+Course+Run+type@nengli+block@…`, in a library `lb:Org:Library:nengli:…`. What
    authors name (the last part) comes after the kind, and what stands before it holds no `@` and no `:` of this sort.
    """
    if door != BLOCK or not link:
        return True
    scheme, _colon, rest = link.partition(":")
    if scheme == "lb":
        return rest.split(":", 3)[2:3] == [_KIND]
    return scheme.endswith("block-v1") and rest.partition("+type@")[2].startswith(f"{_KIND}+block@")
