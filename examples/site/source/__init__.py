"""Sources of the example site: texts, name lists and the code that turns them into files."""
