def load(rows):
    found = {}
    for row in rows:
        user_id = row["id"]
        if row.get("legacy"):
            found[user_id] = row.get("fullname")
        else:
            found[user_id] = row["name"]
    return found


class Directory:
    def __init__(self, rows):
        self.names = load(rows)

    def name(self, user_id):
        return self.names[user_id]


def greeting(directory, user_id):
    name = directory.name(user_id)
    return "Hello " + shout(name)


def shout(text):
    return text.upper()
