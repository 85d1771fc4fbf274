"""The site's own tools: files and databases, served over the Model Context Protocol."""
