"""`python -m scresist`."""

from scresist.cli import main

if __name__ == "__main__":
    main()
