"""`python -m hoheit` is the command line."""

from hoheit.cli import main

if __name__ == "__main__":
    main()
