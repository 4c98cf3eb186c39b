"""Live streams measured: how long after a word is spoken its text appears, and stays."""
