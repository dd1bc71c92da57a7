"""One self-contained page from the results."""


def write(run, study, out): ...
