def rows(lines):
    for line in lines:
        if line:
            yield float(line)


def mean(values):
    count = sum(1 for _ in values)
    total = sum(values)
    return total / count if count else 0.0


def report(lines):
    return f"mean: {mean(rows(lines)):.1f}"
