class Parser:
    def __init__(self):
        self.line = 0
        self.errors = []

    def parse(self, text):
        for number, line in enumerate(text.split("\n"), self.line + 1):
            self.line = number
            if not line.endswith(";"):
                self.fail(line)
        return self.errors

    def fail(self, line):
        self.errors.append(f"line {self.line}: {line!r} does not end")
