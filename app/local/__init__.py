"""What `up` adds on one machine: the embedded server, the built-in mailbox, and the supervisor of web and worker."""
