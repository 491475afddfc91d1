"""The core: what a task is, how it moves, what can be asked about it. No I/O but what a database session does."""
