"""The command line: a table of commands, each one small module."""
