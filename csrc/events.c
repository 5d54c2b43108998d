/* The callbacks of events: the type Events, and what all of them need. */
#include "core.h"

#include <string.h>

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

PyObject *attribute_of_event(const Events *events, PyObject *owner, enum Name name) {
    return PyObject_GetAttr(owner, events->core->names[name]);
}

PyObject *attribute_of_function(const Events *events, PyObject *function, enum Name name) {
    return read_attribute(events->core, FUNCTION, function, name);
}

int number_of_function(const Events *events, PyObject *function, enum Name name, long long *number) {
    return read_number(events->core, FUNCTION, function, name, number);
}

/* End a use of what is known of a function. */
void release_known(Known *known) {
    if (--known->uses > 0) {
        return;
    }
    Py_XDECREF(known->code);
    Py_XDECREF(known->function);
    Py_XDECREF(known->names);
    PyMem_Free(known->parts.data);
    Py_XDECREF(known->call_sites);
    Py_XDECREF(known->forgotten);
    Py_XDECREF(known->encoders);
    for (int number = 0; number < NUMBER_COUNT; number++) {
        Py_XDECREF(known->numbers[number].object);
    }
    PyMem_Free(known);
}

/* Find the constant parts of a record. `format` is one of Python: %d and %b for the fields, %% for a percent sign. */
static int learn_parts(PyObject *format, Buffer *parts) {
    const char *at = PyBytes_AsString(format), *end = at + PyBytes_Size(format);
    int failed = 0;
    while (!failed && at <= end) {
        Py_ssize_t begin = parts->size;
        int32_t size = 0;
        failed = buffer_put(parts, (const char *)&size, sizeof(size)) < 0;
        for (; !failed && at < end; at++) {
            if (*at == '%' && at + 1 < end && *++at != '%') {
                break;
            }
            failed = buffer_put(parts, at, 1) < 0;
        }
        at++;
        size = (int32_t)(parts->size - begin - (Py_ssize_t)sizeof(size));
        if (!failed) {
            memcpy(parts->data + begin, &size, sizeof(size));
        }
    }
    static const char padding[PART_PADDING] = {0};
    return failed || buffer_put(parts, padding, PART_PADDING) < 0 ? -1 : 0;
}

static enum Kind kind_of(PyObject *name) {
    static const char *const KINDS[] = {"", "function", "generator", "coroutine", "async_generator"};
    for (int kind = PLAIN_FUNCTION; kind <= ASYNC_GENERATOR; kind++) {
        if (PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, KINDS[kind]) == 0) {
            return (enum Kind)kind;
        }
    }
    return OTHER_KIND;
}

/* Find out what a function is. The end of bdb's set_trace, where it is traced, means more than those of others. */
static int learn_kind(const Events *events, PyObject *code, PyObject *function, Known *known) {
    PyObject *kind = attribute_of_function(events, function, N_KIND), *name = NULL, *observed = NULL;
    if (kind == NULL || (name = attribute_of_event(events, code, N_CO_NAME)) == NULL ||
        (observed = attribute_of_function(events, function, N_IS_OBSERVED)) == NULL) {
        Py_XDECREF(kind);
        Py_XDECREF(name);
        return -1;
    }
    known->kind = kind_of(kind);
    known->is_special = observed != Py_False || known->kind == OTHER_KIND || !PyUnicode_Check(name) ||
                        PyUnicode_CompareWithASCIIString(name, "set_trace") == 0;
    Py_DECREF(kind);
    Py_DECREF(name);
    Py_DECREF(observed);
    return 0;
}

static int learn_function(const Events *events, PyObject *code, PyObject *function, Known *known) {
    long long counter, slot;
    PyObject *setting, *record;
    known->code = Py_NewRef(code);
    known->function = Py_NewRef(function);
    if (learn_kind(events, code, function, known) < 0 || number_of_function(events, function, N_COUNTER, &counter) < 0 || number_of_function(events, function, N_SLOT, &slot) < 0 ||
        (known->names = attribute_of_function(events, function, N_NAMES)) == NULL ||
        (known->call_sites = attribute_of_function(events, function, N_CALL_SITES)) == NULL ||
        (setting = attribute_of_function(events, function, N_SETTING)) == NULL) {
        return -1;
    }
    known->is_setting = setting != Py_None;
    Py_DECREF(setting);
    if ((record = attribute_of_function(events, function, N_RECORD)) == NULL) {
        return -1;
    }
    int has_types = PyTuple_CheckExact(known->names) && PyBytes_CheckExact(record) && PyDict_CheckExact(known->call_sites);
    int failed = has_types && learn_parts(record, &known->parts) < 0;
    Py_DECREF(record);
    if (!has_types) {
        PyErr_SetString(PyExc_TypeError, "a function has attributes of other types");
    }
    if (failed || !has_types) {
        return -1;
    }
    known->count = PyTuple_Size(known->names);
    for (Py_ssize_t at = 0; at < known->count && at < MAX_ARGUMENTS; at++) {
        known->items[at] = PyTuple_GetItem(known->names, at);
    }
    known->counter = slot < 0 ? NO_COUNTER : (Py_ssize_t)counter; /* without a slot, that of another function */
    return 0;
}

/* Look a function up in Python's table, and put it in its place here; NULL without an error if it is not traced. */
Known *look_up_function(Events *events, PyObject *code, Known **place) {
    PyObject *address = PyLong_FromVoidPtr(code);
    PyObject *function = address == NULL ? NULL : PyDict_GetItemWithError(events->functions, address);
    Py_XDECREF(address);
    if (function == NULL) {
        return NULL;
    }
    Known *known = PyMem_Calloc(1, sizeof(Known));
    if (known == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    known->uses = 1;
    if (learn_function(events, code, function, known) < 0) {
        release_known(known);
        return NULL;
    }
    Known *old = *place;
    *place = known;
    if (old == NULL) {
        return known;
    }
    known->uses++; /* what is dropped may run code, and that find other functions */
    release_known(old);
    int is_replaced = known->uses == 1;
    release_known(known);
    return is_replaced ? find_function(events, code) : known;
}

/* Find the state of this thread, into events->thread; 0 without an error if it has none yet. */
int find_thread(Events *events) {
    PyObject *state = attribute_of_event(events, events->threads, N_STATE), *old = events->thread;
    if (state == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        PyErr_Clear(); /* the thread's first event: Python makes its state */
        return 0;
    }
    events->thread = state;
    Py_XDECREF(old);
    return 1;
}

/* Return the innermost open call of the thread in events->thread; NULL without an error if there is none. */
PyObject *top_call(Events *events) {
    PyObject *top = events->thread == NULL ? NULL : read_attribute(events->core, THREAD, events->thread, N_TOP);
    if (top != NULL && (!PyTuple_CheckExact(top) || PyTuple_Size(top) != 5)) {
        Py_CLEAR(top);
    }
    return top;
}

/* Do the part of open_call that takes longer. */
PyObject *search_open_call(Events *events, PyObject *frame, int searches) {
    if (searches && find_thread(events) <= 0) {
        return NULL;
    }
    PyObject *top = top_call(events);
    if (top != NULL && PyTuple_GetItem(top, 2) != frame) {
        Py_CLEAR(top);
    }
    return top;
}

/* Return whether a frame is of no open call of this thread, and nothing is to be said of greenlets: CallLog.is_open where it
   changes nothing. */
int is_not_open(Events *events, PyObject *frame) {
    int found = find_thread(events);
    PyObject *top = found <= 0 ? NULL : top_call(events);
    if (top == NULL) {
        return found < 0 || PyErr_Occurred() ? -1 : 0;
    }
    PyObject *above = top, *modules = PyImport_GetModuleDict();
    int result = 1;
    while (result && PyTuple_CheckExact(above) && PyTuple_Size(above) == 5) {
        result = PyTuple_GetItem(above, 2) != frame;
        above = PyTuple_GetItem(above, 1);
    }
    Py_DECREF(top);
    if (result && (modules == NULL || PyDict_GetItemString(modules, "greenlet") != NULL)) {
        PyObject *done = PyObject_CallFunctionObjArgs(events->check_greenlets, NULL);
        result = done == NULL ? -1 : 1;
        Py_XDECREF(done);
    }
    return result;
}

/* Let Python decide about an error: it lets through what the program has raised. */
PyObject *handle_failure(Events *events) {
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    if (traceback != NULL && error != NULL) {
        PyException_SetTraceback(error, traceback);
    }
    PyObject *done = error == NULL ? Py_NewRef(Py_None) : PyObject_CallFunctionObjArgs(events->failed, error, NULL);
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(traceback);
    return done;
}

static void drop_caches(Events *events) {
    for (int at = 0; events->known != NULL && at < KNOWN_SLOTS; at++) {
        Known *old = events->known[at];
        events->known[at] = NULL;
        if (old != NULL) {
            release_known(old);
        }
    }
    for (int at = 0; events->sites != NULL && at < SITE_SLOTS; at++) {
        Site old = events->sites[at];
        memset(&events->sites[at], 0, sizeof(Site));
        Py_XDECREF(old.sites);
        Py_XDECREF(old.site);
    }
}

static void drop_counters(Events *events) {
    if (events->counters.obj != NULL) {
        PyBuffer_Release(&events->counters);
    }
    memset(&events->counters, 0, sizeof(Py_buffer));
}

/* Look up the function of the next event again, and take other counters; None: calls are not counted here. */
static PyObject *events_forget(PyObject *self, PyObject *counters) {
    Events *events = (Events *)self;
    drop_caches(events);
    drop_counters(events);
    if (counters != Py_None && PyObject_GetBuffer(counters, &events->counters, PyBUF_WRITABLE) < 0) {
        memset(&events->counters, 0, sizeof(Py_buffer));
        return NULL;
    }
    return Py_NewRef(Py_None);
}

/* Note in a dict which lines the test that runs has executed: ExecutedLines.ran. */
static PyObject *events_note(PyObject *self, PyObject *ran) {
    Events *events = (Events *)self;
    if (!PyDict_CheckExact(ran)) {
        PyErr_SetString(PyExc_TypeError, "lines are noted in a dict");
        return NULL;
    }
    PyObject *old = events->ran;
    events->ran = Py_NewRef(ran);
    Py_XDECREF(old);
    return Py_NewRef(Py_None);
}

/* The attributes of the object with what the callbacks need, and where each goes. */
#define PART(name) {#name, offsetof(Events, name)}
static const struct {
    const char *name;
    size_t offset;
} PARTS[] = {
    PART(lines_type), PART(functions), PART(threads), PART(failed), PART(write_record), PART(session), PART(line_in_python),
    PART(start_in_python), PART(return_in_python), PART(yield_in_python), PART(resume_in_python), PART(raise_in_python),
    PART(handled_in_python), PART(reraise_in_python), PART(throw_in_python), PART(unwind_in_python), PART(state_type),
    PART(current_task), PART(check_greenlets), PART(raises), PART(observed), PART(gaps), PART(open_gaps), PART(awaited), PART(thrown),
    PART(groups_handled), PART(places), PART(when_raised), PART(unwound), PART(suspended), PART(call_ids), PART(call_site), PART(encode), PART(unseen_ends),
    PART(names_to_forget), PART(off), PART(begun), PART(awaiting),
};

#define OPTIONAL_PARTS 4 /* the last ones */

static PyObject **part_of(Events *events, size_t at) { return (PyObject **)((char *)events + PARTS[at].offset); }

static int are_dicts(Events *events) {
    PyObject *dicts[] = {events->functions, events->observed, events->gaps, events->open_gaps, events->awaited,
                         events->thrown, events->groups_handled, events->places, events->unwound, events->suspended};
    for (size_t at = 0; at < sizeof(dicts) / sizeof(dicts[0]); at++) {
        if (!PyDict_CheckExact(dicts[at])) {
            return 0;
        }
    }
    return events->awaiting == NULL || PyDict_CheckExact(events->awaiting);
}

/* Take the parts from a dict; of the optional ones, those that are missing stay NULL. */
static int take_parts(Events *events, PyObject *parts) {
    size_t count = sizeof(PARTS) / sizeof(PARTS[0]);
    int has_all = 1;
    for (size_t at = 0; at < count; at++) {
        PyObject *part = PyDict_GetItemString(parts, PARTS[at].name);
        if (part != NULL && part != Py_None) {
            *part_of(events, at) = Py_NewRef(part);
        } else if (at < count - OPTIONAL_PARTS) {
            has_all = 0;
        }
    }
    events->raise_opcode = has_all ? PyLong_AsLong(events->raises) : -1;
    if (!has_all || PyErr_Occurred() || !are_dicts(events) || !PyIter_Check(events->call_ids) || !PySet_Check(events->unseen_ends) ||
        !PyType_Check(events->state_type) || !PyList_CheckExact(events->when_raised) || (events->begun != NULL && !is_begins(events->begun)) ||
        (events->off != NULL) != (events->begun != NULL)) {
        PyErr_SetString(PyExc_TypeError, "a part of the events is missing, or of another type");
        return -1;
    }
    return 0;
}

static PyObject *events_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    PyObject *core, *parts;
    if (keywords != NULL || !PyArg_ParseTuple(arguments, "OO!", &core, &PyDict_Type, &parts)) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Events *events = (Events *)allocate(type, 0); /* all zero */
    if (events == NULL) {
        return NULL;
    }
    events->core = (Core *)Py_NewRef(core);
    events->frames = find_frame_functions();
    events->known = PyMem_Calloc(KNOWN_SLOTS, sizeof(Known *));
    events->sites = PyMem_Calloc(SITE_SLOTS, sizeof(Site));
    events->no_task = PyLong_FromLong(0);
    int has_memory = events->known != NULL && events->sites != NULL && events->no_task != NULL;
    if (!has_memory) {
        PyErr_NoMemory();
    }
    if (!has_memory || take_parts(events, parts) < 0) {
        Py_DECREF(events);
        return NULL;
    }
    return (PyObject *)events;
}

static int events_traverse(PyObject *self, visitproc visit, void *arg) {
    Events *events = (Events *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)events->core);
    for (size_t at = 0; at < sizeof(PARTS) / sizeof(PARTS[0]); at++) {
        Py_VISIT(*part_of(events, at));
    }
    Py_VISIT(events->yields_type);
    Py_VISIT(events->async_yields_type);
    Py_VISIT(events->ran);
    Py_VISIT(events->spare_call);
    Py_VISIT(events->thread);
    Py_VISIT(events->state);
    Py_VISIT(events->lines);
    for (int at = 0; events->known != NULL && at < KNOWN_SLOTS; at++) {
        if (events->known[at] != NULL && events->known[at]->uses == 1) {
            Py_VISIT(events->known[at]->function);
            Py_VISIT(events->known[at]->call_sites);
        }
    }
    for (int at = 0; events->sites != NULL && at < SITE_SLOTS; at++) {
        Py_VISIT(events->sites[at].sites);
    }
    return 0;
}

static int events_clear(PyObject *self) {
    Events *events = (Events *)self;
    Py_CLEAR(events->failed); /* first: without it, the callbacks do nothing */
    for (size_t at = 0; at < sizeof(PARTS) / sizeof(PARTS[0]); at++) {
        Py_CLEAR(*part_of(events, at));
    }
    Py_CLEAR(events->core);
    Py_CLEAR(events->yields_type);
    Py_CLEAR(events->async_yields_type);
    Py_CLEAR(events->ran);
    Py_CLEAR(events->spare_call);
    Py_CLEAR(events->no_task);
    Py_CLEAR(events->thread);
    Py_CLEAR(events->state);
    Py_CLEAR(events->lines);
    drop_caches(events);
    return 0;
}

static void events_dealloc(PyObject *self) {
    Events *events = (Events *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    events_clear(self);
    drop_counters(events);
    PyMem_Free(events->spare.data);
    PyMem_Free(events->known);
    PyMem_Free(events->sites);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyObject *reads_variables(PyObject *self, void *Py_UNUSED(closure)) {
    return PyBool_FromLong(((Events *)self)->frames.variable != NULL);
}

static PyMemberDef events_members[] = {
    {"steps", T_PYSSIZET, offsetof(Events, steps), 0, "The suspensions since adaptive capture was told of them."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef events_attributes[] = {
    {"reads_variables", reads_variables, NULL, "Whether arguments can be read here: the start of calls is Python's else.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

#define FAST(function) (PyCFunction)(void (*)(void))function, METH_FASTCALL
static PyMethodDef events_methods[] = {
    {"line", FAST(events_line), "Record that a line starts: the callback of LINE."},
    {"start", FAST(events_start), "Record the start of a call: the callback of PY_START."},
    {"returned", FAST(events_return), "Record the end of a call: the callback of PY_RETURN."},
    {"yielded", FAST(events_yielded), "Record that a call is suspended: the callback of PY_YIELD."},
    {"resumed", FAST(events_resumed), "Record that a call goes on: the callback of PY_RESUME."},
    {"raised", FAST(events_raised), "Record an exception that is raised: the callback of RAISE."},
    {"handled", FAST(events_handled), "Record that an exception is handled: the callback of EXCEPTION_HANDLED."},
    {"reraised", FAST(events_reraised), "Record that an exception goes on: the callback of RERAISE."},
    {"thrown", FAST(events_thrown), "Record that a call goes on with an exception: the callback of PY_THROW."},
    {"unwound", FAST(events_unwound), "Record that an exception ends a call: the callback of PY_UNWIND."},
    {"forget", events_forget, METH_O, "Look up the function of the next event again, and take other counters."},
    {"note", events_note, METH_O, "Note in a dict which lines the test that runs has executed."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot events_slots[] = {
    {Py_tp_doc, "The callbacks of events."},
    {Py_tp_new, events_new},
    {Py_tp_traverse, events_traverse},
    {Py_tp_clear, events_clear},
    {Py_tp_dealloc, events_dealloc},
    {Py_tp_methods, events_methods},
    {Py_tp_getset, events_attributes},
    {Py_tp_members, events_members},
    {0, NULL},
};

PyType_Spec events_spec = {
    "breadcrumb.core.Events", sizeof(Events), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, events_slots,
};
