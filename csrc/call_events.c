/* The events PY_START and PY_RETURN of ordinary calls, counted or recorded: on_start and on_return of backends/monitoring.py,
   and for those with a state, as of generators and coroutines, CallLog.begin and CallLog.end of events/calls.py.

   What is not ordinary is left to these, before anything is changed. */
#include "core.h"

#include <string.h>

/* Return the count of the calls of a function, the time that they took beside it; NULL if it has none here. */
static uint64_t *counter_of(const Events *events, const Known *known) {
    Py_ssize_t at = known->counter;
    return at >= 0 && at + 1 < events->counters.len / 8 ? (uint64_t *)events->counters.buf + at : NULL;
}

static int learn_number(const Events *events, Known *known, int at, enum Name name, long long *value) {
    Number *number = &known->numbers[at];
    PyObject *object = attribute_of_function(events, known->function, name);
    if (object == NULL) {
        return -1;
    }
    if (object != number->object) {
        PyObject *old = number->object;
        long long found = PyLong_AsLongLong(object);
        if (found == -1 && PyErr_Occurred()) {
            Py_DECREF(object);
            return -1;
        }
        *number = (Number){Py_NewRef(object), found};
        Py_XDECREF(old);
    }
    Py_DECREF(object);
    *value = number->value;
    return 0;
}

/* Read a number of a function. It is decoded once: those of a clock are long. */
static inline int read_known(const Events *events, Known *known, int at, enum Name name, long long *value) {
    const Number *number = &known->numbers[at];
    PyObject *object = peek_attribute(events->core, FUNCTION, known->function, name);
    if (object == NULL || object != number->object) {
        return learn_number(events, known, at, name, value);
    }
    *value = number->value;
    return 0;
}

/* Decide between counting and recording a call, as AdaptiveCapture.skips does between two of its looks. */
static int decide(Events *events, Known *known, uint64_t *counter, long long *at_ns) {
    long long limit, next, fresh_at_ns, count = (long long)*counter + 1;
    if (read_known(events, known, LIMIT, N_LIMIT, &limit) < 0) {
        return FAILED;
    }
    if (count <= limit) {
        PyObject *off = attribute_of_event(events, events->off, N_FUNCTIONS);
        int are_off = off == NULL || !PyList_CheckExact(off) || PyList_Size(off) > 0;
        Py_XDECREF(off);
        if (off == NULL || read_known(events, known, NEXT_TIMED, N_NEXT_TIMED, &next) < 0) {
            return FAILED;
        }
        return are_off || count >= next ? LEFT_TO_PYTHON : RECORDED;
    }
    if (read_known(events, known, NEXT_LOOK, known->kind > PLAIN_FUNCTION ? N_NEXT_CHOICE : N_NEXT_LOOK, &next) < 0) {
        return FAILED;
    }
    if (count >= next) {
        return LEFT_TO_PYTHON;
    }
    *at_ns = now_ns();
    if (read_known(events, known, FRESH_AT_NS, N_FRESH_AT_NS, &fresh_at_ns) < 0) {
        return FAILED;
    }
    return *at_ns < fresh_at_ns ? DONE : LEFT_TO_PYTHON;
}

/* The values of a call's arguments. */
typedef struct {
    Py_ssize_t size;
    PyObject *data[MAX_ARGUMENTS];
} Arguments;

static void drop_arguments(Arguments *arguments) {
    while (arguments->size) {
        Py_DECREF(arguments->data[--arguments->size]);
    }
}

/* Read the arguments; 0 without an error if Python has to. */
static int read_arguments(const Events *events, const Known *known, PyObject *frame, Arguments *values) {
    if (known->count > MAX_ARGUMENTS) {
        return 0;
    }
    for (Py_ssize_t at = 0; at < known->count; at++) {
        PyObject *value = events->frames.variable(frame, known->items[at]);
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

/* Write the text of a value. */
static inline int put_plain(Core *core, PyObject *value, Buffer *out) {
    long long number;
    return PyLong_CheckExact(value) && small_int(value, &number) ? put_integer(out, number) : put_value(core, value, out);
}

/* Write the text of a value by an encoder: most functions have the plain one for all. */
int put_by(const Events *events, PyObject *encoder, PyObject *value, Buffer *out) {
    Core *core = events->core;
    if (encoder == events->encode) {
        return put_plain(core, value, out);
    }
    if (PyCFunction_CheckExact(encoder) && PyCFunction_GetFunction(encoder) == core_encode_fields_hidden &&
        PyCFunction_GetSelf(encoder) == (PyObject *)core) {
        return put_without_fields(core, value, out);
    }
    return put_bytes(out, PyObject_CallFunctionObjArgs(encoder, value, NULL));
}

/* Write the next of the constant parts of a function's record, for which there is room: in whole blocks, as most are short. */
static inline void add_part(Buffer *out, const char **parts) {
    int32_t size;
    memcpy(&size, *parts, sizeof(size));
    const char *text = *parts + sizeof(size);
    char *to = out->data + out->size;
    memcpy(to, text, PART_PADDING);
    for (int32_t at = PART_PADDING; at < size; at += PART_PADDING) {
        memcpy(to + at, text + at, PART_PADDING);
    }
    *parts = text + size;
    out->size += size;
}

/* Write the number of a call, for which there is room. */
static inline void add_number(Events *events, Buffer *out, PyObject *call) {
    out->size += format_known(events->calls, out->data + out->size, PyLong_AsLongLong(call));
}

/* Write a time, for which there is room. */
static inline void add_time(Events *events, Buffer *out, long long at_ns) {
    out->size += format_time(&events->time, out->data + out->size, at_ns);
}

/* Write characters, for which there is room. */
static inline void add_chars(Buffer *out, const char *text, size_t size) {
    memcpy(out->data + out->size, text, size);
    out->size += (Py_ssize_t)size;
}

static int may_teach_secret(const Arguments *values) {
    for (Py_ssize_t at = 0; at < values->size && values->size > 1; at++) {
        PyObject *value = values->data[at];
        if (!(PyLong_CheckExact(value) || value == Py_None || PyBool_Check(value))) {
            return 1;
        }
    }
    return 0;
}

/* Look at the encoders of a function's arguments, which are others now and then. */
static int learn_encoders(const Events *events, Known *known, PyObject *encoders) {
    if (!PyList_CheckExact(encoders)) {
        PyErr_SetString(PyExc_TypeError, "each argument has an encoder");
        return -1;
    }
    PyObject *old = known->encoders;
    known->encoders = Py_NewRef(encoders);
    known->is_plain = PyList_Size(encoders) >= known->count;
    for (Py_ssize_t at = 0; known->is_plain && at < PyList_Size(encoders); at++) {
        known->is_plain = PyList_GetItem(encoders, at) == events->encode;
    }
    Py_XDECREF(old);
    return 0;
}

/* Write the arguments, each after its name: Function.encoded_arguments. There is room for all parts. */
static int put_arguments(const Events *events, Known *known, PyObject *encoders, const Arguments *values, Buffer *out,
                         const char **parts) {
    Core *core = events->core;
    const char *first = *parts;
    Py_ssize_t begin = out->size, room = known->parts.size;
    int may_teach = may_teach_secret(values); /* one may teach a secret, which the others may hold */
    if (encoders != known->encoders && learn_encoders(events, known, encoders) < 0) {
        return -1;
    }
    int is_plain = known->is_plain; /* what is called below may look at other encoders */
    for (int round = 0; round < 2; round++) {
        if (may_teach && refresh(core) < 0) {
            return -1;
        }
        long long generation = core->generation;
        for (Py_ssize_t at = 0; at < values->size; at++) {
            if (buffer_reserve(out, room) < 0) {
                return -1;
            }
            add_part(out, parts);
            PyObject *value = values->data[at], *encoder = is_plain ? NULL : Py_XNewRef(PyList_GetItem(encoders, at));
            int failed = is_plain ? put_plain(core, value, out) < 0 : encoder == NULL || put_by(events, encoder, value, out) < 0;
            Py_XDECREF(encoder);
            if (failed) {
                return -1;
            }
        }
        if (!may_teach || round) {
            return 0;
        }
        if (refresh(core) < 0) {
            return -1;
        }
        if (generation == core->generation) {
            return 0;
        }
        *parts = first;
        out->size = begin;
    }
    return 0;
}

/* Return the end of the record of a call that the innermost open one makes now: CallLog.site. `frame` is the new call's. */
static PyObject *site_of(Events *events, PyObject *top, PyObject *frame) {
    PyObject *caller = PyTuple_GetItem(top, 2), *sites = PyTuple_GetItem(top, 4), *at = NULL;
    Site *known = NULL;
    if (events->frames.instruction != NULL && Py_TYPE(caller) == Py_TYPE(frame)) { /* it is none in a thread's first call */
        int instruction = events->frames.instruction(caller);
        uintptr_t address = (uintptr_t)sites >> 4;
        known = &events->sites[(address ^ address >> 8 ^ (uintptr_t)instruction >> 1) & (SITE_SLOTS - 1)];
        if (known->sites == sites && known->instruction == instruction) {
            return Py_NewRef(known->site);
        }
        at = PyLong_FromLong(instruction);
    } else {
        at = attribute_of_event(events, caller, N_F_LASTI);
    }
    PyObject *site = at == NULL || !PyDict_CheckExact(sites) ? NULL : PyDict_GetItemWithError(sites, at);
    Py_XINCREF(site);
    if (site == NULL && !PyErr_Occurred()) {
        site = PyObject_CallFunctionObjArgs(events->call_site, top, NULL);
    }
    if (site != NULL && !PyBytes_CheckExact(site)) {
        Py_CLEAR(site);
        PyErr_SetString(PyExc_TypeError, "a call site is bytes");
    }
    if (site != NULL && known != NULL) {
        Site old = *known;
        *known = (Site){Py_NewRef(sites), Py_NewRef(site), (int)PyLong_AsLong(at)};
        Py_XDECREF(old.sites);
        Py_XDECREF(old.site);
    }
    Py_XDECREF(at);
    return site;
}

/* Write the end of a record: the call site, and the number of the task that the thread runs. */
static int put_site(Events *events, PyObject *site, PyObject *thread, Buffer *out) {
    long long task = 0;
    if ((peek_attribute(events->core, THREAD, thread, N_TASK) != events->no_task &&
         read_number(events->core, THREAD, thread, N_TASK, &task) < 0) ||
        buffer_put(out, PyBytes_AsString(site), PyBytes_Size(site)) < 0) {
        return -1;
    }
    if (task == 0) {
        return 0;
    }
    out->size--; /* the newline */
    return PUT(out, "\t") < 0 || put_integer(out, task) < 0 ? -1 : PUT(out, "\n");
}

/* Return the tuple of an open call: that of the last one that has ended, if nothing else refers to it. */
static PyObject *new_call(Events *events, PyObject *call, PyObject *top, PyObject *frame, PyObject *state, PyObject *sites) {
    PyObject *open = events->spare_call;
    events->spare_call = NULL;
    if (open == NULL || Py_REFCNT(open) != 1) {
        Py_XDECREF(open);
        return PyTuple_Pack(5, call, top, frame, state, sites);
    }
    PyTuple_SetItem(open, 0, Py_NewRef(call)); /* none of these can fail, as nothing else refers to the tuple */
    PyTuple_SetItem(open, 1, Py_NewRef(top));
    PyTuple_SetItem(open, 2, Py_NewRef(frame));
    PyTuple_SetItem(open, 3, Py_NewRef(state));
    if (PyTuple_GetItem(open, 4) != sites) {
        PyTuple_SetItem(open, 4, Py_NewRef(sites));
    }
    return open;
}

/* Give the tuple of a call that has ended to the next one, without what the call has kept alive. */
static void give_call(Events *events, PyObject *open) {
    if (Py_REFCNT(open) == 1 && events->spare_call == NULL) {
        PyTuple_SetItem(open, 1, Py_NewRef(Py_None));
        PyTuple_SetItem(open, 2, Py_NewRef(Py_None));
        if (PyTuple_GetItem(open, 3) != Py_None) {
            PyTuple_SetItem(open, 3, Py_NewRef(Py_None));
        }
        if (events->spare_call == NULL) {
            events->spare_call = open;
            return;
        }
    }
    Py_DECREF(open);
}

/* Make a call the innermost open one of its thread. */
static int push_call(Events *events, PyObject *thread, PyObject *call, PyObject *top, PyObject *frame, PyObject *state,
                     PyObject *sites) {
    PyObject *open = new_call(events, call, top, frame, state, sites);
    int result = open == NULL ? -1 : write_attribute(events->core, THREAD, thread, N_TOP, open);
    Py_XDECREF(open);
    return result;
}

/* Return a new object of the tracer, without running its __init__. */
static PyObject *new_object(PyObject *type) {
    allocfunc allocate = (allocfunc)PyType_GetSlot((PyTypeObject *)type, Py_tp_alloc);
    return allocate((PyTypeObject *)type, 0);
}

/* Return the Yields of a call; None if it is that of no generator. */
static PyObject *new_yields(Events *events, const Known *known) {
    if (known->kind != GENERATOR && known->kind != ASYNC_GENERATOR) {
        return Py_NewRef(Py_None);
    }
    Core *core = events->core;
    PyObject *encode = attribute_of_function(events, known->function, N_ENCODE_RESULT);
    PyObject *yields = encode == NULL ? NULL
                                      : new_object(known->kind == GENERATOR ? events->yields_type : events->async_yields_type);
    if (yields != NULL && (write_attribute(core, YIELDS, yields, N_YIELD_ENCODE, encode) < 0 ||
                           write_number(core, YIELDS, yields, N_YIELD_COUNT, 0) < 0)) {
        Py_CLEAR(yields);
    }
    Py_XDECREF(encode);
    return yields;
}

/* Return the CallState of a call that begins in a thread, after the thread has entered the call's task; None if it keeps none. */
static PyObject *new_state(Events *events, const Known *known, PyObject *thread, int keeps_state) {
    if (!keeps_state) {
        return Py_NewRef(Py_None);
    }
    Core *core = events->core;
    int in_task = known->kind == COROUTINE || known->kind == ASYNC_GENERATOR;
    PyObject *yields = new_yields(events, known), *outer = read_attribute(core, THREAD, thread, N_TASK);
    PyObject *state = yields == NULL || outer == NULL ? NULL : new_object(events->state_type);
    if (state != NULL && (write_attribute(core, CALL_STATE, state, N_IN_TASK, in_task ? Py_True : Py_False) < 0 ||
                          write_attribute(core, CALL_STATE, state, N_LINES, Py_None) < 0 ||
                          write_attribute(core, CALL_STATE, state, N_YIELDS, yields) < 0 ||
                          write_attribute(core, CALL_STATE, state, N_OUTER_TASK, outer) < 0 ||
                          write_number(core, CALL_STATE, state, N_SUSPENDED_NS, 0) < 0 ||
                          write_number(core, CALL_STATE, state, N_SINCE_NS, 0) < 0 ||
                          write_attribute(core, CALL_STATE, state, N_TIMED, Py_None) < 0 ||
                          (in_task && enter_task(events, thread) < 0))) {
        Py_CLEAR(state);
    }
    Py_XDECREF(yields);
    Py_XDECREF(outer);
    return state;
}

/* Write the beginning of a call, and make it the innermost open one. */
static int record_begin(Events *events, Known *known, PyObject *frame, PyObject *thread, PyObject *top,
                        PyObject *state, const Arguments *values) {
    Core *core = events->core;
    PyObject *call = NULL, *encoders = NULL, *site = site_of(events, top, frame);
    if (site == NULL || (call = PyIter_Next(events->call_ids)) == NULL ||
        (encoders = read_attribute(core, FUNCTION, known->function, N_ENCODE)) == NULL) {
        Py_XDECREF(site);
        Py_XDECREF(call);
        return -1;
    }
    Buffer record = take_spare(&events->spare);
    const char *parts = known->parts.data;
    Py_ssize_t room = known->parts.size + 2 * MAX_INTEGER_CHARS;
    int result = buffer_reserve(&record, room);
    if (result == 0) {
        add_part(&record, &parts);
        add_number(events, &record, call);
        add_part(&record, &parts);
        add_time(events, &record, now_ns());
        result = put_arguments(events, known, encoders, values, &record, &parts) < 0 ? -1 : buffer_reserve(&record, room);
    }
    if (result == 0) {
        add_part(&record, &parts);
        add_number(events, &record, PyTuple_GetItem(top, 0));
        add_part(&record, &parts);
        result = put_site(events, site, thread, &record) < 0 ||
                         push_call(events, thread, call, top, frame, state, known->call_sites) < 0
                     ? -1
                     : write_record(core, events->write_record, thread, &record);
    }
    give_spare(&events->spare, &record);
    Py_DECREF(site);
    Py_DECREF(call);
    Py_DECREF(encoders);
    return result;
}

/* Return the innermost open call that a frame's caller has; NULL without an error if that is not the frame's. */
static PyObject *call_of_caller(Events *events, PyObject *frame) {
    PyObject *back = events->frames.back == NULL ? attribute_of_event(events, frame, N_F_BACK) : events->frames.back(frame);
    PyObject *top = back == NULL ? NULL : open_call(events, back, 0);
    Py_XDECREF(back);
    return top;
}

/* Return the innermost open call of this thread, in which one in `frame` begins or goes on, with the thread's state in
   events->thread; NULL without an error if it has no state yet. */
PyObject *innermost_call(Events *events, PyObject *frame) {
    PyObject *top = call_of_caller(events, frame);
    return top != NULL || PyErr_Occurred() ? top : find_thread(events) > 0 ? top_call(events) : NULL;
}

/* The same where calls may have ended unseen; NULL without an error if Python has to find out. */
static PyObject *caller_of(Events *events, PyObject *frame) {
    PyObject *top = call_of_caller(events, frame);
    if (top != NULL || PyErr_Occurred() || find_thread(events) <= 0 || PySet_Size(events->unseen_ends) != 0) {
        return top;
    }
    return top_call(events);
}

/* Return whether the state that a call keeps can be made here, or none is: without lines, and by types that were seen. */
static int knows_state(Events *events, const Known *known, int keeps_state) {
    if (!keeps_state) {
        return 1;
    }
    PyObject *lines = attribute_of_function(events, known->function, N_LINES);
    Py_XDECREF(lines);
    if (lines != Py_None) {
        return lines == NULL ? -1 : 0;
    }
    return !known->is_special && (known->kind != GENERATOR || events->yields_type != NULL) &&
           (known->kind != ASYNC_GENERATOR || events->async_yields_type != NULL);
}

/* Return whether a suspended call has the address of a frame: its generator is gone. */
static int is_suspended(const Events *events, PyObject *frame) {
    PyObject *address = PyLong_FromVoidPtr(frame);
    int found = address == NULL ? -1 : PyDict_Contains(events->suspended, address);
    Py_XDECREF(address);
    return found;
}

/* Record a call that starts; 0 if Python has to. */
static int record(Events *events, Known *known, PyObject *frame, uint64_t *counter) {
    PyObject *keeps = read_attribute(events->core, FUNCTION, known->function, N_KEEPS_STATE);
    Py_XDECREF(keeps);
    int knows = keeps == NULL || known->is_setting ? 0 : knows_state(events, known, keeps != Py_False);
    if (knows <= 0) {
        return keeps == NULL || knows < 0 ? FAILED : LEFT_TO_PYTHON;
    }
    Arguments values;
    values.size = 0;
    PyObject *top = caller_of(events, frame);
    if (top == NULL) {
        return PyErr_Occurred() ? FAILED : LEFT_TO_PYTHON;
    }
    PyObject *thread = Py_NewRef(events->thread); /* another thread may replace it meanwhile */
    int result = read_arguments(events, known, frame, &values);
    if (result > 0) {
        if (counter != NULL) {
            *counter += 1;
        }
        PyObject *state = new_state(events, known, thread, keeps != Py_False);
        result = state == NULL || record_begin(events, known, frame, thread, top, state, &values) < 0 ? FAILED : DONE;
        Py_XDECREF(state);
    }
    drop_arguments(&values);
    Py_DECREF(top);
    Py_DECREF(thread);
    return result;
}

/* Count a call that is not recorded: AdaptiveCapture.skips. */
static int count_call(Events *events, const Known *known, PyObject *frame, uint64_t *counter, long long at_ns) {
    Begins *begins = (Begins *)events->begun;
    *counter += 1;
    switch (known->kind) {
    case GENERATOR: /* its time is part of its consumer's */
    case ASYNC_GENERATOR:
        return DONE;
    case COROUTINE:
        return begins_note_of(begins, frame, known->code, at_ns) < 0 ? FAILED : DONE;
    default:
        return begins_note(begins, frame, at_ns) < 0 ? FAILED : DONE;
    }
}

/* Handle the start of a call; 0 if Python has to. */
static int start(Events *events, PyObject *code) {
    PyObject *frame = (PyObject *)PyEval_GetFrame();
    Known *known = frame == NULL ? NULL : find_function(events, code);
    if (known == NULL) {
        return PyErr_Occurred() ? FAILED : LEFT_TO_PYTHON;
    }
    int dropped = known->kind > PLAIN_FUNCTION ? is_suspended(events, frame) : 0;
    if (dropped) {
        return dropped < 0 ? FAILED : LEFT_TO_PYTHON;
    }
    uint64_t *counter = NULL;
    if (events->off != NULL) {
        long long at_ns = 0;
        counter = counter_of(events, known);
        int decision = counter == NULL ? LEFT_TO_PYTHON : decide(events, known, counter, &at_ns);
        if (decision == DONE) {
            return count_call(events, known, frame, counter, at_ns);
        }
        if (decision != RECORDED) {
            return decision;
        }
    }
    known->uses++; /* what is called below may find another function */
    Py_INCREF(frame);
    int result = record(events, known, frame, counter);
    Py_DECREF(frame);
    release_known(known);
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

/* Return the counter of a call that ends, and how long it took, if it was only counted and is not slow; NULL without an error
   if end_counted does not take its end. */
static uint64_t *counter_at_end(Events *events, PyObject *code, PyObject *frame, long long at_ns, long long *took_ns) {
    Begins *begins = (Begins *)events->begun;
    long long begun_ns = begins == NULL ? 0 : begins_find(begins, frame), slow_ns;
    Known *known = begun_ns == 0 ? NULL : find_function(events, code);
    uint64_t *counter = known == NULL ? NULL : counter_of(events, known);
    *took_ns = at_ns - begun_ns;
    return counter == NULL || read_known(events, known, SLOW_NS, N_SLOW_NS, &slow_ns) < 0 || *took_ns >= slow_ns ? NULL
                                                                                                           : counter;
}

/* Return whether end_counted takes the end of a call. -1 for an error. */
int is_counted(Events *events, PyObject *code, PyObject *frame, long long at_ns) {
    long long took_ns;
    return counter_at_end(events, code, frame, at_ns, &took_ns) != NULL ? 1 : PyErr_Occurred() ? -1 : 0;
}

/* Take the end of a call that was only counted; 0 if it was not, or if Python has to do it. */
int end_counted(Events *events, PyObject *code, PyObject *frame, long long at_ns) {
    long long took_ns;
    uint64_t *counter = counter_at_end(events, code, frame, at_ns, &took_ns);
    if (counter == NULL) {
        return PyErr_Occurred() ? FAILED : LEFT_TO_PYTHON;
    }
    counter[1] += (uint64_t)took_ns;
    begins_forget((Begins *)events->begun, frame);
    return DONE;
}

/* Return whether the end of an open call needs nothing but what end_call does; -1 for an error. */
int ends_plainly(Events *events, PyObject *top) {
    PyObject *state = PyTuple_GetItem(top, 3);
    if (state == Py_None || PyTuple_GetItem(top, 1) == Py_None) {
        return state == Py_None;
    }
    Core *core = events->core;
    PyObject *lines = read_attribute(core, CALL_STATE, state, N_LINES), *yields = NULL;
    PyObject *timed = lines == NULL ? NULL : read_attribute(core, CALL_STATE, state, N_TIMED);
    int result = timed == NULL || (yields = read_attribute(core, CALL_STATE, state, N_YIELDS)) == NULL ? -1 : 0;
    if (result == 0 && lines == Py_None && timed == Py_None) {
        result = yields == Py_None ? 1 : learn_yields(events, yields) < 0 ? -1 : 1;
    }
    Py_XDECREF(lines);
    Py_XDECREF(timed);
    Py_XDECREF(yields);
    return result;
}

/* Write how many values a call has yielded, if not all are recorded: Yields.end. */
static int end_yields(Events *events, PyObject *thread, PyObject *top, PyObject *yields, long long at_ns) {
    long long count;
    if (yields == Py_None) {
        return 0;
    }
    if (read_number(events->core, YIELDS, yields, N_YIELD_COUNT, &count) < 0) {
        return -1;
    }
    if (count <= MAX_YIELDS) {
        return 0;
    }
    Buffer record = take_spare(&events->spare);
    int result = PUT(&record, "Y\t") < 0 || put_integer(&record, PyLong_AsLongLong(PyTuple_GetItem(top, 0))) < 0 ||
                         PUT(&record, "\t") < 0 || put_integer(&record, at_ns) < 0 || PUT(&record, "\t\t\t") < 0 ||
                         put_integer(&record, count - 1) < 0 || PUT(&record, "\n") < 0
                     ? -1
                     : write_record(events->core, events->write_record, thread, &record);
    give_spare(&events->spare, &record);
    return result;
}

/* Leave the state of a call that ends: its task, its yields. Says how long it was suspended. */
static int leave_state(Events *events, PyObject *thread, PyObject *top, long long at_ns, long long *suspended_ns) {
    Core *core = events->core;
    PyObject *state = PyTuple_GetItem(top, 3);
    PyObject *yields = read_attribute(core, CALL_STATE, state, N_YIELDS);
    PyObject *task = yields == NULL ? NULL : read_attribute(core, CALL_STATE, state, N_OUTER_TASK);
    int result = task == NULL || read_number(core, CALL_STATE, state, N_SUSPENDED_NS, suspended_ns) < 0 ||
                         write_attribute(core, THREAD, thread, N_TASK, task) < 0
                     ? -1
                     : end_yields(events, thread, top, yields, at_ns);
    Py_XDECREF(yields);
    Py_XDECREF(task);
    return result;
}

/* Write the end of the thread's innermost call, for which ends_plainly has said yes: CallLog.end. */
int end_call(Events *events, PyObject *thread, PyObject *top, long long at_ns, const Ending *ending) {
    Core *core = events->core;
    long long suspended_ns = 0;
    Buffer record = take_spare(&events->spare);
    int failed = buffer_reserve(&record, 2 * MAX_INTEGER_CHARS + 4) < 0;
    if (!failed) {
        add_chars(&record, "R\t", 2);
        add_number(events, &record, PyTuple_GetItem(top, 0));
        add_chars(&record, "\t", 1);
        add_time(events, &record, at_ns);
        add_chars(&record, "\t", 1);
        failed = (ending->value != NULL && put_by(events, ending->encoder, ending->value, &record) < 0) ||
                 (PyTuple_GetItem(top, 3) != Py_None && leave_state(events, thread, top, at_ns, &suspended_ns) < 0);
    }
    if (!failed && (ending->outcome || suspended_ns)) {
        failed = PUT(&record, "\t") < 0 || put_integer(&record, ending->outcome) < 0 || PUT(&record, "\t") < 0 ||
                 put_integer(&record, suspended_ns) < 0 ||
                 (ending->exception && (PUT(&record, "\t") < 0 || put_integer(&record, ending->exception) < 0));
    }
    int result = failed || PUT(&record, "\n") < 0 || write_attribute(core, THREAD, thread, N_TOP, PyTuple_GetItem(top, 1)) < 0
                     ? -1
                     : write_record(core, events->write_record, thread, &record);
    give_spare(&events->spare, &record);
    return result;
}

/* Write the return of the thread's innermost call; 0 if Python has to. */
static int record_end(Events *events, PyObject *code, PyObject *top, long long at_ns, PyObject *value) {
    Ending ending = {Py_NewRef(events->encode), value, 0, 0};
    int plainly = 1;
    if (PyTuple_GetItem(top, 3) != Py_None) {
        const Known *known = find_function(events, code);
        PyObject *function = known == NULL || known->is_special ? NULL : Py_NewRef(known->function);
        PyObject *off = function == NULL ? NULL : attribute_of_function(events, function, N_IS_OFF);
        plainly = off == NULL ? (PyErr_Occurred() ? -1 : 0) : off == Py_False ? ends_plainly(events, top) : 0;
        if (plainly > 0) {
            Py_DECREF(ending.encoder);
            ending.encoder = attribute_of_function(events, function, N_ENCODE_RESULT);
        }
        Py_XDECREF(function);
        Py_XDECREF(off);
    }
    int result = plainly < 0 || ending.encoder == NULL ? FAILED : LEFT_TO_PYTHON;
    if (result == LEFT_TO_PYTHON && plainly) {
        PyObject *thread = Py_NewRef(events->thread); /* another thread may replace it meanwhile */
        result = end_call(events, thread, top, at_ns, &ending) < 0 ? FAILED : DONE;
        Py_DECREF(thread);
    }
    Py_XDECREF(ending.encoder);
    return result;
}

/* Take the end of a generator's call that is not the innermost open one: none, if it was counted. 0 if Python has to. */
static int end_of_counted_generator(Events *events, PyObject *code, PyObject *frame) {
    const Known *known = events->begun == NULL ? NULL : find_function(events, code);
    if (known == NULL || (known->kind != GENERATOR && known->kind != ASYNC_GENERATOR) || known->is_special) {
        return PyErr_Occurred() ? FAILED : LEFT_TO_PYTHON;
    }
    PyObject *off = attribute_of_function(events, known->function, N_IS_OFF);
    Py_XDECREF(off);
    if (off != Py_False) {
        return off == NULL ? FAILED : LEFT_TO_PYTHON;
    }
    int result = is_not_open(events, frame);
    return result < 0 ? FAILED : result ? DONE : LEFT_TO_PYTHON;
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
        if (top == NULL && result == LEFT_TO_PYTHON && !PyErr_Occurred()) {
            result = end_of_counted_generator(events, code, frame);
        }
    }
    if (top != NULL) {
        result = record_end(events, code, top, at_ns, value);
    }
    if (top != NULL) {
        give_call(events, top);
    }
    Py_DECREF(frame);
    return result == LEFT_TO_PYTHON && PyErr_Occurred() ? FAILED : result;
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
