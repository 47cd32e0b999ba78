"""The demo: a district of invented people, and tool + worker + practice LMS as three processes on this machine."""

from lms_plugin.demo.processes import commands, gunicorn, port_of, prepare, run

__all__ = ["run", "port_of", "prepare", "commands", "gunicorn"]
