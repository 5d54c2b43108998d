ADDRESSES = {"Ann": "1 High Street", "Bob": "2 Low Road"}


def normalized(name):
    return name.strip().lower()


def read(lines):
    orders = []
    for line in lines:
        name, cents = line.split(",")
        orders.append((normalized(name), int(cents)))
    return orders


def invoice(name, cents):
    address = ADDRESSES[name]
    return f"{name}, {address}: {cents / 100:.2f}"


def main():
    for name, cents in read([" Ann,100", "Bob,250"]):
        print(invoice(name, cents))


main()
