"""The verbs: what the terminal and a notebook both call."""
