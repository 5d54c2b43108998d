/* The end of a mapped file, where records are appended: the type Segment, which writes as the map itself does. */
#include "core.h"

#include <string.h>

typedef struct {
    PyObject_HEAD
    Py_buffer map;
    Py_ssize_t end;
} Segment;

static PyObject *segment_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    PyObject *map;
    if (keywords != NULL || !PyArg_ParseTuple(arguments, "O", &map)) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Segment *segment = (Segment *)allocate(type, 0); /* all zero */
    if (segment != NULL && PyObject_GetBuffer(map, &segment->map, PyBUF_WRITABLE) < 0) {
        memset(&segment->map, 0, sizeof(Py_buffer));
        Py_CLEAR(segment);
    }
    return (PyObject *)segment;
}

static void segment_dealloc(PyObject *self) {
    Segment *segment = (Segment *)self;
    PyTypeObject *type = Py_TYPE(self);
    if (segment->map.obj != NULL) {
        PyBuffer_Release(&segment->map);
    }
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

/* Append bytes; return whether there was room. Nothing comes between copying them and moving the end. */
static int append(Segment *segment, const char *data, Py_ssize_t size) {
    if (size > segment->map.len - segment->end) {
        return 0;
    }
    memcpy((char *)segment->map.buf + segment->end, data, (size_t)size);
    segment->end += size;
    return 1;
}

/* Append a record; ValueError if it does not fit. */
static PyObject *segment_write(PyObject *self, PyObject *record) {
    if (!PyBytes_CheckExact(record)) {
        PyErr_SetString(PyExc_TypeError, "a record is bytes");
        return NULL;
    }
    if (!append((Segment *)self, PyBytes_AsString(record), PyBytes_Size(record))) {
        PyErr_SetString(PyExc_ValueError, "data out of range");
        return NULL;
    }
    return PyLong_FromSsize_t(PyBytes_Size(record));
}

static PyObject *segment_tell(PyObject *self, PyObject *Py_UNUSED(nothing)) {
    return PyLong_FromSsize_t(((Segment *)self)->end);
}

static PyMethodDef segment_methods[] = {
    {"write", segment_write, METH_O, "Append a record; ValueError if it does not fit."},
    {"tell", segment_tell, METH_NOARGS, "Return the number of bytes that are written."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot segment_slots[] = {
    {Py_tp_doc, "The end of a mapped file, where records are appended."},
    {Py_tp_new, segment_new},
    {Py_tp_dealloc, segment_dealloc},
    {Py_tp_methods, segment_methods},
    {0, NULL},
};

PyType_Spec segment_spec = {"breadcrumb.core.Segment", sizeof(Segment), 0, Py_TPFLAGS_DEFAULT, segment_slots};

/* Write a record of a thread: to its segment, or by the function in Python where that is full or something else writes,
   as during a fork. */
int write_record(Core *core, PyObject *in_python, PyObject *thread, const Buffer *record) {
    PyObject *write = read_attribute(core, THREAD, thread, N_WRITE);
    if (write == NULL) {
        return -1;
    }
    int is_written = PyCFunction_CheckExact(write) && PyCFunction_GetFunction(write) == segment_write &&
                     append((Segment *)PyCFunction_GetSelf(write), record->data, record->size);
    Py_DECREF(write);
    if (is_written) {
        return 0;
    }
    PyObject *bytes = PyBytes_FromStringAndSize(record->data, record->size);
    PyObject *done = bytes == NULL ? NULL : PyObject_CallFunctionObjArgs(in_python, thread, bytes, NULL);
    Py_XDECREF(bytes);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}
