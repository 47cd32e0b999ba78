"""A plugin of Tutor that gives LMS and Studio the Nengli block. Loaded and rendered by Tutor 22.0.3; no image built.

cp nengli.py "$(tutor plugins printroot)/"
tutor plugins enable nengli
tutor config save --set NENGLI_TOOL_URL=https://nengli.example
tutor images build openedx && tutor local start -d
"""

from tutor import hooks

hooks.Filters.CONFIG_DEFAULTS.add_items(
    [
        ("NENGLI_TOOL_URL", "https://nengli.example"),
        ("NENGLI_XBLOCK", "nengli-xblock"),  # what pip installs: a name, or the address of a wheel
    ]
)
SETTING = "XBLOCK_SETTINGS = {**globals().get('XBLOCK_SETTINGS', {}), 'nengli': {'tool_url': '{{ NENGLI_TOOL_URL }}'}}"
# Newer versions of Tutor name their installer (uv); pip is in that environment either way.
INSTALL = "RUN ${PIP_COMMAND:-pip} install --no-deps '{{ NENGLI_XBLOCK }}'"

hooks.Filters.ENV_PATCHES.add_items(
    [("openedx-dockerfile-post-python-requirements", INSTALL), ("openedx-common-settings", SETTING)]
)
