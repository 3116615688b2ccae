"""`python -m kerastextzoo` is the command `kerastextzoo`."""

from kerastextzoo.cli import main

if __name__ == "__main__":
    main()
