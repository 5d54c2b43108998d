/* Keys of mappings and names of fields as JSON, each decided once. */
#include "core.h"

#include <stdint.h>
#include <string.h>

#define KEY_MASK (KEY_SLOTS - 1)

static Key *slot_of_key(Core *core, PyObject *key) {
    uintptr_t at = (uintptr_t)key >> 4;
    for (at ^= at >> 12;; at++) {
        Key *slot = &core->keys[at & KEY_MASK];
        if (slot->key == key || slot->key == NULL) {
            return slot;
        }
    }
}

void forget_keys(Core *core) {
    for (Py_ssize_t at = 0; core->key_count && at < KEY_SLOTS; at++) {
        Key old = core->keys[at];
        memset(&core->keys[at], 0, sizeof(Key));
        PyMem_Free(old.text);
        Py_XDECREF(old.secret_name);
        Py_XDECREF(old.key);
    }
    core->key_count = 0;
}

/* Remember which object the redactor's generation is: it is compared again and again. */
static int learn_generation(Core *core) {
    PyObject *number = read_attribute(core, REDACTOR, core->redactor, N_GENERATION), *old = core->generation_number;
    core->generation_number = number;
    Py_XDECREF(old);
    return number == NULL ? -1 : 0;
}

/* Do the part of refresh that takes longer. */
int follow_redactor(Core *core) {
    long long generation;
    if (read_number(core, REDACTOR, core->redactor, N_GENERATION, &generation) < 0) {
        return -1;
    }
    if (generation == core->generation) {
        return learn_generation(core);
    }
    PyObject *nothing = PyObject_CallMethodObjArgs(core->encoder, core->names[N_FORGET_OUTDATED], NULL);
    if (nothing == NULL) {
        return -1;
    }
    Py_DECREF(nothing);
    if (load_hints(core) < 0) {
        return -1;
    }
    forget_keys(core);
    core->generation = generation;
    return 0; /* the object is learned the next time: it may be of a later generation by now */
}

/* Return what Encoder.key has told of a key: which part of a setting it is, and JUDGED_NAME; -1 for an error. */
static int said_of(PyObject *known) {
    PyObject *said = PyTuple_GetItem(known, 2);
    return said == NULL ? -1 : (int)PyLong_AsLong(said);
}

/* Remember a key with what Encoder.key has returned for it. */
static int remember(Walk *walk, PyObject *key, PyObject *known) {
    Core *core = walk->core;
    PyObject *text = PyTuple_GetItem(known, 0), *name = PyTuple_GetItem(known, 1);
    if (text == NULL || name == NULL) {
        return -1;
    }
    if (core->key_count >= KEY_SLOTS / 4 * 3) {
        forget_keys(core);
    }
    int said = said_of(known);
    if (said < 0) {
        return -1;
    }
    Py_ssize_t chars;
    Py_UCS4 *found = chars_of(walk, text, &chars);
    Buffer encoded = {NULL, 0, 0};
    if (found == NULL || buffer_put_chars(&encoded, found, chars) < 0) {
        PyMem_Free(encoded.data);
        return -1;
    }
    Key *slot = slot_of_key(core, key);
    if (slot->key != NULL) {
        PyMem_Free(encoded.data);
        return 0;
    }
    char *fitting = PyMem_Realloc(encoded.data, (size_t)encoded.size);
    slot->text = fitting != NULL ? fitting : encoded.data;
    slot->size = encoded.size;
    slot->chars = chars;
    slot->part = said & ~JUDGED_NAME;
    slot->is_judged = (said & JUDGED_NAME) != 0;
    slot->secret_name = PyUnicode_GetLength(name) > 0 ? Py_NewRef(name) : NULL;
    slot->key = Py_NewRef(key);
    core->key_count++;
    return 0;
}

/* Find a text among the known keys, of this table or of the one in Python; NULL without an error if it is not there. */
static Key *find_known_key(Walk *walk, PyObject *key) {
    Core *core = walk->core;
    PyObject *known = PyDict_GetItemWithError(core->known_keys, key);
    if (known == NULL || !PyTuple_CheckExact(known)) {
        return NULL;
    }
    Py_INCREF(known);
    int failed = remember(walk, key, known) < 0;
    Py_DECREF(known);
    return failed ? NULL : slot_of_key(core, key);
}

static inline Key *find_key(Walk *walk, PyObject *key) {
    Key *slot = slot_of_key(walk->core, key);
    return slot->key != NULL ? slot : find_known_key(walk, key);
}

/* Return which part of a setting a text is as a key; -1 for an error. */
int part_of_key(Walk *walk, PyObject *key) {
    Key *known = find_key(walk, key);
    if (known != NULL || PyErr_Occurred()) {
        return known != NULL ? known->part : -1;
    }
    PyObject *part = call_1(walk->core, walk->core->encoder, N_PART_OF_PAIR, key);
    int number = part == NULL ? -1 : (int)PyLong_AsLong(part);
    Py_XDECREF(part);
    return number;
}

/* Return whether values under a name are redacted; -1 for an error. */
int is_secret_key(Walk *walk, PyObject *text) {
    Key *known = find_key(walk, text);
    if (known != NULL) {
        return known->secret_name != NULL;
    }
    PyObject *answer = PyErr_Occurred() ? NULL : call_1(walk->core, walk->core->redactor, N_IS_SECRET_NAME, text);
    int is_secret = answer == NULL ? -1 : answer == Py_True;
    Py_XDECREF(answer);
    return is_secret;
}

/* Write the number of a key whose text others of its mapping have, too. */
static int write_numbered(Walk *walk, PyObject *text, PyObject **used, Py_ssize_t *chars) {
    if (*used == NULL && (*used = PyList_New(0)) == NULL) {
        return -1;
    }
    if (PyList_Append(*used, text) < 0) {
        return -1;
    }
    Py_ssize_t count = 0;
    for (Py_ssize_t at = 0; at < PyList_Size(*used); at++) {
        count += PyUnicode_Compare(PyList_GetItem(*used, at), text) == 0;
    }
    if (put_python_text(walk, text, chars) < 0) {
        return -1;
    }
    if (count > 1) {
        walk->out.size -= 3; /* the quote, the colon and the space */
        Py_ssize_t before = walk->out.size;
        if (PUT(&walk->out, " (") < 0 || buffer_reserve(&walk->out, 24) < 0) {
            return -1;
        }
        walk->out.size += format_integer(walk->out.data + walk->out.size, count);
        if (PUT(&walk->out, ")\": ") < 0) {
            return -1;
        }
        *chars += walk->out.size - before - 3;
    }
    return 0;
}

/* Write a key with its colon as Walk.entries does.

   `used` collects the texts of keys that others may share. */
int write_key(Walk *walk, PyObject *key, PyObject **used, KeyMeaning *meaning, Py_ssize_t *chars) {
    Core *core = walk->core;
    int is_text = PyUnicode_CheckExact(key);
    if (is_text) {
        const Key *known = find_key(walk, key);
        if (known != NULL) {
            meaning->secret_name = known->secret_name != NULL ? Py_NewRef(known->secret_name) : NULL;
            meaning->is_judged = known->is_judged;
            meaning->part = known->part;
            *chars = known->chars;
            return buffer_put(&walk->out, known->text, known->size);
        }
        if (PyErr_Occurred()) {
            return -1;
        }
    }
    *meaning = (KeyMeaning){NULL, 0, 0};
    long long number;
    if (PyLong_CheckExact(key) && small_int(key, &number)) { /* no other key has its text */
        Py_ssize_t before = walk->out.size;
        if (PUT(&walk->out, "\"$key:") < 0 || buffer_reserve(&walk->out, 24) < 0) {
            return -1;
        }
        walk->out.size += format_integer(walk->out.data + walk->out.size, number);
        *chars = walk->out.size - before + 3;
        return PUT(&walk->out, "\": ");
    }
    PyObject *python = python_walk(walk);
    PyObject *known = python == NULL ? NULL : call_2(core, core->encoder, N_KEY, key, python);
    if (known == NULL) {
        return -1;
    }
    PyObject *text = PyTuple_GetItem(known, 0), *name = PyTuple_GetItem(known, 1);
    int result = text == NULL || name == NULL || refresh(core) < 0 ? -1 : 0;
    if (result == 0 && is_text && PyDict_GetItemWithError(core->known_keys, key) != NULL) {
        result = put_python_text(walk, text, chars);
    } else if (result == 0) {
        result = PyErr_Occurred() ? -1 : write_numbered(walk, text, used, chars);
    }
    int said = result == 0 ? said_of(known) : -1;
    result = said < 0 ? -1 : 0;
    meaning->part = said & ~JUDGED_NAME;
    meaning->is_judged = (said & JUDGED_NAME) != 0;
    if (result == 0 && PyUnicode_GetLength(name) > 0) {
        meaning->secret_name = Py_NewRef(name);
    }
    Py_DECREF(known);
    return result;
}
