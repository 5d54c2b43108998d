/* The event LINE, from its callback to the lines of the call: MonitoringBackend._on_line. */
#include "core.h"

/* Return the lines of a call, borrowed from events->lines; NULL without an error if none are recorded. */
static PyObject *lines_of(Events *events, PyObject *top) {
    PyObject *state = PyTuple_GetItem(top, 3);
    if (state == Py_None) {
        return NULL;
    }
    if (state != events->state) { /* it has the same lines all the time */
        PyObject *lines = read_attribute(events->core, CALL_STATE, state, N_LINES), *old_lines = events->lines, *old_state = events->state;
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
static int tell(Events *events, PyObject *top, PyObject *frame, PyObject *line) {
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
static int is_noted(Events *events, PyObject *code, PyObject *line) {
    const Known *known = find_function(events, code);
    if (known == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    PyObject *function = Py_NewRef(known->function);
    PyObject *source = attribute_of_function(events, function, N_LINES), *notes = attribute_of_function(events, function, N_NOTES_LINES);
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
static int handle(Events *events, PyObject *code, PyObject *line) {
    /* Without tests, the lines of a call that has some are wanted as long as it runs. */
    int result = events->ran == NULL ? 1 : is_noted(events, code, line);
    PyObject *frame = result <= 0 ? NULL : (PyObject *)PyEval_GetFrame();
    if (frame == NULL) {
        return result < 0 ? -1 : 0;
    }
    Py_INCREF(frame);
    PyObject *top = open_call(events, frame, 1);
    if (top == NULL) {
        result = PyErr_Occurred() ? -1 : 0;
    } else {
        result = tell(events, top, frame, line) < 0 ? -1 : 1;
        Py_DECREF(top);
    }
    Py_DECREF(frame);
    return result;
}

/* The callback of LINE. */
PyObject *events_line(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    Events *events = (Events *)self;
    if (count != 2 || events->failed == NULL) {
        return Py_NewRef(Py_None);
    }
    int done = handle(events, arguments[0], arguments[1]);
    if (done < 0) {
        return handle_failure(events);
    }
    return done ? Py_NewRef(Py_None) : PyObject_CallFunctionObjArgs(events->line_in_python, arguments[0], arguments[1], NULL);
}
