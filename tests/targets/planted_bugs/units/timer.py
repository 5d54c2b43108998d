class Timer:
    def __init__(self, ticks, per_second=1000):
        self.ticks = ticks
        self.per_second = per_second

    def seconds(self):
        return self.ticks / 1000


def shown(timer):
    seconds = timer.seconds()
    if seconds < 60:
        return f"{seconds:.0f} s"
    return minutes(seconds)


def minutes(seconds):
    return f"{seconds / 60:.0f} min"
