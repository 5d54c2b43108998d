/* The event LINE, from its callback to the lines of the call: MonitoringBackend._on_line. */
#include "core.h"

#if defined(__APPLE__)
#include <time.h>
long long now_ns(void) { return (long long)clock_gettime_nsec_np(CLOCK_UPTIME_RAW); }
#else
#include <time.h>
/* Return the time of the clock of time.perf_counter_ns. */
long long now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}
#endif

/* Write a record with the write of a thread's segment, which is a method of a map: only that runs no code in Python. */
int write_record(Core *core, PyObject *in_python, PyObject *thread, PyObject *record) {
    PyObject *write = PyObject_GetAttr(thread, core->names[N_WRITE]), *written = NULL;
    if (write == NULL) {
        return -1;
    }
    if (PyCFunction_CheckExact(write)) {
        written = PyObject_CallFunctionObjArgs(write, record, NULL);
        if (written == NULL && PyErr_ExceptionMatches(PyExc_ValueError)) {
            PyErr_Clear(); /* the segment is full, and Python opens the next one */
        } else if (written == NULL) {
            Py_DECREF(write);
            return -1;
        }
    }
    Py_DECREF(write);
    if (written == NULL) {
        written = PyObject_CallFunctionObjArgs(in_python, thread, record, NULL);
    }
    Py_XDECREF(written);
    return written == NULL ? -1 : 0;
}


static PyObject *attribute(const LineEvents *events, PyObject *owner, enum Name name) {
    return PyObject_GetAttr(owner, events->core->names[name]);
}

/* Find the function of code that is not that of the last event; NULL without an error if it is not traced. */
static PyObject *find_function(LineEvents *events, PyObject *code) {
    if (code == events->last_code) {
        return events->last_function;
    }
    PyObject *address = PyLong_FromVoidPtr(code);
    PyObject *function = address == NULL ? NULL : PyDict_GetItemWithError(events->functions, address);
    Py_XDECREF(address);
    if (function != NULL) { /* it keeps its code alive, so that no other code has the address */
        PyObject *old_code = events->last_code, *old_function = events->last_function;
        events->last_code = Py_NewRef(code);
        events->last_function = Py_NewRef(function);
        Py_XDECREF(old_code);
        Py_XDECREF(old_function);
    }
    return function;
}

/* Return the innermost open call of this thread if it is the one in the frame, and the thread's state in events->thread;
   NULL without an error if it is not. */
static PyObject *open_call(LineEvents *events, PyObject *frame) {
    for (int attempt = 0; attempt < 2; attempt++) {
        if (attempt) {
            PyObject *state = attribute(events, events->threads, N_STATE), *old = events->thread;
            if (state == NULL) {
                if (PyErr_ExceptionMatches(PyExc_AttributeError)) {
                    PyErr_Clear(); /* the thread's first event: Python makes its state */
                }
                return NULL;
            }
            events->thread = state;
            Py_XDECREF(old);
        }
        if (events->thread == NULL) {
            continue;
        }
        PyObject *top = attribute(events, events->thread, N_TOP);
        if (top == NULL) {
            return NULL;
        }
        if (PyTuple_CheckExact(top) && PyTuple_Size(top) == 5 && PyTuple_GetItem(top, 2) == frame) {
            return top;
        }
        Py_DECREF(top);
    }
    return NULL;
}

/* Return the lines of a call, borrowed from events->lines; NULL without an error if none are recorded. */
static PyObject *lines_of(LineEvents *events, PyObject *top) {
    PyObject *state = PyTuple_GetItem(top, 3);
    if (state == Py_None) {
        return NULL;
    }
    if (state != events->state) { /* it has the same lines all the time */
        PyObject *lines = attribute(events, state, N_LINES), *old_lines = events->lines, *old_state = events->state;
        if (lines == NULL) {
            return NULL;
        }
        events->lines = lines;
        events->state = Py_NewRef(state);
        Py_XDECREF(old_lines);
        Py_XDECREF(old_state);
    }
    return events->lines == Py_None ? NULL : events->lines;
}

/* Tell the lines of a call that one starts. */
static int tell(LineEvents *events, PyObject *top, PyObject *frame, PyObject *line) {
    PyObject *lines = lines_of(events, top);
    if (lines == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    int result;
    PyObject *thread = Py_NewRef(events->thread); /* another thread may replace both meanwhile */
    Py_INCREF(lines);
    if ((PyObject *)Py_TYPE(lines) == events->lines_type) {
        result = line_starts((CallLines *)lines, thread, top, frame, PyLong_AsLong(line));
    } else {
        PyObject *done = PyObject_CallMethodObjArgs(lines, events->core->names[N_STARTS], thread, frame, line, NULL);
        result = done == NULL ? -1 : 0;
        Py_XDECREF(done);
    }
    Py_DECREF(lines);
    Py_DECREF(thread);
    return result;
}

/* Return whether Python need not note the line for the test that runs, nor disable it; -1 for an error. */
static int is_noted(LineEvents *events, PyObject *code, PyObject *line) {
    PyObject *function = find_function(events, code);
    if (function == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    Py_INCREF(function);
    PyObject *source = attribute(events, function, N_LINES), *notes = attribute(events, function, N_NOTES_LINES);
    int result = source == NULL || notes == NULL ? -1 : source == Py_None ? 0 : notes == Py_False;
    if (result == 0 && source != Py_None) {
        PyObject *key = PyTuple_Pack(2, function, line);
        result = key == NULL ? -1 : PyDict_Contains(events->ran, key);
        Py_XDECREF(key);
    }
    Py_XDECREF(source);
    Py_XDECREF(notes);
    Py_DECREF(function);
    return result;
}

/* Handle the event here if it is of a line of the innermost call; return whether it is done, -1 for an error. */
static int handle(LineEvents *events, PyObject *code, PyObject *line) {
    /* Without tests, the lines of a call that has some are wanted as long as it runs. */
    int result = events->ran == NULL ? 1 : is_noted(events, code, line);
    PyObject *frame = result <= 0 ? NULL : (PyObject *)PyEval_GetFrame();
    if (frame == NULL) {
        return result < 0 ? -1 : 0;
    }
    Py_INCREF(frame);
    PyObject *top = open_call(events, frame);
    if (top == NULL) {
        result = PyErr_Occurred() ? -1 : 0;
    } else {
        result = tell(events, top, frame, line) < 0 ? -1 : 1;
        Py_DECREF(top);
    }
    Py_DECREF(frame);
    return result;
}

/* Let Python decide about an error: it lets through what the program has raised. */
static PyObject *handle_failure(LineEvents *events) {
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    if (traceback != NULL && error != NULL) {
        PyException_SetTraceback(error, traceback);
    }
    PyObject *done = PyObject_CallFunctionObjArgs(events->failed, error, NULL);
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(traceback);
    return done;
}

/* The callback of LINE. */
static PyObject *events_line(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    LineEvents *events = (LineEvents *)self;
    if (count != 2 || events->failed == NULL || events->core == NULL) {
        return Py_NewRef(Py_None);
    }
    int done = handle(events, arguments[0], arguments[1]);
    if (done < 0) {
        return handle_failure(events);
    }
    return done ? Py_NewRef(Py_None) : PyObject_CallFunctionObjArgs(events->in_python, arguments[0], arguments[1], NULL);
}

/* Look up the function of the next event again. */
static PyObject *events_forget(PyObject *self, PyObject *Py_UNUSED(nothing)) {
    LineEvents *events = (LineEvents *)self;
    Py_CLEAR(events->last_code);
    Py_CLEAR(events->last_function);
    return Py_NewRef(Py_None);
}

/* Note in a dict which lines the test that runs has executed: ExecutedLines.ran. */
static PyObject *events_note(PyObject *self, PyObject *ran) {
    LineEvents *events = (LineEvents *)self;
    if (!PyDict_CheckExact(ran)) {
        PyErr_SetString(PyExc_TypeError, "lines are noted in a dict");
        return NULL;
    }
    PyObject *old = events->ran;
    events->ran = Py_NewRef(ran);
    Py_XDECREF(old);
    return Py_NewRef(Py_None);
}

static PyObject *events_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    PyObject *core, *lines_type, *functions, *threads, *in_python, *failed;
    if (keywords != NULL || !PyArg_ParseTuple(arguments, "OO!O!OOO", &core, &PyType_Type, &lines_type, &PyDict_Type,
                                              &functions, &threads, &in_python, &failed)) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    LineEvents *events = (LineEvents *)allocate(type, 0); /* all zero */
    if (events == NULL) {
        return NULL;
    }
    events->core = (Core *)Py_NewRef(core);
    events->lines_type = Py_NewRef(lines_type);
    events->functions = Py_NewRef(functions);
    events->threads = Py_NewRef(threads);
    events->in_python = Py_NewRef(in_python);
    events->failed = Py_NewRef(failed);
    return (PyObject *)events;
}

static int events_traverse(PyObject *self, visitproc visit, void *arg) {
    LineEvents *events = (LineEvents *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)events->core);
    Py_VISIT(events->lines_type);
    Py_VISIT(events->functions);
    Py_VISIT(events->threads);
    Py_VISIT(events->in_python);
    Py_VISIT(events->failed);
    Py_VISIT(events->ran);
    Py_VISIT(events->thread);
    Py_VISIT(events->state);
    Py_VISIT(events->lines);
    Py_VISIT(events->last_code);
    Py_VISIT(events->last_function);
    return 0;
}

static int events_clear(PyObject *self) {
    LineEvents *events = (LineEvents *)self;
    Py_CLEAR(events->failed); /* first: without it, the callback does nothing */
    Py_CLEAR(events->core);
    Py_CLEAR(events->lines_type);
    Py_CLEAR(events->functions);
    Py_CLEAR(events->threads);
    Py_CLEAR(events->in_python);
    Py_CLEAR(events->ran);
    Py_CLEAR(events->thread);
    Py_CLEAR(events->last_code);
    Py_CLEAR(events->last_function);
    Py_CLEAR(events->state);
    Py_CLEAR(events->lines);
    return 0;
}

static void events_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    events_clear(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyMethodDef events_methods[] = {
    {"line", (PyCFunction)(void (*)(void))events_line, METH_FASTCALL, "Record that a line starts: the callback of LINE."},
    {"forget", events_forget, METH_NOARGS, "Look up the function of the next event again."},
    {"note", events_note, METH_O, "Note in a dict which lines the test that runs has executed."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot events_slots[] = {
    {Py_tp_doc, "The callback of the event LINE."},
    {Py_tp_new, events_new},
    {Py_tp_traverse, events_traverse},
    {Py_tp_clear, events_clear},
    {Py_tp_dealloc, events_dealloc},
    {Py_tp_methods, events_methods},
    {0, NULL},
};

PyType_Spec line_events_spec = {
    "breadcrumb.core.LineEvents", sizeof(LineEvents), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, events_slots,
};
