"""The command as `make demo` starts it."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import requests

from tests.ports import free_port


def test_command_serves_on_loopback_only_and_stops_on_ctrl_c(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "lms_plugin.practice", "--port", str(port), "--data-dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        assert re.fullmatch(rf"Practice LMS: http://lms\.localhost:{port}\n", started.stdout.readline())
        assert requests.get(f"http://127.0.0.1:{port}/jwks", timeout=5).json()["keys"]
        listening = Path("/proc/net/tcp").read_text().splitlines()
        local = {line.split()[1] for line in listening[1:] if line.split()[1].endswith(f":{port:04X}")}
        assert f"0100007F:{port:04X}" in local  # 127.0.0.1
        assert f"00000000:{port:04X}" not in local  # not every address
        started.send_signal(signal.SIGINT)
        _out, errors = started.communicate(timeout=10)
    assert started.returncode == 0
    assert errors == ""
