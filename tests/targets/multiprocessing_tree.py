"""Uses multiprocessing with the start method that is named; each call is known, and each process has its name."""

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor


def square(number):
    return number * number


def fail(number):
    raise ValueError(number)


class Subclass(multiprocessing.Process):
    def run(self):
        square(100)
        sys.exit(3)


def main(method):
    context = multiprocessing.get_context(method)
    codes = []
    for target in (square, fail):
        process = context.Process(target=target, args=(len(codes) + 10,), name=target.__name__ + "-process")
        process.start()
        process.join()
        codes.append(process.exitcode)
    if method == "fork":
        process = Subclass(name="subclass")
        process.start()
        process.join()
        codes.append(process.exitcode)
    with context.Pool(2) as pool:
        codes.append(sum(pool.map(square, range(20), chunksize=1)))
        pool.close()
        pool.join()
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        codes.append(sum(executor.map(square, range(20, 30))))
        codes.append(str(executor.submit(fail, 12).exception()))
    print(codes)


if __name__ == "__main__":
    main(sys.argv[1])
