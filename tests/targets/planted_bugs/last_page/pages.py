def pages(items, size):
    found = []
    for start in range(0, len(items) - size, size):
        found.append(items[start : start + size])
    return found


def titles(items, size):
    return [f"{page[0]} to {page[-1]}" for page in pages(items, size)]
