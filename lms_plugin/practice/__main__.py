"""`python -m lms_plugin.practice --port 8700 --tool-url http://tool.localhost:8600 --data-dir var/practice`."""

import argparse
from pathlib import Path
from urllib.parse import urlsplit

from lms_plugin.practice.app import serve
from lms_plugin.practice.config import PracticeConfig


def main(arguments: list[str] | None = None) -> None:
    """Start the practice LMS on 127.0.0.1; Ctrl-C stops it."""
    parser = argparse.ArgumentParser(prog="python -m lms_plugin.practice", description=main.__doc__)
    parser.add_argument("--port", type=int, default=8700)
    parser.add_argument("--tool-url", default="http://tool.localhost:8600")
    parser.add_argument("--data-dir", type=Path, required=True)
    given = parser.parse_args(arguments)
    try:
        config = PracticeConfig(
            base_url=f"http://lms.localhost:{given.port}",
            loopback_url=f"http://127.0.0.1:{given.port}",
            tool_url=given.tool_url,
            tool_loopback_url=f"http://127.0.0.1:{urlsplit(given.tool_url).port or 80}",
            data_dir=given.data_dir,
        )
    except ValueError as error:
        parser.error(str(error))
    serve(config, given.port)


if __name__ == "__main__":
    main()
