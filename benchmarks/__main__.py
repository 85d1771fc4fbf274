"""`python -m benchmarks` runs every benchmark of the project, one after the other."""

from benchmarks import adapter, questions
from benchmarks.egress import __main__ as egress
from benchmarks.egress.utility import __main__ as utility
from benchmarks.faults import __main__ as faults
from benchmarks.gateway import __main__ as gateway
from benchmarks.users import __main__ as users
from benchmarks.vllm import __main__ as vllm
from benchmarks.wan import __main__ as wan

if __name__ == "__main__":
    adapter.main([])
    questions.main([])
    faults.main([])
    gateway.main([])
    wan.main([])
    users.main([])
    vllm.main([])
    egress.main([])
    utility.main([])
