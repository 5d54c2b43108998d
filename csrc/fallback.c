/* Leave to Python what is not written here: a Walk of values/walk.py goes on where this one stands. */
#include "core.h"

PyObject *call_1(Core *core, PyObject *owner, enum Name name, PyObject *argument) {
    return PyObject_CallMethodObjArgs(owner, core->names[name], argument, NULL);
}

PyObject *call_2(Core *core, PyObject *owner, enum Name name, PyObject *one, PyObject *other) {
    return PyObject_CallMethodObjArgs(owner, core->names[name], one, other, NULL);
}

/* Return the Walk with the room and the containers of this one, borrowed. */
PyObject *python_walk(Walk *walk) {
    Core *core = walk->core;
    if (walk->walk == NULL) {
        walk->walk = PyObject_CallFunctionObjArgs(core->walk_type, core->encoder, NULL);
        if (walk->walk == NULL) {
            return NULL;
        }
    }
    PyObject *room = PyLong_FromSsize_t(walk->room), *inside = PyList_New(walk->depth);
    int failed = room == NULL || inside == NULL;
    for (Py_ssize_t level = 0; !failed && level < walk->depth; level++) {
        PyObject *address = PyLong_FromVoidPtr(walk->inside[level]);
        failed = address == NULL || PyList_SetItem(inside, level, address) < 0;
    }
    failed = failed || PyObject_SetAttr(walk->walk, core->names[N_ROOM], room) < 0 ||
             PyObject_SetAttr(walk->walk, core->names[N_INSIDE], inside) < 0;
    Py_XDECREF(room);
    Py_XDECREF(inside);
    return failed ? NULL : walk->walk;
}

int write_in_python(Walk *walk, PyObject *value) {
    Core *core = walk->core;
    PyObject *python = python_walk(walk);
    PyObject *text = python == NULL ? NULL : call_1(core, python, N_RENDER, value);
    if (text == NULL) {
        return -1;
    }
    Py_ssize_t chars;
    int result = put_python_text(walk, text, &chars);
    Py_DECREF(text);
    PyObject *room = result < 0 ? NULL : PyObject_GetAttr(python, core->names[N_ROOM]);
    if (room == NULL) {
        return -1;
    }
    walk->room = PyLong_AsSsize_t(room);
    Py_DECREF(room);
    return PyErr_Occurred() ? -1 : refresh(core);
}
