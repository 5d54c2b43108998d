/* The events PY_YIELD and PY_RESUME of generators and coroutines: CallLog.suspend and CallLog.resume of events/calls.py.

   What is not ordinary is left to the callbacks in Python, before anything is changed. */
#include "core.h"

/* Return whether every value that a generator yields is one of the program, which is so unless it is an async one:
   Yields.counts_all. Both types are learned when they are seen. */
int learn_yields(Events *events, PyObject *yields) {
    PyObject *type = (PyObject *)Py_TYPE(yields);
    if (type == events->yields_type || type == events->async_yields_type) {
        return type == events->yields_type;
    }
    PyObject *answer = attribute_of_event(events, yields, N_COUNTS_ALL);
    Py_XDECREF(answer);
    if (answer == NULL) {
        return -1;
    }
    PyObject **known = answer == Py_True ? &events->yields_type : &events->async_yields_type, *old = *known;
    *known = Py_NewRef(type);
    Py_XDECREF(old);
    return answer == Py_True;
}

int write_number(Core *core, enum Owner kind, PyObject *owner, enum Name name, long long number) {
    PyObject *object = PyLong_FromLongLong(number);
    int result = object == NULL ? -1 : write_attribute(core, kind, owner, name, object);
    Py_XDECREF(object);
    return result;
}

/* Make the number of the task that runs in this thread that of the thread: CallLog._enter_task. */
int enter_task(Events *events, PyObject *thread) {
    PyObject *task = PyObject_CallFunctionObjArgs(events->current_task, NULL);
    int result = task == NULL ? -1 : write_attribute(events->core, THREAD, thread, N_TASK, task);
    Py_XDECREF(task);
    return result;
}

/* Count a value that a call yields, and write it if it is among the first: Yields.add. */
static int add_yield(Events *events, PyObject *thread, PyObject *top, PyObject *yields, long long at_ns, PyObject *value) {
    Core *core = events->core;
    long long position;
    if (read_number(core, YIELDS, yields, N_YIELD_COUNT, &position) < 0 ||
        write_number(core, YIELDS, yields, N_YIELD_COUNT, position + 1) < 0) {
        return -1;
    }
    if (position >= MAX_YIELDS) {
        return 0;
    }
    PyObject *encoder = read_attribute(core, YIELDS, yields, N_YIELD_ENCODE);
    if (encoder == NULL) {
        return -1;
    }
    Buffer record = take_spare(&events->spare);
    int result = PUT(&record, "Y\t") < 0 || put_integer(&record, PyLong_AsLongLong(PyTuple_GetItem(top, 0))) < 0 ||
                         PUT(&record, "\t") < 0 || put_integer(&record, at_ns) < 0 || PUT(&record, "\t") < 0 ||
                         put_by(events, encoder, value, &record) < 0 || PUT(&record, "\t\t") < 0 ||
                         put_integer(&record, position) < 0 || PUT(&record, "\n") < 0
                     ? -1
                     : write_record(core, events->write_record, thread, &record);
    give_spare(&events->spare, &record);
    Py_DECREF(encoder);
    return result;
}

/* Put a call among the suspended ones. It is kept without its frame, so that a generator dies when it is dropped. */
static int keep_suspended(Events *events, PyObject *top, PyObject *state, PyObject *frame) {
    PyObject *address = PyLong_FromVoidPtr(frame);
    PyObject *call = PyTuple_Pack(5, PyTuple_GetItem(top, 0), Py_None, Py_None, state, PyTuple_GetItem(top, 4));
    int result = address == NULL || call == NULL ? -1 : PyDict_SetItem(events->suspended, address, call);
    Py_XDECREF(address);
    Py_XDECREF(call);
    return result;
}

static int suspend(Events *events, PyObject *thread, PyObject *top, PyObject *frame, PyObject *yields, PyObject *value) {
    Core *core = events->core;
    PyObject *state = PyTuple_GetItem(top, 3);
    long long at_ns = now_ns();
    if (yields != Py_None && add_yield(events, thread, top, yields, at_ns, value) < 0) {
        return -1;
    }
    PyObject *task = read_attribute(core, CALL_STATE, state, N_OUTER_TASK);
    int result = task == NULL || write_attribute(core, THREAD, thread, N_TOP, PyTuple_GetItem(top, 1)) < 0 ||
                         write_number(core, CALL_STATE, state, N_SINCE_NS, at_ns) < 0 ||
                         write_attribute(core, THREAD, thread, N_TASK, task) < 0
                     ? -1
                     : keep_suspended(events, top, state, frame);
    Py_XDECREF(task);
    return result;
}

/* Handle a yield; 0 if Python has to, -1 for an error. */
static int handle_yield(Events *events, PyObject *value) {
    PyObject *frame = (PyObject *)PyEval_GetFrame();
    if (frame == NULL || (events->off != NULL && events->steps + 1 >= STEPS_BETWEEN_LOOKS)) {
        return 0;
    }
    Py_INCREF(frame);
    PyObject *top = open_call(events, frame, 1), *yields = NULL;
    int result = 0;
    if (top == NULL) { /* counted, or not recorded for another reason */
        result = PyErr_Occurred() ? -1 : is_not_open(events, frame);
    } else if (PyTuple_GetItem(top, 3) != Py_None && PyTuple_GetItem(top, 1) != Py_None) {
        yields = read_attribute(events->core, CALL_STATE, PyTuple_GetItem(top, 3), N_YIELDS);
        result = yields == NULL ? -1 : yields == Py_None ? 1 : learn_yields(events, yields);
        if (result > 0) {
            PyObject *thread = Py_NewRef(events->thread); /* another thread may replace it meanwhile */
            result = suspend(events, thread, top, frame, yields, value) < 0 ? -1 : 1;
            Py_DECREF(thread);
        }
    }
    events->steps += result > 0;
    Py_XDECREF(yields);
    Py_XDECREF(top);
    Py_DECREF(frame);
    return result;
}

/* Return whether a task may run a suspended call: it does not run that of a plain generator. */
static int is_in_task(Events *events, PyObject *state) {
    PyObject *in_task = read_attribute(events->core, CALL_STATE, state, N_IN_TASK);
    Py_XDECREF(in_task);
    return in_task == NULL ? -1 : in_task != Py_False;
}

/* Go on with a suspended call, which was taken from their table. */
static int resume(Events *events, PyObject *thread, PyObject *above, PyObject *suspended, PyObject *frame) {
    Core *core = events->core;
    PyObject *state = PyTuple_GetItem(suspended, 3);
    PyObject *task = read_attribute(core, THREAD, thread, N_TASK);
    long long since_ns, suspended_ns;
    PyObject *top = PyTuple_Pack(5, PyTuple_GetItem(suspended, 0), above, frame, state, PyTuple_GetItem(suspended, 4));
    int in_task = is_in_task(events, state);
    int result = task == NULL || top == NULL || in_task < 0 ||
                         read_number(core, CALL_STATE, state, N_SINCE_NS, &since_ns) < 0 ||
                         read_number(core, CALL_STATE, state, N_SUSPENDED_NS, &suspended_ns) < 0 ||
                         write_number(core, CALL_STATE, state, N_SUSPENDED_NS, suspended_ns + now_ns() - since_ns) < 0 ||
                         write_attribute(core, CALL_STATE, state, N_OUTER_TASK, task) < 0 ||
                         (in_task && enter_task(events, thread) < 0)
                     ? -1
                     : write_attribute(core, THREAD, thread, N_TOP, top);
    Py_XDECREF(task);
    Py_XDECREF(top);
    return result;
}

/* Handle a resume; 0 if Python has to, -1 for an error. */
static int handle_resume(Events *events) {
    PyObject *frame = (PyObject *)PyEval_GetFrame();
    PyObject *address = frame == NULL ? NULL : PyLong_FromVoidPtr(frame);
    PyObject *suspended = address == NULL ? NULL : Py_XNewRef(PyDict_GetItemWithError(events->suspended, address));
    int result = 0;
    if (suspended == NULL) {
        result = address == NULL || PyErr_Occurred() ? 0 : find_thread(events); /* its call is not recorded */
    } else if (PyTuple_CheckExact(suspended) && PyTuple_Size(suspended) == 5 && PyTuple_GetItem(suspended, 3) != Py_None) {
        Py_INCREF(frame);
        PyObject *above = innermost_call(events, frame);
        result = above == NULL ? 0 : PyDict_DelItem(events->suspended, address) < 0 ? -1 : 1;
        if (result > 0) {
            PyObject *thread = Py_NewRef(events->thread);
            result = resume(events, thread, above, suspended, frame) < 0 ? -1 : 1;
            Py_DECREF(thread);
        }
        Py_XDECREF(above);
        Py_DECREF(frame);
    }
    Py_XDECREF(suspended);
    Py_XDECREF(address);
    return result == 0 && PyErr_Occurred() ? -1 : result;
}

/* The callback of PY_YIELD. */
PyObject *events_yielded(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    Events *events = (Events *)self;
    if (count != 3 || events->failed == NULL) {
        return Py_NewRef(Py_None);
    }
    int done = handle_yield(events, arguments[2]);
    if (done < 0) {
        return handle_failure(events);
    }
    return done ? Py_NewRef(Py_None)
                : PyObject_CallFunctionObjArgs(events->yield_in_python, arguments[0], arguments[1], arguments[2], NULL);
}

/* The callback of PY_RESUME. */
PyObject *events_resumed(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    Events *events = (Events *)self;
    if (count != 2 || events->failed == NULL) {
        return Py_NewRef(Py_None);
    }
    int done = handle_resume(events);
    if (done < 0) {
        return handle_failure(events);
    }
    return done ? Py_NewRef(Py_None)
                : PyObject_CallFunctionObjArgs(events->resume_in_python, arguments[0], arguments[1], NULL);
}
