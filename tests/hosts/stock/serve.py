"""`python serve.py TOOL FOLDER`: the published LTI consumer as a platform on a free port of this machine.

Run by the Python of an environment that tools/stock.py has made. Prints its address once it answers, keeps its database
in FOLDER, and ends when its standard input does.
"""

import os
import socketserver
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import django
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

PEOPLE = {  # account: (family name, given name, role in the course)
    "lin": ("林", "静", "student"),
    "mei": ("梅", "芳", "student"),
    "admin": ("Müller & <i>Co</i>", "O'Brien &amp; 何", "instructor"),  # a name is text, whatever it looks like
    "team": ("杨", "培", "staff"),
}


class Server(socketserver.ThreadingMixIn, WSGIServer):
    """One thread a request: a token request makes the consumer ask the tool for its keys."""

    daemon_threads = True
    request_queue_size = 64


class Quiet(WSGIRequestHandler):
    """Says nothing of single requests."""

    def address_string(self) -> str:
        return "localhost"

    def log_message(self, *_args: object) -> None:
        pass


def furnish(tool: str) -> None:
    """The course: its people, and blocks with the settings that an author can give them."""
    from django.contrib.auth import get_user_model  # noqa: PLC0415 - only once Django is set up
    from edx import COURSE, ROLES, add_block  # noqa: PLC0415 - as above
    from lti_consumer.models import CourseAllowPIISharingInLTIFlag  # noqa: PLC0415 - as above

    for username, (family, given, role) in PEOPLE.items():
        names = {"last_name": family, "first_name": given, "email": f"{username}@example.org"}
        get_user_model().objects.create_user(username, **names)
        ROLES[username] = role
    CourseAllowPIISharingInLTIFlag.objects.create(course_id=COURSE, enabled=True)
    common = {
        "display_name": "校本应用考核",
        "lti_version": "lti_1p3",
        "lti_1p3_oidc_url": f"{tool}/lti/login",
        "lti_1p3_launch_url": f"{tool}/lti/launch",
        "lti_1p3_tool_key_mode": "keyset_url",
        "lti_1p3_tool_keyset_url": f"{tool}/.well-known/jwks.json",
        "has_score": True,
        "weight": 10.0,
        "lti_1p3_enable_nrps": True,
        "ask_to_send_full_name": True,
        "ask_to_send_email": True,
    }
    add_block("whole", **common)
    add_block("other", **common)
    add_block("roster", **common)
    add_block("half", **{**common, "weight": 0.5})
    add_block("tools-own", **common, lti_advantage_ags_mode="programmatic")
    add_block("ungraded", **common, lti_advantage_ags_mode="disabled")
    add_block("bare", **{**common, "lti_1p3_enable_nrps": False, "ask_to_send_full_name": False})
    picked = {"lti_advantage_deep_linking_enabled": True}
    add_block("picked", **common, **picked, lti_advantage_deep_linking_launch_url=f"{tool}/lti/launch")
    if find_spec("nengli_xblock"):
        for name in ("first", "second", "third", "late", "free", "blank"):
            add_block(name, kind="nengli", display_name=f"校本应用考核 {name}")


def main(tool: str, folder: Path) -> None:
    """Serves until standard input ends: a test run that dies takes the host with it."""
    server = Server(("127.0.0.1", 0), Quiet)
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "settings",
        "STOCK_ROOT": f"http://{os.environ.get('STOCK_HOST', 'localhost')}:{server.server_port}",
        "STOCK_DATABASE": str(folder / "host.sqlite3"),
        "STOCK_TOOL": tool,
    }
    django.setup()
    call_command("migrate", verbosity=0, run_syncdb=True)
    furnish(tool)
    server.set_app(get_wsgi_application())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(os.environ["STOCK_ROOT"], flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
