class Cart:
    def __init__(self, lines=[]):
        self.lines = lines

    def add(self, name, cents):
        self.lines.append((name, cents))

    def total(self):
        return sum(cents for _, cents in self.lines)
