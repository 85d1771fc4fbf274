"""What names of streets and towns are written with, for the patterns of addresses."""

# Within the brackets of a pattern: the capital letters that they begin with.
CAPITAL = "A-ZÄÖÜÀ-ÖØ-Þ"
