"""One function = one act = one transaction of the edge: the only place where the parts meet."""
