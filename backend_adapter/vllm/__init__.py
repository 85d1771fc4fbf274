"""vLLM as an upstream: how its servers are started, alone and spread over hosts, and what a running one tells.

vLLM itself runs in an environment of its own (environments/vllm.in, vllm-gpu.in); nothing here imports it.
"""
