"""The block that opens Nengli in an Open edX course: one registration for the site, points and hours beside it."""

__version__ = "0.1.0"
