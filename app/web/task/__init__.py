"""One mail: its page and its recipients' pages, what can still be done to it, and undoing that."""
