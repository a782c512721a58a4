"""`python -m twoway`, for torchrun and for environments without the console script."""

from twoway.cli.main import run

if __name__ == "__main__":
    run()
