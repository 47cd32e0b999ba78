"""`python -m lms_plugin.cli …`: the command `nengli` where it is not on the path (the demo's worker starts so)."""

from lms_plugin.cli import main

main()
