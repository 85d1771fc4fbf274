"""How pseudonyms are made, how they are written by those who read them, and how they are read again."""
