"""What the site knows by itself: its lists and labels, in all the forms that a value takes in a text."""
