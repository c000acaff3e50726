"""Nothing imports this."""

VALUE = 1
