"""``python -m headbench``: the command line, where its script is not on the path."""

from headbench.cli import main

if __name__ == "__main__":
    main()
