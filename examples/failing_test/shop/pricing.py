def discounted(amount):
    return amount * 9 // 10


def total(price, pieces):
    amount = price * pieces
    if pieces >= 10:
        amount = discounted(amount)
    if pieces >= 20:
        amount = discounted(amount)
    return amount
