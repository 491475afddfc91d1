"""The JSON calls for programs, and what monitors ask."""
