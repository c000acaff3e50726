"""The command line: one file a verb; parses, wires, prints, exits."""
