/* One value as JSON within limits: Walk of values/walk.py for the kinds of values that most values are. */
#include "core.h"

#include <string.h>

int items_grow(Items *items) {
    PyObject **grown = PyMem_Malloc((size_t)items->capacity * 2 * sizeof(PyObject *));
    if (grown == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(grown, items->data, (size_t)items->size * sizeof(PyObject *));
    if (items->data != items->first) {
        PyMem_Free(items->data);
    }
    items->data = grown;
    items->capacity *= 2;
    return 0;
}

int is_inside(const Walk *walk, PyObject *owner) {
    for (Py_ssize_t level = 0; level < walk->depth; level++) {
        if (walk->inside[level] == owner) {
            return 1;
        }
    }
    return 0;
}

int cannot_enter(const Walk *walk, PyObject *owner) {
    return walk->depth >= walk->core->max_depth || walk->room <= 0 || is_inside(walk, owner);
}

static int enter(Walk *walk, PyObject *owner) {
    if (walk->depth == walk->inside_capacity) {
        Py_ssize_t capacity = walk->inside_capacity * 2;
        PyObject **grown = PyMem_Malloc((size_t)capacity * sizeof(PyObject *));
        if (grown == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        memcpy(grown, walk->inside, (size_t)walk->depth * sizeof(PyObject *));
        if (walk->inside != walk->first_inside) {
            PyMem_Free(walk->inside);
        }
        walk->inside = grown;
        walk->inside_capacity = capacity;
    }
    if (Py_EnterRecursiveCall(" while a value is recorded")) {
        return -1;
    }
    walk->inside[walk->depth++] = owner;
    return 0;
}

static void leave(Walk *walk) {
    walk->depth--;
    Py_LeaveRecursiveCall();
}

int write_leaf(Walk *walk, PyObject *text) {
    Py_ssize_t chars, limit = walk->room > MIN_LEAF_CHARS ? walk->room : MIN_LEAF_CHARS;
    if (write_text(walk, text, limit, &chars) < 0) {
        return -1;
    }
    walk->room -= chars;
    return 0;
}

static int write_container_name(Walk *walk, PyObject *owner, const char *type_name, Py_ssize_t size) {
    PyObject *text = PyUnicode_FromFormat("<%s%s of %zd>", is_inside(walk, owner) ? "cycle: " : "", type_name, size);
    int result = text == NULL ? -1 : write_leaf(walk, text);
    Py_XDECREF(text);
    return result;
}

static int put_cut(Walk *walk, int needs_comma, const char *before, Py_ssize_t missing, const char *after) {
    if ((needs_comma && PUT(&walk->out, ", ") < 0) || buffer_put(&walk->out, before, (Py_ssize_t)strlen(before)) < 0 ||
        buffer_reserve(&walk->out, 24) < 0) {
        return -1;
    }
    walk->out.size += format_integer(walk->out.data + walk->out.size, missing);
    return buffer_put(&walk->out, after, (Py_ssize_t)strlen(after));
}

static int is_text(PyObject *item) { return PyUnicode_CheckExact(item) || PyBytes_CheckExact(item); }

static PyObject *first_of_pair(PyObject *item) {
    PyObject *first = NULL;
    if (PyTuple_CheckExact(item) && PyTuple_Size(item) == 2) {
        first = PyTuple_GetItem(item, 0);
    } else if (PyList_CheckExact(item) && PyList_Size(item) == 2) {
        first = PyList_GetItem(item, 0);
    }
    return first != NULL && is_text(first) ? first : NULL;
}

/* Return whether HiddenValues.redact_items could find a secret among the items; -1 for an error. */
static int may_need_redaction(Walk *walk, const Items *items) {
    PyObject *first = items->size ? items->data[0] : NULL;
    if (first == NULL) {
        return 0;
    }
    if (is_text(first)) {
        for (Py_ssize_t at = 0; at < items->size; at++) {
            PyObject *item = items->data[at];
            if (PyUnicode_CheckExact(item) && PyUnicode_GetLength(item) > 0 && PyUnicode_ReadChar(item, 0) == '-') {
                return 1;
            }
        }
        if (items->size != 2 || !is_text(items->data[1])) {
            return 0;
        }
        return PyUnicode_CheckExact(first) ? is_secret_key(walk, first) : 1;
    }
    if (!PyTuple_CheckExact(first) && !PyList_CheckExact(first)) {
        return 0;
    }
    for (Py_ssize_t at = 0; at < items->size; at++) {
        if (first_of_pair(items->data[at]) == NULL) {
            return 0;
        }
    }
    for (Py_ssize_t at = 0; at < items->size; at++) {
        PyObject *name = first_of_pair(items->data[at]); /* again: a list may have changed meanwhile */
        if (name == NULL || !PyUnicode_CheckExact(name)) {
            return 1;
        }
        Py_INCREF(name);
        int is_secret = is_secret_key(walk, name);
        Py_DECREF(name);
        if (is_secret) {
            return is_secret;
        }
    }
    return 0;
}

/* Redact the items that follow a secret name in a sequence. */
static int redact(Walk *walk, Items *items) {
    int needed = may_need_redaction(walk, items);
    if (needed <= 0) {
        return needed;
    }
    Core *core = walk->core;
    PyObject *list = PyList_New(items->size);
    if (list == NULL) {
        return -1;
    }
    for (Py_ssize_t at = 0; at < items->size; at++) {
        PyList_SetItem(list, at, Py_NewRef(items->data[at]));
    }
    PyObject *answer = call_1(core, core->encoder, N_REDACT_ITEMS, list);
    Py_DECREF(list);
    PyObject *redacted = answer == NULL ? NULL : PySequence_List(answer);
    Py_XDECREF(answer);
    if (redacted == NULL) {
        return -1;
    }
    items_free(items);
    int result = 0;
    for (Py_ssize_t at = 0; result == 0 && at < PyList_Size(redacted); at++) {
        result = items_push(items, PyList_GetItem(redacted, at));
    }
    Py_DECREF(redacted);
    return result < 0 ? -1 : refresh(core);
}

static int write_items(Walk *walk, Items *items, Py_ssize_t size) {
    if (redact(walk, items) < 0) {
        return -1;
    }
    Py_ssize_t written = 0;
    while (written < items->size && walk->room > 0) {
        if ((written && PUT(&walk->out, ", ") < 0) || write_value(walk, items->data[written]) < 0) {
            return -1;
        }
        walk->room -= 2;
        written++;
    }
    return written < size ? put_cut(walk, written > 0, "\"\xe2\x80\xa6(+", size - written, " items)\"") : 0;
}

/* Write items in brackets, as many as there is room for, and the number of the rest: Walk.sequence.

   `opening` ends with the bracket; `size` is the number of all items. */
int write_list(Walk *walk, const char *opening, Items *items, PyObject *owner, const char *type_name, Py_ssize_t size) {
    if (cannot_enter(walk, owner)) {
        return write_container_name(walk, owner, type_name, size);
    }
    if (buffer_put(&walk->out, opening, (Py_ssize_t)strlen(opening)) < 0 || enter(walk, owner) < 0) {
        return -1;
    }
    int result = write_items(walk, items, size);
    leave(walk);
    if (result < 0) {
        return -1;
    }
    return opening[0] == '[' ? PUT(&walk->out, "]") : PUT(&walk->out, "]}");
}

static int write_sequence(Walk *walk, PyObject *owner) {
    int is_list = PyList_CheckExact(owner);
    Py_ssize_t size = is_list ? PyList_Size(owner) : PyTuple_Size(owner);
    Items items;
    items_init(&items);
    int result = 0;
    for (Py_ssize_t at = 0; result == 0 && at < size && at < walk->core->max_items; at++) {
        result = items_push(&items, is_list ? PyList_GetItem(owner, at) : PyTuple_GetItem(owner, at));
    }
    if (result == 0) {
        result = write_list(walk, is_list ? "[" : "{\"$tuple\": [", &items, owner, is_list ? "list" : "tuple", size);
    }
    items_free(&items);
    return result;
}

static Py_ssize_t half(Py_ssize_t room) { return room >= 0 ? room / 2 : -((1 - room) / 2); }

/* Write a value with some of the room kept for the fields after it. */
static int write_within_reserve(Walk *walk, PyObject *item, Py_ssize_t later) {
    Py_ssize_t reserved = later * FIELD_CHARS < half(walk->room) ? later * FIELD_CHARS : half(walk->room);
    walk->room -= reserved;
    if (write_value(walk, item) < 0) {
        return -1;
    }
    walk->room += reserved; /* marks of cuts exceed the room */
    if (walk->room < half(reserved)) {
        walk->room = half(reserved);
    }
    return 0;
}

/* Return whether HiddenValues.is_hidden neither hides a value nor learns from it: None, booleans, and, where only what
   looks like a credential is secret, a number that is too short for one. */
static int is_harmless(PyObject *item, const KeyMeaning *meaning) {
    char text[MAX_INTEGER_CHARS];
    long long number;
    return item == Py_None || PyBool_Check(item) ||
           (meaning->is_judged && PyLong_CheckExact(item) && small_int(item, &number) &&
            format_integer(text, number) < MIN_CREDENTIAL_CHARS);
}

/* Write the value of an entry, and take its characters from the room. */
static int write_entry(Walk *walk, PyObject *item, const KeyMeaning *meaning, Py_ssize_t later) {
    Core *core = walk->core;
    if (meaning->secret_name != NULL && !is_harmless(item, meaning)) {
        PyObject *answer = call_2(core, core->encoder, N_IS_HIDDEN, item, meaning->secret_name);
        int is_hidden = answer == Py_True;
        Py_XDECREF(answer);
        if (answer == NULL || refresh(core) < 0) {
            return -1;
        }
        if (is_hidden) {
            walk->room -= 12;
            return PUT(&walk->out, "\"[REDACTED]\"");
        }
    }
    Py_ssize_t chars;
    long long number;
    if (PyUnicode_CheckExact(item)) {
        Py_ssize_t size = PyUnicode_GetLength(item);
        if (size > MEMO_MAX_CHARS || size > walk->room) {
            return write_within_reserve(walk, item, later);
        }
        if (write_text(walk, item, walk->room, &chars) < 0) {
            return -1;
        }
    } else if (PyLong_CheckExact(item) && small_int(item, &number)) {
        if (write_int(walk, item, &chars) < 0) {
            return -1;
        }
    } else if (item == Py_None) {
        chars = 4;
        if (PUT(&walk->out, "null") < 0) {
            return -1;
        }
    } else {
        return write_within_reserve(walk, item, later);
    }
    walk->room -= chars;
    return 0;
}

/* Return a new reference to the secret name in the entries of a setting; NULL without an error if there is none. */
static PyObject *name_in_pairs(Walk *walk, const Items *pairs) {
    for (Py_ssize_t at = 0; at + 1 < pairs->size; at += 2) {
        if (!PyUnicode_CheckExact(pairs->data[at]) || !PyUnicode_CheckExact(pairs->data[at + 1])) {
            continue;
        }
        int part = part_of_key(walk, pairs->data[at]);
        if (part < 0) {
            return NULL;
        }
        if (part != NAME_PART) {
            continue;
        }
        PyObject *item = Py_NewRef(pairs->data[at + 1]);
        PyObject *secret = call_1(walk->core, walk->core->redactor, N_IS_SETTING_NAME, item);
        if (secret == Py_True) {
            Py_DECREF(secret);
            return item;
        }
        Py_DECREF(item);
        if (secret == NULL) {
            return NULL;
        }
        Py_DECREF(secret);
    }
    return NULL;
}

static int write_pairs(Walk *walk, Items *pairs, Py_ssize_t size, PyObject **used) {
    Py_ssize_t count = pairs->size / 2 < walk->core->max_items ? pairs->size / 2 : walk->core->max_items, written = 0;
    while (written < count && walk->room > 0) {
        KeyMeaning meaning;
        Py_ssize_t chars;
        if ((written && PUT(&walk->out, ", ") < 0) ||
            write_key(walk, pairs->data[2 * written], used, &meaning, &chars) < 0) {
            return -1;
        }
        walk->room -= chars + 2;
        if (meaning.part == VALUE_PART && meaning.secret_name == NULL && is_text(pairs->data[2 * written + 1]) &&
            (meaning.secret_name = name_in_pairs(walk, pairs)) == NULL && PyErr_Occurred()) {
            return -1;
        }
        int result = write_entry(walk, pairs->data[2 * written + 1], &meaning, count - written - 1);
        Py_XDECREF(meaning.secret_name);
        if (result < 0) {
            return -1;
        }
        written++;
    }
    return written < size ? put_cut(walk, written > 0, "\"\xe2\x80\xa6\": \"+", size - written, " items\"") : 0;
}

/* Write what is between the braces of an object: Walk.entries. */
int write_entries(Walk *walk, Items *pairs, PyObject *owner, Py_ssize_t size) {
    PyObject *used = NULL;
    if (enter(walk, owner) < 0) {
        return -1;
    }
    int result = write_pairs(walk, pairs, size, &used);
    Py_XDECREF(used);
    leave(walk);
    return result;
}

static int write_dict(Walk *walk, PyObject *owner) {
    Py_ssize_t size = PyDict_Size(owner);
    if (cannot_enter(walk, owner)) {
        return write_container_name(walk, owner, "dict", size);
    }
    Items pairs;
    PyObject *key, *item;
    Py_ssize_t position = 0, left = walk->core->max_items;
    items_init(&pairs);
    int result = 0;
    while (result == 0 && left-- > 0 && PyDict_Next(owner, &position, &key, &item)) {
        result = items_push(&pairs, key) < 0 || items_push(&pairs, item) < 0 ? -1 : 0;
    }
    if (result == 0) {
        result = PUT(&walk->out, "{") < 0 || write_entries(walk, &pairs, owner, size) < 0 || PUT(&walk->out, "}") < 0 ? -1 : 0;
    }
    items_free(&pairs);
    return result;
}

/* Write a value or a value inside it, and take its characters from the room: Walk.render. */
int write_value(Walk *walk, PyObject *value) {
    Py_ssize_t chars;
    int result;
    if (PyUnicode_CheckExact(value)) {
        result = write_text(walk, value, walk->room > 0 ? walk->room : 0, &chars);
    } else if (PyLong_CheckExact(value)) {
        result = write_int(walk, value, &chars);
    } else if (value == Py_None) {
        chars = 4;
        result = PUT(&walk->out, "null");
    } else if (value == Py_True) {
        chars = 4;
        result = PUT(&walk->out, "true");
    } else if (value == Py_False) {
        chars = 5;
        result = PUT(&walk->out, "false");
    } else if (PyFloat_CheckExact(value)) {
        result = write_float(walk, value, &chars);
    } else if (PyDict_CheckExact(value)) {
        return write_dict(walk, value);
    } else if (PyList_CheckExact(value) || PyTuple_CheckExact(value)) {
        return write_sequence(walk, value);
    } else {
        return write_instance(walk, value);
    }
    if (result == 0) {
        walk->room -= chars;
    }
    return result;
}
