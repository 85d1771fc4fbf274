"""What the gateway costs, against LiteLLM's proxy and a bare pass-through (nginx) on the same cores."""
