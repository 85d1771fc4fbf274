"""The way in: the OpenAI API as the adapter's clients see it."""
