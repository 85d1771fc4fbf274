"""Who may be sent what: rules that people write, and what they say about a request."""
