"""Many mails at once: the table, its filters and files, actions on many, failures by cause, the overview."""
