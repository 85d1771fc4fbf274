"""`python -m benchmarks` runs every benchmark of the project, one after the other."""

from benchmarks import adapter, questions

if __name__ == "__main__":
    adapter.main([])
    questions.main([])
