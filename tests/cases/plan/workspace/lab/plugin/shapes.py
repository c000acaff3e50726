"""A helper of `train`."""


def area(side, *, scale=1):
    return side * side * scale
