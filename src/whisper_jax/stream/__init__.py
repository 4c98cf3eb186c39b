"""Live speech: what is said becomes text while it is being said."""
