"""Nengli, an LTI 1.3 tool for teacher training in IT ability 2.0 (能力提升工程2.0)."""

__version__ = "0.1.0"
