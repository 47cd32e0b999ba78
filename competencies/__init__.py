"""WHAT was learned: the front door of the competencies part."""
