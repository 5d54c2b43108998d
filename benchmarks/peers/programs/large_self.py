"""Call a method of an object that holds 2,500 dicts, as often as the command line says."""

import sys


class Graph:
    def __init__(self, size):
        self.adjacent = {i: {j: {"weight": i * j} for j in range(size)} for i in range(size)}
        self.nodes = {i: {"name": f"n{i}"} for i in range(size)}

    def look(self, number):
        return number


def main(count):
    graph = Graph(50)
    for number in range(count):
        graph.look(number)


main(int(sys.argv[1]))
