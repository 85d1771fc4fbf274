"""Whether answers stay the same when the values in their questions leave under other names."""
