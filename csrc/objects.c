/* Instances of classes: objects by their fields, sets in order, all others by their writer in Python. */
#include "core.h"

/* Copy a part of what TypePlan.fields returns; the number of all fields becomes *size. */
static int ask_plan(Walk *walk, PyObject *value, Plan *plan, Items *pairs, Py_ssize_t *size) {
    Core *core = walk->core;
    PyObject *limit = PyLong_FromSsize_t(core->max_items);
    PyObject *answer = limit == NULL ? NULL : call_2(core, plan->plan, N_FIELDS, value, limit), *found;
    Py_XDECREF(limit);
    if (answer == NULL) {
        return -1;
    }
    int failed = !PyArg_ParseTuple(answer, "O!n", &PyList_Type, &found, size);
    for (Py_ssize_t at = 0; !failed && at < PyList_Size(found); at++) {
        PyObject *name, *item;
        failed = !PyArg_ParseTuple(PyList_GetItem(found, at), "OO", &name, &item) || items_push(pairs, name) < 0 ||
                 items_push(pairs, item) < 0;
    }
    Py_DECREF(answer);
    return failed ? -1 : 0;
}

/* Clear the current error if it says no more than that something cannot be read, and the program has not raised it. */
int clear_if_unreadable(Core *core) {
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    if (traceback != NULL && error != NULL) {
        PyException_SetTraceback(error, traceback);
    }
    PyObject *answer = error == NULL ? NULL : call_1(core, core->encoder, N_RESCUES, error);
    int is_cleared = answer == Py_True;
    Py_XDECREF(answer);
    if (is_cleared) {
        Py_XDECREF(type);
        Py_XDECREF(error);
        Py_XDECREF(traceback);
        return 1;
    }
    PyErr_Restore(type, error, traceback);
    return 0;
}

static int read_slots(Core *core, PyObject *value, Plan *plan, Items *pairs) {
    for (Py_ssize_t at = 0; at < PyTuple_Size(plan->slots); at++) {
        PyObject *name = PyTuple_GetItem(plan->slots, at), *item = PyObject_GenericGetAttr(value, name);
        if (item == NULL) { /* not set (yet) */
            if (PyErr_ExceptionMatches(PyExc_AttributeError) && clear_if_unreadable(core)) {
                continue;
            }
            return -1;
        }
        int failed = items_push(pairs, name) < 0 || items_push(pairs, item) < 0;
        Py_DECREF(item);
        if (failed) {
            return -1;
        }
    }
    return 0;
}

/* Read the first fields of an instance as TypePlan.fields does. */
static int read_fields(Walk *walk, PyObject *value, Plan *plan, Items *pairs, Py_ssize_t *size) {
    Core *core = walk->core;
    if (plan->asks_plan) {
        return ask_plan(walk, value, plan, pairs, size);
    }
    if (read_slots(core, value, plan, pairs) < 0) {
        return -1;
    }
    *size = pairs->size / 2;
    if (!plan->reads_dict) {
        return 0;
    }
    PyObject *own = plan->spares_dict ? call_1(core, plan->plan, N_OWN_FIELDS, value)
                                      : PyObject_GenericGetAttr(value, core->names[N_DICT]);
    if (own == NULL) {
        return -1;
    }
    int result = 0;
    if (PyDict_CheckExact(own) && PyDict_Size(own) > 0) {
        if (PyDict_GetItemWithError(own, core->names[N_SQLALCHEMY]) != NULL) {
            Py_DECREF(own);
            items_free(pairs);
            return ask_plan(walk, value, plan, pairs, size);
        }
        result = PyErr_Occurred() ? -1 : 0;
        *size += PyDict_Size(own);
        Py_ssize_t position = 0, left = core->max_items + 1;
        PyObject *name, *item;
        while (result == 0 && left-- > 0 && PyDict_Next(own, &position, &name, &item)) {
            if (!PyUnicode_CheckExact(name)) {
                *size -= 1;
            } else {
                result = items_push(pairs, name) < 0 || items_push(pairs, item) < 0 ? -1 : 0;
            }
        }
    }
    Py_DECREF(own);
    return result;
}

/* Whose number the table has at an address. */
enum { OTHERS, THIS, DEAD };

static int whose_number(PyObject *known, PyObject *value, Plan *plan) {
    if (!PyTuple_CheckExact(known) || PyTuple_Size(known) != 4) {
        return OTHERS;
    }
    PyObject *alive = PyWeakref_GetObject(PyTuple_GetItem(known, 0)), *name = PyTuple_GetItem(known, 1);
    if (alive == Py_None) {
        return DEAD;
    }
    if (alive == NULL) {
        PyErr_Clear(); /* it is no reference */
    }
    return alive == value && (name == plan->short_name || PyUnicode_Compare(name, plan->short_name) == 0) ? THIS : OTHERS;
}

/* Number an object as ObjectNumbers does; return 0 if that is not the common case, and -1 for an error.

   Nothing here runs code in Python, so that no other thread numbers the object meanwhile. */
static long long number_anew(Core *core, PyObject *value, PyObject *address, Plan *plan) {
    PyObject *counted = PyDict_GetItemWithError(core->number_counts, plan->short_name);
    if (counted == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    char text[40] = ", \"$object\": ";
    Py_ssize_t begin = (Py_ssize_t)strlen(text);
    PyObject *weak = PyWeakref_NewRef(value, NULL), *number = weak == NULL ? NULL : PyIter_Next(counted);
    long long result = number == NULL ? -1 : PyLong_AsLongLong(number);
    PyObject *field = result < 0 ? NULL : PyUnicode_FromStringAndSize(text, begin + format_integer(text + begin, result));
    PyObject *known = field == NULL ? NULL : PyTuple_Pack(4, weak, plan->short_name, number, field);
    if (known == NULL || PyDict_SetItem(core->known_numbers, address, known) < 0) {
        result = -1;
    }
    Py_XDECREF(weak);
    Py_XDECREF(number);
    Py_XDECREF(field);
    Py_XDECREF(known);
    return result;
}

/* Return whether the table may take one more object. */
static int has_room(Core *core) {
    PyObject *limit = PyObject_GetAttr(core->numbers, core->names[N_LIMIT]);
    int result = limit == NULL ? -1 : PyDict_Size(core->known_numbers) < PyLong_AsSsize_t(limit);
    Py_XDECREF(limit);
    return result;
}

/* Find or make the number of an object; 0 if that is not the common case. */
static long long find_number(Core *core, PyObject *value, PyObject *address, Plan *plan) {
    PyObject *known = PyDict_GetItemWithError(core->known_numbers, address);
    if (known == NULL) {
        int room = PyErr_Occurred() ? -1 : has_room(core);
        return room > 0 ? number_anew(core, value, address, plan) : room;
    }
    Py_INCREF(known);
    long long result = 0;
    switch (whose_number(known, value, plan)) {
    case THIS:
        result = PyLong_AsLongLong(PyTuple_GetItem(known, 2));
        break;
    case DEAD: /* the collector drops weak references before it runs finalizers: Python decides about those */
        result = PyObject_GC_IsFinalized(value) ? 0 : number_anew(core, value, address, plan);
        break;
    }
    Py_DECREF(known);
    return result;
}

void forget_object_numbers(Core *core) {
    for (Py_ssize_t at = 0; at < NUMBER_SLOTS; at++) {
        PyObject *old = core->object_numbers[at].known;
        core->object_numbers[at] = (ObjectNumber){NULL, NULL, 0};
        Py_XDECREF(old);
    }
}

/* Remember the number that the table has at an address. */
static void remember_number(Core *core, ObjectNumber *place, PyObject *value, PyObject *address, long long number) {
    PyObject *old = place->known, *known = PyDict_GetItemWithError(core->known_numbers, address);
    *place = (ObjectNumber){known == NULL ? NULL : value, Py_XNewRef(known), number};
    Py_XDECREF(old);
}

/* Return the number of an object; 0 if it has none, -1 for an error. */
static long long number_of(Core *core, PyObject *value, Plan *plan) {
    if (core->known_numbers == NULL || plan->short_name == Py_None) {
        return 0;
    }
    uintptr_t at = (uintptr_t)value >> 4;
    ObjectNumber *place = &core->object_numbers[(at ^ at >> 9) & (NUMBER_SLOTS - 1)];
    if (place->value == value && whose_number(place->known, value, plan) == THIS) {
        return place->number;
    }
    PyObject *address = PyLong_FromVoidPtr(value);
    long long result = address == NULL ? -1 : find_number(core, value, address, plan);
    if (result > 0) {
        remember_number(core, place, value, address, result);
    }
    Py_XDECREF(address);
    if (result > 0) {
        return result;
    }
    if (PyErr_Occurred()) {
        return -1;
    }
    PyObject *number = call_2(core, core->numbers, N_NUMBER_OF, value, plan->short_name);
    result = number == NULL ? -1 : PyLong_AsLongLong(number);
    Py_XDECREF(number);
    return result;
}

static int put_number(Walk *walk, const char *before, Py_ssize_t size, long long number) {
    if (buffer_put(&walk->out, before, size) < 0 || buffer_reserve(&walk->out, 24) < 0) {
        return -1;
    }
    walk->out.size += format_integer(walk->out.data + walk->out.size, number);
    return 0;
}

/* Write an object as a text, and its number: Walk.named. */
static int write_named(Walk *walk, PyObject *value, Plan *plan, PyObject *text) {
    int result = write_leaf(walk, text);
    long long number = result < 0 ? -1 : number_of(walk->core, value, plan);
    if (number < 0) {
        return -1;
    }
    const char *end = walk->out.data + walk->out.size - 2;
    if (number == 0 || end[0] != '>' || end[1] != '"') {
        return 0;
    }
    walk->out.size -= 2;
    return put_number(walk, "#", 1, number) < 0 ? -1 : PUT(&walk->out, ">\"");
}

/* Write an object that is too deep, or inside itself, as its class and number: Walk._placeholder. */
static int write_object_name(Walk *walk, PyObject *value, Plan *plan) {
    PyObject *name = PyType_GetQualName(Py_TYPE(value));
    PyObject *text =
        name == NULL ? NULL : PyUnicode_FromFormat("<%s%U>", is_inside(walk, value) ? "cycle: " : "", name);
    Py_XDECREF(name);
    int result = text == NULL ? -1 : write_named(walk, value, plan, text);
    Py_XDECREF(text);
    return result;
}

/* Write the beginning of an object: its class and number. */
static int write_class(Walk *walk, PyObject *value, Plan *plan) {
    long long number = number_of(walk->core, value, plan);
    if (number < 0 || buffer_put(&walk->out, plan->opening.data, plan->opening.size) < 0) {
        return -1;
    }
    return number ? put_number(walk, ", \"$object\": ", 13, number) : 0;
}

/* Write an object that has no fields now. */
static int write_empty(Walk *walk, PyObject *value, Plan *plan) {
    walk->room -= plan->name_chars + 10; /* as _typed of values/objects.py */
    return write_class(walk, value, plan) < 0 ? -1 : PUT(&walk->out, "}");
}

static int write_fields(Walk *walk, PyObject *value, Plan *plan, Items *pairs, Py_ssize_t size) {
    if (cannot_enter(walk, value)) {
        return write_object_name(walk, value, plan);
    }
    walk->room -= plan->name_chars + 13; /* {"$type": ""} */
    if (write_class(walk, value, plan) < 0) {
        return -1;
    }
    if (PUT(&walk->out, ", ") < 0 || write_entries(walk, pairs, value, size) < 0) {
        return -1;
    }
    return PUT(&walk->out, "}");
}

/* Write a set of integers alone or of texts alone; return 0 if it is another one. */
static int write_plain_set(Walk *walk, PyObject *value, const char *opening, const char *type_name, int *is_written) {
    Py_ssize_t size = PySet_Size(value);
    *is_written = 0;
    if (size > MAX_SORTED_ITEMS) {
        return 0;
    }
    PyObject *members = PySequence_List(value);
    if (members == NULL) {
        return -1;
    }
    PyTypeObject *kind = size > 0 ? Py_TYPE(PyList_GetItem(members, 0)) : &PyLong_Type;
    int is_plain = kind == &PyLong_Type || kind == &PyUnicode_Type;
    for (Py_ssize_t at = 1; is_plain && at < PyList_Size(members); at++) {
        is_plain = Py_TYPE(PyList_GetItem(members, at)) == kind;
    }
    int result = 0;
    if (is_plain) {
        Items items;
        items_init(&items);
        result = PyList_Sort(members);
        for (Py_ssize_t at = 0; result == 0 && at < PyList_Size(members) && at < walk->core->max_items; at++) {
            result = items_push(&items, PyList_GetItem(members, at));
        }
        result = result < 0 ? -1 : write_list(walk, opening, &items, value, type_name, size);
        items_free(&items);
        *is_written = 1;
    }
    Py_DECREF(members);
    return result;
}

int write_instance(Walk *walk, PyObject *value) {
    PyTypeObject *type = Py_TYPE(value);
    if (type == &PySet_Type || type == &PyFrozenSet_Type) {
        int is_written, is_set = type == &PySet_Type;
        int result = write_plain_set(walk, value, is_set ? "{\"$set\": [" : "{\"$frozenset\": [", is_set ? "set" : "frozenset",
                                     &is_written);
        return result < 0 || is_written ? result : write_in_python(walk, value);
    }
    Plan *plan = find_plan(walk->core, type);
    if (plan == NULL) {
        return -1;
    }
    Items pairs;
    Py_ssize_t size = 0;
    items_init(&pairs);
    int result = plan->is_object && plan->said == NULL ? read_fields(walk, value, plan, &pairs, &size) : 0;
    if (result == 0) {
        result = pairs.size           ? write_fields(walk, value, plan, &pairs, size)
                 : plan->said != NULL ? write_named(walk, value, plan, plan->said)
                 : plan->is_object    ? write_empty(walk, value, plan)
                                      : write_in_python(walk, value);
    }
    items_free(&pairs);
    release_plan(plan);
    return result;
}

/* Write an object by its class and number alone: Encoder.encode_fields_hidden. */
int write_without_fields(Walk *walk, PyObject *value) {
    Plan *plan = find_plan(walk->core, Py_TYPE(value));
    if (plan == NULL) {
        return -1;
    }
    int result = write_class(walk, value, plan) < 0 ? -1 : PUT(&walk->out, "}");
    release_plan(plan);
    return result;
}
