def number(text, default):
    try:
        return parse(text)
    except ValueError:
        return default


def parse(text):
    if not text.isdigit():
        raise ValueError(f"no number: {text!r}")
    return int(text)


class Settings:
    def __init__(self, lines):
        self.values = dict(line.split("=", 1) for line in lines)

    def port(self):
        return number(self.values.get("port", ""), 8080)


def address(settings):
    return f"{settings.values['host']}:{settings.port()}"
