"""The parts of a model that stay on site: embeddings, head, tokenizer and chat template."""
