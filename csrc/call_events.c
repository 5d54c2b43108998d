/* The events PY_START and PY_RETURN of ordinary calls, counted or recorded: on_start and on_return of backends/monitoring.py.

   What is not ordinary is left to these, before anything is changed. */
#include "core.h"

#include <string.h>

/* Return the count of the calls of a function, the time that they took beside it; NULL if it has none here. */
static uint64_t *counter_of(const Events *events, const Known *known) {
    Py_ssize_t at = known->counter;
    return at >= 0 && at + 1 < events->counters.len / 8 ? (uint64_t *)events->counters.buf + at : NULL;
}

/* What is done with a call that starts. */
enum { FAILED = -1, LEFT_TO_PYTHON, DONE, RECORDED };

/* Decide between counting and recording a call, as AdaptiveCapture.skips does between two of its looks. */
static int decide(Events *events, PyObject *function, uint64_t *counter, long long *at_ns) {
    long long limit, next, fresh_at_ns, count = (long long)*counter + 1;
    if (read_number(events, function, N_LIMIT, &limit) < 0) {
        return FAILED;
    }
    if (count <= limit) {
        PyObject *off = attribute_of_event(events, events->off, N_FUNCTIONS);
        int are_off = off == NULL || !PyList_CheckExact(off) || PyList_Size(off) > 0;
        Py_XDECREF(off);
        if (off == NULL || read_number(events, function, N_NEXT_TIMED, &next) < 0) {
            return FAILED;
        }
        return are_off || count >= next ? LEFT_TO_PYTHON : RECORDED;
    }
    if (read_number(events, function, N_NEXT_LOOK, &next) < 0) {
        return FAILED;
    }
    if (count >= next) {
        return LEFT_TO_PYTHON;
    }
    *at_ns = now_ns();
    if (read_number(events, function, N_FRESH_AT_NS, &fresh_at_ns) < 0) {
        return FAILED;
    }
    return *at_ns < fresh_at_ns ? DONE : LEFT_TO_PYTHON;
}

/* Note when a counted call has begun, by its frame. */
static int note_begin(Events *events, PyObject *frame, long long at_ns) {
    PyObject *address = PyLong_FromVoidPtr(frame), *begin = address == NULL ? NULL : PyLong_FromLongLong(at_ns);
    int result = begin == NULL ? -1 : PyDict_SetItem(events->begun, address, begin);
    Py_XDECREF(address);
    Py_XDECREF(begin);
    return result;
}

/* The values of a call's arguments, or their texts. */
#define MAX_ARGUMENTS 32
typedef struct {
    PyObject *data[MAX_ARGUMENTS];
    Py_ssize_t size;
} Arguments;

static void drop_arguments(Arguments *arguments) {
    while (arguments->size) {
        Py_DECREF(arguments->data[--arguments->size]);
    }
}

/* Read the arguments; 0 without an error if Python has to. */
static int read_arguments(const Events *events, PyObject *names, PyObject *frame, Arguments *values) {
    if (PyTuple_Size(names) > MAX_ARGUMENTS) {
        return 0;
    }
    for (Py_ssize_t at = 0; at < PyTuple_Size(names); at++) {
        PyObject *value = events->get(frame, PyTuple_GetItem(names, at));
        if (value == NULL) {
            if (PyErr_ExceptionMatches(PyExc_NameError)) {
                PyErr_Clear();
                return 0;
            }
            return -1;
        }
        values->data[values->size++] = value;
    }
    return 1;
}

/* Return the text of an argument: most functions have the plain encoder for all. */
static PyObject *encode_argument(const Events *events, PyObject *encoder, PyObject *value) {
    PyObject *text = encoder == events->encode ? core_encode((PyObject *)events->core, value)
                                               : PyObject_CallFunctionObjArgs(encoder, value, NULL);
    if (text != NULL && !PyBytes_CheckExact(text)) {
        Py_CLEAR(text);
        PyErr_SetString(PyExc_TypeError, "JSON must be bytes");
    }
    return text;
}

/* Encode the arguments: Function.encoded_arguments. */
static int encode_arguments(const Events *events, PyObject *encoders, const Arguments *values, Arguments *texts) {
    Core *core = events->core;
    if (!PyList_CheckExact(encoders) || PyList_Size(encoders) != values->size) {
        PyErr_SetString(PyExc_TypeError, "each argument has an encoder");
        return -1;
    }
    int may_teach = 0; /* a value may teach a secret, which the others may hold */
    for (Py_ssize_t at = 0; at < values->size && values->size > 1; at++) {
        PyObject *value = values->data[at];
        may_teach = may_teach || !(PyLong_CheckExact(value) || value == Py_None || PyBool_Check(value));
    }
    for (int round = 0; round < 2; round++) {
        if (may_teach && refresh(core) < 0) {
            return -1;
        }
        long long generation = core->generation;
        for (Py_ssize_t at = 0; at < values->size && at < PyList_Size(encoders); at++) {
            PyObject *encoder = Py_NewRef(PyList_GetItem(encoders, at));
            PyObject *text = encode_argument(events, encoder, values->data[at]);
            Py_DECREF(encoder);
            if (text == NULL) {
                return -1;
            }
            texts->data[texts->size++] = text;
        }
        if (may_teach && refresh(core) < 0) {
            return -1;
        }
        if (round || !may_teach || generation == core->generation) {
            return 0;
        }
        drop_arguments(texts);
    }
    return 0;
}

/* Fill in the record of a function, a format of Python: %d and %b in the order of the fields, %% for a percent sign. */
static int put_record_of(Buffer *out, PyObject *format, long long call, long long at_ns, const Arguments *texts,
                         long long parent, PyObject *site) {
    const char *at = PyBytes_AsString(format), *end = at + PyBytes_Size(format);
    Py_ssize_t field = 0;
    while (at < end) {
        const char *percent = memchr(at, '%', (size_t)(end - at));
        if (percent == NULL || percent + 1 >= end) {
            return buffer_put(out, at, end - at);
        }
        if (buffer_put(out, at, percent - at) < 0) {
            return -1;
        }
        at = percent + 2;
        if (percent[1] == '%') {
            if (PUT(out, "%") < 0) {
                return -1;
            }
            continue;
        }
        Py_ssize_t argument = field++ - 2;
        PyObject *text = argument < 0 || argument == texts->size ? NULL : argument > texts->size ? site : texts->data[argument];
        if (text != NULL) {
            if (buffer_put(out, PyBytes_AsString(text), PyBytes_Size(text)) < 0) {
                return -1;
            }
            continue;
        }
        if (buffer_reserve(out, 24) < 0) {
            return -1;
        }
        out->size += format_integer(out->data + out->size, argument == -2 ? call : argument == -1 ? at_ns : parent);
    }
    return 0;
}

/* Add the number of the task that a thread runs to the end of a record, before its newline. */
static PyObject *with_task(PyObject *site, long long task) {
    Buffer whole = {NULL, 0, 0};
    PyObject *result = NULL;
    if (buffer_put(&whole, PyBytes_AsString(site), PyBytes_Size(site) - 1) == 0 && PUT(&whole, "\t") == 0 &&
        buffer_reserve(&whole, 24) == 0) {
        whole.size += format_integer(whole.data + whole.size, task);
        result = PUT(&whole, "\n") < 0 ? NULL : PyBytes_FromStringAndSize(whole.data, whole.size);
    }
    PyMem_Free(whole.data);
    return result;
}

/* Return the end of the record of a call that the innermost open one makes now: CallLog.site. */
static PyObject *site_of(Events *events, PyObject *top, PyObject *thread) {
    PyObject *sites = PyTuple_GetItem(top, 4), *at = attribute_of_event(events, PyTuple_GetItem(top, 2), N_F_LASTI);
    PyObject *site = at == NULL || !PyDict_CheckExact(sites) ? NULL : PyDict_GetItemWithError(sites, at);
    Py_XINCREF(site);
    Py_XDECREF(at);
    if (site == NULL && !PyErr_Occurred()) {
        site = PyObject_CallFunctionObjArgs(events->call_site, top, NULL);
    }
    long long task = 0;
    if (site != NULL && (!PyBytes_CheckExact(site) || read_number(events, thread, N_TASK, &task) < 0)) {
        Py_CLEAR(site);
    }
    if (task) {
        PyObject *longer = with_task(site, task);
        Py_DECREF(site);
        site = longer;
    }
    return site;
}

/* Make a call the innermost open one of its thread. */
static int push_call(Events *events, PyObject *thread, PyObject *call, PyObject *top, PyObject *frame, PyObject *sites) {
    PyObject *open = PyTuple_Pack(5, call, top, frame, Py_None, sites);
    int result = open == NULL ? -1 : PyObject_SetAttr(thread, events->core->names[N_TOP], open);
    Py_XDECREF(open);
    return result;
}

/* Write the beginning of a call, and make it the innermost open one. */
static int record_begin(Events *events, const Known *known, PyObject *frame, PyObject *thread, PyObject *top,
                        const Arguments *values) {
    Core *core = events->core;
    PyObject *call = NULL, *encoders = NULL, *site = site_of(events, top, thread);
    Arguments texts = {{NULL}, 0};
    Buffer record = {NULL, 0, 0};
    int result = -1;
    if (site == NULL || (call = PyIter_Next(events->call_ids)) == NULL) {
        goto done;
    }
    long long at_ns = now_ns(), parent = PyLong_AsLongLong(PyTuple_GetItem(top, 0));
    if (PyErr_Occurred() || (encoders = attribute_of_event(events, known->function, N_ENCODE)) == NULL ||
        encode_arguments(events, encoders, values, &texts) < 0) {
        goto done;
    }
    record = take_spare(&events->spare);
    if (put_record_of(&record, known->record, PyLong_AsLongLong(call), at_ns, &texts, parent, site) < 0 ||
        push_call(events, thread, call, top, frame, known->call_sites) < 0) {
        goto done;
    }
    result = write_record(core, events->write_record, thread, &record);
done:
    give_spare(&events->spare, &record);
    drop_arguments(&texts);
    Py_XDECREF(site);
    Py_XDECREF(call);
    Py_XDECREF(encoders);
    return result;
}

/* Return the innermost open call of this thread, with the thread's state in events->thread; NULL without an error if
   Python has to find it. */
static PyObject *caller_of(Events *events, PyObject *frame) {
    PyObject *back = attribute_of_event(events, frame, N_F_BACK);
    PyObject *top = back == NULL ? NULL : open_call(events, back, 0);
    Py_XDECREF(back);
    if (top == NULL && !PyErr_Occurred() && find_thread(events) > 0 && PySet_Size(events->unseen_ends) == 0) {
        top = top_call(events);
    }
    return top;
}

/* Record a call that starts; 0 if Python has to. */
static int record(Events *events, const Known *known, PyObject *frame, uint64_t *counter) {
    PyObject *keeps_state = attribute_of_event(events, known->function, N_KEEPS_STATE);
    Py_XDECREF(keeps_state);
    if (keeps_state != Py_False || known->is_setting) {
        return keeps_state == NULL ? FAILED : LEFT_TO_PYTHON;
    }
    Arguments values = {{NULL}, 0};
    PyObject *top = caller_of(events, frame);
    if (top == NULL) {
        return PyErr_Occurred() ? FAILED : LEFT_TO_PYTHON;
    }
    PyObject *thread = Py_NewRef(events->thread); /* another thread may replace it meanwhile */
    int result = read_arguments(events, known->names, frame, &values);
    if (result > 0) {
        if (counter != NULL) {
            *counter += 1;
        }
        result = record_begin(events, known, frame, thread, top, &values) < 0 ? FAILED : DONE;
    }
    drop_arguments(&values);
    Py_DECREF(top);
    Py_DECREF(thread);
    return result;
}

/* Handle the start of a call; 0 if Python has to. */
static int start(Events *events, PyObject *code) {
    PyObject *frame = (PyObject *)PyEval_GetFrame();
    const Known *found = frame == NULL ? NULL : find_function(events, code);
    if (found == NULL) {
        return PyErr_Occurred() ? FAILED : LEFT_TO_PYTHON;
    }
    Known known = *found; /* with references, as what is called below may find another function */
    Py_INCREF(frame);
    Py_INCREF(known.function);
    Py_INCREF(known.names);
    Py_INCREF(known.record);
    Py_INCREF(known.call_sites);
    uint64_t *counter = NULL;
    long long at_ns = 0;
    int result = RECORDED;
    if (events->off != NULL) {
        counter = counter_of(events, &known);
        result = counter == NULL ? LEFT_TO_PYTHON : decide(events, known.function, counter, &at_ns);
    }
    if (result == DONE) {
        *counter += 1;
        result = note_begin(events, frame, at_ns) < 0 ? FAILED : DONE;
    } else if (result == RECORDED) {
        result = record(events, &known, frame, counter);
    }
    Py_DECREF(known.function);
    Py_DECREF(known.names);
    Py_DECREF(known.record);
    Py_DECREF(known.call_sites);
    Py_DECREF(frame);
    return result;
}

/* The callback of PY_START. */
PyObject *events_start(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    Events *events = (Events *)self;
    if (count != 2 || events->failed == NULL) {
        return Py_NewRef(Py_None);
    }
    int result = start(events, arguments[0]);
    if (result == FAILED) {
        return handle_failure(events);
    }
    return result == LEFT_TO_PYTHON
               ? PyObject_CallFunctionObjArgs(events->start_in_python, arguments[0], arguments[1], NULL)
               : Py_NewRef(Py_None);
}

/* Take the end of a call that was only counted; 0 if it was not, or if Python has to do it. */
static int end_counted(Events *events, PyObject *code, PyObject *frame, long long at_ns) {
    if (events->begun == NULL || PyDict_Size(events->begun) == 0) {
        return LEFT_TO_PYTHON;
    }
    PyObject *address = PyLong_FromVoidPtr(frame);
    PyObject *begin = address == NULL ? NULL : PyDict_GetItemWithError(events->begun, address);
    long long begun_ns = begin == NULL ? 0 : PyLong_AsLongLong(begin), spent_ns = at_ns - begun_ns, slow_ns;
    const Known *known = begin == NULL ? NULL : find_function(events, code);
    int result = PyErr_Occurred() ? FAILED : LEFT_TO_PYTHON;
    if (known != NULL) {
        uint64_t *counter = counter_of(events, known);
        if (counter == NULL || read_number(events, known->function, N_SLOW_NS, &slow_ns) < 0) {
            result = PyErr_Occurred() ? FAILED : LEFT_TO_PYTHON;
        } else if (spent_ns < slow_ns) {
            counter[1] += (uint64_t)spent_ns;
            result = PyDict_DelItem(events->begun, address) < 0 ? FAILED : DONE;
        }
    }
    Py_XDECREF(address);
    return result;
}

/* Write the end of the thread's innermost call. */
static int record_end(Events *events, PyObject *thread, PyObject *top, long long at_ns, PyObject *value) {
    Core *core = events->core;
    PyObject *text = core_encode((PyObject *)core, value);
    if (text == NULL || !PyBytes_CheckExact(text)) {
        Py_XDECREF(text);
        return -1;
    }
    Buffer record = take_spare(&events->spare);
    int result = -1;
    if (PUT(&record, "R\t") == 0 && buffer_reserve(&record, 64) == 0) {
        record.size += format_integer(record.data + record.size, PyLong_AsLongLong(PyTuple_GetItem(top, 0)));
        record.data[record.size++] = '\t';
        record.size += format_integer(record.data + record.size, at_ns);
        record.data[record.size++] = '\t';
        result = buffer_put(&record, PyBytes_AsString(text), PyBytes_Size(text)) < 0 ? -1 : PUT(&record, "\n");
    }
    if (result == 0 && (result = PyObject_SetAttr(thread, core->names[N_TOP], PyTuple_GetItem(top, 1))) == 0) {
        result = write_record(core, events->write_record, thread, &record);
    }
    give_spare(&events->spare, &record);
    Py_DECREF(text);
    return result;
}

/* Handle the return of a call; 0 if Python has to. */
static int end(Events *events, PyObject *code, PyObject *value) {
    long long at_ns = now_ns();
    PyObject *frame = (PyObject *)PyEval_GetFrame();
    if (frame == NULL) {
        return LEFT_TO_PYTHON;
    }
    Py_INCREF(frame);
    int result = LEFT_TO_PYTHON;
    PyObject *top = open_call(events, frame, 0);
    if (top == NULL && !PyErr_Occurred() && (events->awaiting == NULL || PyDict_Size(events->awaiting) == 0)) {
        result = end_counted(events, code, frame, at_ns);
        top = result == LEFT_TO_PYTHON ? open_call(events, frame, 1) : NULL;
    }
    if (top != NULL && PyTuple_GetItem(top, 3) == Py_None) {
        PyObject *thread = Py_NewRef(events->thread);
        result = record_end(events, thread, top, at_ns, value) < 0 ? FAILED : DONE;
        Py_DECREF(thread);
    }
    Py_XDECREF(top);
    Py_DECREF(frame);
    return PyErr_Occurred() ? FAILED : result;
}

/* The callback of PY_RETURN. */
PyObject *events_return(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    Events *events = (Events *)self;
    if (count != 3 || events->failed == NULL) {
        return Py_NewRef(Py_None);
    }
    int result = end(events, arguments[0], arguments[2]);
    if (result == FAILED) {
        return handle_failure(events);
    }
    return result == LEFT_TO_PYTHON
               ? PyObject_CallFunctionObjArgs(events->return_in_python, arguments[0], arguments[1], arguments[2], NULL)
               : Py_NewRef(Py_None);
}
