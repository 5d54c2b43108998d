"""Counts the visitors of a few shops; the bigger the shop, the longer it takes, and more than it should."""

SHOPS = {"Ulm": 250, "Jena": 500, "Bern": 1000, "Graz": 2000, "Rome": 4000, "Oslo": 8000}


def visits_to(shop: str) -> list[str]:
    visits = []
    for number in range(SHOPS[shop]):
        visits.append(f"visitor-{number * 11 % (SHOPS[shop] // 2)}")
    return visits


def distinct(names: list[str]) -> list[str]:
    seen: list[str] = []
    for name in names:
        if name not in seen:
            seen.append(name)
    return seen


def summary(shop: str, year: int) -> str:
    visits = visits_to(shop)
    return f"{shop} in {year}: {len(visits)} visits by {len(distinct(visits))} visitors"


def main() -> None:
    for year in (2024, 2025):
        for shop in SHOPS:
            print(summary(shop, year))


if __name__ == "__main__":
    main()
