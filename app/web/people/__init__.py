"""Who may come in: accounts, signing in, tokens for programs, and forms that wait for a sign-in."""
