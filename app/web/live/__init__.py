"""Pages that change by themselves: one look at the database, and a stream of ids."""
