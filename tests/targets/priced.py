"""What tested.py and cased.py test; a discount is taken twice from ten pieces on."""


def total(price, pieces):
    if pieces >= 10:
        return discounted(discounted(price * pieces))
    return price * pieces


def discounted(amount):
    return amount - amount // 10


def share(amount, people):
    return amount // people
