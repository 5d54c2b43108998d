/* When each counted call has begun, by the address of its frame: the type Begins, with what AdaptiveCapture uses of a dict.

   Other keys, as those of coroutines, are in a dict. */
#include "core.h"

#include <string.h>

typedef struct {
    uintptr_t address; /* 0: free */
    long long begun_ns;
} Begin;

struct Begins {
    PyObject_HEAD
    Begin *table;
    size_t mask; /* the number of its places, a power of two, less one */
    size_t count;
    PyObject *others;
};

#define FIRST_PLACES 64

/* Return where an address is, or the free place where it would be; at most half of the places are taken. */
static size_t place_of(const Begins *begins, uintptr_t address) {
    size_t at = address >> 4;
    for (at = (at ^ at >> 9) & begins->mask; begins->table[at].address && begins->table[at].address != address;) {
        at = (at + 1) & begins->mask;
    }
    return at;
}

static int resize(Begins *begins, size_t places) {
    Begin *old = begins->table, *table = PyMem_Calloc(places, sizeof(Begin));
    size_t old_places = old == NULL ? 0 : begins->mask + 1;
    if (table == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    begins->table = table;
    begins->mask = places - 1;
    for (size_t at = 0; at < old_places; at++) {
        if (old[at].address) {
            table[place_of(begins, old[at].address)] = old[at];
        }
    }
    PyMem_Free(old);
    return 0;
}

/* Note when the call in a frame has begun. */
int begins_note(Begins *begins, const void *frame, long long begun_ns) {
    if (begins->count * 2 > begins->mask && resize(begins, 2 * (begins->mask + 1)) < 0) {
        return -1;
    }
    Begin *begin = &begins->table[place_of(begins, (uintptr_t)frame)];
    begins->count += begin->address == 0;
    *begin = (Begin){(uintptr_t)frame, begun_ns};
    return 0;
}

/* Return when the call in a frame has begun; 0 if that is not known. */
long long begins_find(const Begins *begins, const void *frame) {
    const Begin *begin = &begins->table[place_of(begins, (uintptr_t)frame)];
    return begin->address ? begin->begun_ns : 0;
}

/* Forget a call; those behind it move up, so that no search ends at its place too soon. */
void begins_forget(Begins *begins, const void *frame) {
    size_t at = place_of(begins, (uintptr_t)frame);
    if (begins->table[at].address == 0) {
        return;
    }
    begins->table[at].address = 0;
    begins->count--;
    for (size_t next = (at + 1) & begins->mask; begins->table[next].address; next = (next + 1) & begins->mask) {
        Begin moved = begins->table[next];
        begins->table[next].address = 0;
        begins->table[place_of(begins, moved.address)] = moved;
    }
}

/* The same of a coroutine, whose end may pass unseen: its key includes its code, as _frame_key of events/adaptive.py. */
int begins_note_of(Begins *begins, const void *frame, const void *code, long long begun_ns) {
    PyObject *frame_id = PyLong_FromVoidPtr((void *)frame), *code_id = PyLong_FromVoidPtr((void *)code);
    PyObject *key = frame_id == NULL || code_id == NULL ? NULL : PyTuple_Pack(2, frame_id, code_id);
    PyObject *begun = key == NULL ? NULL : PyLong_FromLongLong(begun_ns);
    int result = begun == NULL ? -1 : PyDict_SetItem(begins->others, key, begun);
    Py_XDECREF(frame_id);
    Py_XDECREF(code_id);
    Py_XDECREF(key);
    Py_XDECREF(begun);
    return result;
}

static void begins_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyMem_Free(((Begins *)self)->table);
    Py_XDECREF(((Begins *)self)->others);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

int is_begins(PyObject *object) { return PyType_GetSlot(Py_TYPE(object), Py_tp_dealloc) == (void *)begins_dealloc; }

static PyObject *begins_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    if (keywords != NULL || !PyArg_ParseTuple(arguments, "")) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Begins *begins = (Begins *)allocate(type, 0); /* all zero */
    if (begins != NULL && ((begins->others = PyDict_New()) == NULL || resize(begins, FIRST_PLACES) < 0)) {
        Py_CLEAR(begins);
    }
    return (PyObject *)begins;
}

/* Return whether a key is the address of a frame. */
static int is_address(PyObject *key, void **address) {
    *address = NULL;
    if (PyLong_CheckExact(key)) {
        *address = PyLong_AsVoidPtr(key);
        if (*address == NULL) {
            PyErr_Clear(); /* too large */
        }
    }
    return *address != NULL;
}

/* Return when a call has begun; NULL without an error if that is not known. */
static PyObject *find(Begins *begins, PyObject *key) {
    void *address;
    if (!is_address(key, &address)) {
        return Py_XNewRef(PyDict_GetItemWithError(begins->others, key));
    }
    long long begun_ns = begins_find(begins, address);
    return begun_ns ? PyLong_FromLongLong(begun_ns) : NULL;
}

static int begins_set(PyObject *self, PyObject *key, PyObject *value) {
    Begins *begins = (Begins *)self;
    void *address;
    if (!is_address(key, &address)) {
        return value == NULL ? PyDict_DelItem(begins->others, key) : PyDict_SetItem(begins->others, key, value);
    }
    if (value == NULL) {
        begins_forget(begins, address);
        return 0;
    }
    long long begun_ns = PyLong_AsLongLong(value);
    return begun_ns == -1 && PyErr_Occurred() ? -1 : begins_note(begins, address, begun_ns);
}

static int begins_contains(PyObject *self, PyObject *key) {
    PyObject *found = find((Begins *)self, key);
    Py_XDECREF(found);
    return found != NULL ? 1 : PyErr_Occurred() ? -1 : 0;
}

static Py_ssize_t begins_length(PyObject *self) {
    Begins *begins = (Begins *)self;
    return (Py_ssize_t)begins->count + PyDict_Size(begins->others);
}

static PyObject *begins_get(PyObject *self, PyObject *key) {
    PyObject *found = find((Begins *)self, key);
    return found != NULL || PyErr_Occurred() ? found : Py_NewRef(Py_None);
}

static PyObject *begins_pop(PyObject *self, PyObject *arguments) {
    PyObject *key, *missing;
    if (!PyArg_ParseTuple(arguments, "OO", &key, &missing)) {
        return NULL;
    }
    PyObject *found = find((Begins *)self, key);
    if (found == NULL) {
        return PyErr_Occurred() ? NULL : Py_NewRef(missing);
    }
    if (begins_set(self, key, NULL) < 0) {
        Py_CLEAR(found);
    }
    return found;
}

static PyObject *begins_clear(PyObject *self, PyObject *Py_UNUSED(nothing)) {
    Begins *begins = (Begins *)self;
    memset(begins->table, 0, (begins->mask + 1) * sizeof(Begin));
    begins->count = 0;
    PyDict_Clear(begins->others);
    return Py_NewRef(Py_None);
}

static PyMethodDef begins_methods[] = {
    {"get", begins_get, METH_O, "Return when a call has begun, None if that is not known."},
    {"pop", begins_pop, METH_VARARGS, "Forget a call, and return when it has begun, or what is given for one that is not known."},
    {"clear", begins_clear, METH_NOARGS, "Forget all calls."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot begins_slots[] = {
    {Py_tp_doc, "When each counted call has begun."},
    {Py_tp_new, begins_new},
    {Py_tp_dealloc, begins_dealloc},
    {Py_tp_methods, begins_methods},
    {Py_mp_length, begins_length},
    {Py_mp_ass_subscript, begins_set},
    {Py_sq_contains, begins_contains},
    {0, NULL},
};

PyType_Spec begins_spec = {"breadcrumb.core.Begins", sizeof(Begins), 0, Py_TPFLAGS_DEFAULT, begins_slots};
