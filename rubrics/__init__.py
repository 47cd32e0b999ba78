"""HOW work is judged: the front door of the rubrics part."""
