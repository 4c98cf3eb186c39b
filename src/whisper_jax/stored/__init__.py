"""What is kept on disk so that the next start is quick: compiled programs, converted weights.

All of it can be made again, so nothing here is an error: what cannot be read is made anew, and
what cannot be written is not kept.
"""
