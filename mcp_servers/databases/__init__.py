"""The databases server: describes and queries the site's databases, and cannot change them."""
