"""Makes a thumbnail of each picture, four at a time; some never appear, and nothing says why."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

PICTURES = [("beach.jpg", "4000x3000"), ("logo.svg", "auto"), ("cat.png", "640x480"), ("banner.jpg", "1200x80")]
BOX = 128


def parse_size(text: str) -> tuple[int, int]:
    width, height = text.split("x")
    return int(width), int(height)


def scaled(width: int, height: int) -> tuple[int, int]:
    factor = max(width, height) // BOX
    return width // factor, height // factor


def make_thumbnail(name: str, size: str, album: dict[str, tuple[int, int]]) -> None:
    album[name] = scaled(*parse_size(size))


def main() -> None:
    album: dict[str, tuple[int, int]] = {}
    with ThreadPoolExecutor(max_workers=4, thread_name_prefix="scaler") as pool:
        for name, size in PICTURES:
            pool.submit(make_thumbnail, name, size, album)
    print(f"{len(album)} of {len(PICTURES)} thumbnails: {', '.join(sorted(album))}")


if __name__ == "__main__":
    main()
