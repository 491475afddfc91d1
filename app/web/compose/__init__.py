"""Writing a mail: the form, what it checks and shows beforehand, its drafts, and what becomes of it."""
