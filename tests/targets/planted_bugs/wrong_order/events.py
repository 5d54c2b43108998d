class Events:
    def __init__(self):
        self.listeners = []
        self.sorted = False

    def on(self, listener, priority=0):
        self.listeners.append((priority, listener))

    def emit(self, *args):
        if not self.sorted:
            self.listeners.sort(key=lambda each: -each[0])
            self.sorted = True
        return [listener(*args) for _, listener in self.listeners]
