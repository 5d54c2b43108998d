/* Attributes of the tracer's own objects: those in slots are read where they are, without a search by name. */
#include "core.h"

#include <string.h>

/* Return where a class or one it derives from has declared a slot; 0 if none has. */
static Py_ssize_t find_member(PyTypeObject *type, const char *name) {
    for (; type != NULL; type = (PyTypeObject *)PyType_GetSlot(type, Py_tp_base)) {
        const PyMemberDef *member = (const PyMemberDef *)PyType_GetSlot(type, Py_tp_members);
        for (; member != NULL && member->name != NULL; member++) {
            if (strcmp(member->name, name) == 0) {
                return member->type == T_OBJECT_EX && member->flags == 0 ? member->offset : 0;
            }
        }
    }
    return 0;
}

/* Find the slots of a class: those that reading the attribute would lead to. */
static int learn_slots(Core *core, PyTypeObject *type, Slots *slots) {
    Slots found = {NULL, {0}};
    for (int name = 0; name < NAME_COUNT; name++) {
        PyObject *descriptor = PyObject_GetAttr((PyObject *)type, core->names[name]);
        if (descriptor == NULL) {
            if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
                return -1;
            }
            PyErr_Clear();
            continue;
        }
        if (Py_TYPE(descriptor) == &PyMemberDescr_Type) {
            found.at[name] = find_member(type, NAMES[name]);
        }
        Py_DECREF(descriptor);
    }
    if (slots->type == NULL) {
        *slots = found;
        slots->type = (PyTypeObject *)Py_NewRef((PyObject *)type);
    }
    return 0;
}

/* Read an attribute that is not known to be in a slot. */
PyObject *search_attribute(Core *core, enum Owner kind, PyObject *owner, enum Name name) {
    Slots *slots = &core->slots[kind];
    if (slots->type == NULL && learn_slots(core, Py_TYPE(owner), slots) < 0) {
        return NULL;
    }
    return PyObject_GetAttr(owner, core->names[name]);
}

/* Read an attribute that is an integer. */
int read_number(Core *core, enum Owner kind, PyObject *owner, enum Name name, long long *number) {
    PyObject *found = read_attribute(core, kind, owner, name);
    *number = found == NULL ? -1 : PyLong_AsLongLong(found);
    Py_XDECREF(found);
    return *number == -1 && PyErr_Occurred() ? -1 : 0;
}

int visit_slots(Core *core, visitproc visit, void *arg) {
    for (int kind = 0; kind < OWNER_COUNT; kind++) {
        Py_VISIT((PyObject *)core->slots[kind].type);
    }
    return 0;
}

void forget_slots(Core *core) {
    for (int kind = 0; kind < OWNER_COUNT; kind++) {
        PyTypeObject *type = core->slots[kind].type;
        core->slots[kind].type = NULL;
        Py_XDECREF((PyObject *)type);
    }
}
