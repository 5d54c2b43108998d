/* The events of exceptions: RAISE, EXCEPTION_HANDLED, RERAISE, PY_THROW and PY_UNWIND.

   Exceptions are written in Python. Here is what needs no word of them: those of code that is not traced, which raises and
   handles its own all the time, those that are only counted, the ends of iterations, and the ends of calls. */
#include "core.h"

#define NOT_KNOWN (-1)

/* Find the id of an exception in Session.exception_ids; 0 if it was only counted, NOT_KNOWN if it has none. */
static int find_id(Events *events, PyObject *exception, long long *id) {
    PyObject *ids = attribute_of_event(events, events->session, N_EXCEPTION_IDS); /* another dict now and then */
    *id = NOT_KNOWN;
    if (ids == NULL || !PyDict_CheckExact(ids)) {
        Py_XDECREF(ids);
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "the ids of exceptions are in a dict");
        }
        return -1;
    }
    int result = 0;
    if (PyDict_Size(ids)) {
        PyObject *address = PyLong_FromVoidPtr(exception);
        PyObject *found = address == NULL ? NULL : PyDict_GetItemWithError(ids, address);
        *id = found == NULL ? NOT_KNOWN : PyLong_AsLongLong(found);
        Py_XDECREF(address);
        result = PyErr_Occurred() ? -1 : 0;
    }
    Py_DECREF(ids);
    return result;
}

/* Return whether a dict has the address of an object. */
static int has_address(PyObject *dict, PyObject *object) {
    if (PyDict_Size(dict) == 0) {
        return 0;
    }
    PyObject *address = PyLong_FromVoidPtr(object);
    int found = address == NULL ? -1 : PyDict_Contains(dict, address);
    Py_XDECREF(address);
    return found;
}

static int is_control_flow(PyObject *exception) {
    PyObject *type = (PyObject *)Py_TYPE(exception);
    return type == PyExc_StopIteration || type == PyExc_StopAsyncIteration || type == PyExc_GeneratorExit;
}

static int derives(PyObject *exception, PyObject *type) { return PyType_IsSubtype(Py_TYPE(exception), (PyTypeObject *)type); }

/* Return the frame of this event; NULL without an error if code in C has fired it. */
static PyObject *frame_of(PyObject *code) {
    PyFrameObject *frame = PyEval_GetFrame();
    PyObject *its = frame == NULL ? NULL : (PyObject *)PyFrame_GetCode(frame);
    Py_XDECREF(its);
    return its == code ? Py_XNewRef((PyObject *)frame) : NULL;
}

/* Empty the dict that reading f_locals has filled: forget_locals of values/frame_locals.py. */
static int forget_locals(Events *events, PyObject *code, PyObject *frame) {
    Known *known = events->names_to_forget == NULL ? NULL : find_function(events, code);
    if (known == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    if (known->forgotten == NULL) {
        PyObject *names = PyObject_CallFunctionObjArgs(events->names_to_forget, code, NULL);
        if (names == NULL || !PyTuple_CheckExact(names) || (known = find_function(events, code)) == NULL) {
            Py_XDECREF(names);
            return PyErr_Occurred() ? -1 : 0;
        }
        PyObject *old = known->forgotten;
        known->forgotten = names;
        Py_XDECREF(old);
    }
    PyObject *names = Py_NewRef(known->forgotten);
    Py_ssize_t count = PyTuple_Size(names);
    PyObject *locals = count ? attribute_of_event(events, frame, N_F_LOCALS) : NULL;
    int result = count && locals == NULL ? -1 : 0;
    if (locals != NULL && PyDict_CheckExact(locals) && Py_REFCNT(locals) <= 2) { /* the frame's, and the one here */
        for (Py_ssize_t at = 0; result == 0 && at < count; at++) {
            PyObject *name = PyTuple_GetItem(names, at);
            int has = PyDict_Contains(locals, name);
            result = has < 0 || (has && PyDict_DelItem(locals, name) < 0) ? -1 : 0;
        }
    }
    Py_XDECREF(locals);
    Py_DECREF(names);
    return result;
}

/* Return whether the instruction at which an entry of a traceback is may be one that raises: -1 for an error. */
static int may_raise(Events *events, PyObject *entry, PyObject *code) {
    PyObject *at = attribute_of_event(events, entry, N_TB_LASTI), *instructions = attribute_of_event(events, code, N_CO_CODE);
    int result = at == NULL || instructions == NULL ? -1 : 1;
    if (result > 0 && PyBytes_CheckExact(instructions)) {
        Py_ssize_t instruction = PyLong_AsSsize_t(at);
        if (instruction >= 0 && instruction < PyBytes_Size(instructions)) {
            result = (unsigned char)PyBytes_AsString(instructions)[instruction] == events->raise_opcode;
        } else if (PyErr_Occurred()) {
            result = -1;
        }
    }
    Py_XDECREF(at);
    Py_XDECREF(instructions);
    return result;
}

/* Return whether an entry of a traceback is of a frame with traced code. */
static int is_traced(Events *events, PyObject *entry) {
    PyObject *frame = attribute_of_event(events, entry, N_TB_FRAME);
    PyObject *code = frame == NULL ? NULL : (PyObject *)PyFrame_GetCode((PyFrameObject *)frame);
    int result = code == NULL ? -1 : has_address(events->functions, code);
    Py_XDECREF(frame);
    Py_XDECREF(code);
    return result;
}

/* Return whether an exception that has an id passes through the frame of this event: traced code just in it has raised it,
   or let it pass. It is known then, and nothing is written: ExceptionLog.seen. In code that is not traced nothing is
   written either, but where it is raised its id is a dead one's. */
static int passes(Events *events, PyObject *code, PyObject *exception, int in_traced) {
    PyObject *entry = PyException_GetTraceback(exception), *further = NULL, *its = NULL, *frame = NULL;
    int result = 0;
    if (entry != NULL && (further = attribute_of_event(events, entry, N_TB_NEXT)) == NULL) {
        result = -1;
    } else if (entry != NULL && further != Py_None) {
        result = 1;
    }
    if (result > 0 && in_traced) {
        frame = frame_of(code);
        its = frame == NULL ? NULL : attribute_of_event(events, entry, N_TB_FRAME);
        result = its == NULL ? (PyErr_Occurred() ? -1 : 0) : its == frame && !derives(exception, PyExc_BaseExceptionGroup);
        if (result > 0) {
            result = may_raise(events, entry, code);
            result = result < 0 ? -1 : !result;
        }
        if (result > 0) {
            result = is_traced(events, further);
        }
    }
    Py_XDECREF(entry);
    Py_XDECREF(further);
    Py_XDECREF(its);
    Py_XDECREF(frame);
    return result;
}

/* Find what is known of raises of an exception's type at the instruction that raises it: ExceptionLog._raises_at_place. NULL
   without an error if Python has to look: it was raised further in, or is written. */
static PyObject *place_of(Events *events, PyObject *code, PyObject *frame, PyObject *exception) {
    PyObject *entry = PyException_GetTraceback(exception);
    if (entry == NULL) {
        return NULL;
    }
    PyObject *further = attribute_of_event(events, entry, N_TB_NEXT), *its = attribute_of_event(events, entry, N_TB_FRAME);
    PyObject *at = attribute_of_event(events, entry, N_TB_LASTI), *key = NULL, *place = NULL;
    if (further == Py_None && its == frame && at != NULL) {
        PyObject *code_id = PyLong_FromVoidPtr(code), *type_id = PyLong_FromVoidPtr(Py_TYPE(exception));
        key = code_id == NULL || type_id == NULL ? NULL : PyTuple_Pack(3, code_id, at, type_id);
        place = key == NULL ? NULL : Py_XNewRef(PyDict_GetItemWithError(events->places, key));
        Py_XDECREF(code_id);
        Py_XDECREF(type_id);
        Py_XDECREF(key);
    }
    Py_DECREF(entry);
    Py_XDECREF(further);
    Py_XDECREF(its);
    Py_XDECREF(at);
    return place;
}

/* Return the slot of the counter in which raises at a place are counted; -1 if Python has to do it, -2 for an error. */
static long long slot_of(Events *events, PyObject *place, PyObject *exception) {
    Core *core = events->core;
    long long slot, under_way;
    PyObject *name = PyType_GetQualName(Py_TYPE(exception)), *known = name == NULL ? NULL : read_attribute(core, PLACE, place, N_NAME);
    PyObject *forks = known == NULL ? NULL : attribute_of_event(events, events->session, N_FORKS_UNDER_WAY);
    under_way = forks == NULL ? -1 : PyLong_AsLongLong(forks);
    if (PyErr_Occurred() || read_number(core, PLACE, place, N_SLOT, &slot) < 0) {
        slot = -2;
    } else if (under_way || !PyUnicode_Check(name) || !PyUnicode_Check(known) || PyUnicode_Compare(name, known) != 0 ||
               2 * slot >= events->counters.len / 8) {
        slot = -1; /* another type may have the address of a dead one */
    }
    Py_XDECREF(name);
    Py_XDECREF(known);
    Py_XDECREF(forks);
    return slot;
}

/* Keep the ids of the calls that an exception ends from now on: ExceptionLog._follow. */
static int follow(Events *events, PyObject *address) {
    PyObject *oldest, *unwound = events->unwound, *none = PyDict_New();
    Py_ssize_t at = 0;
    int has = none == NULL ? -1 : PyDict_Contains(unwound, address);
    if (has > 0) {
        has = PyDict_DelItem(unwound, address);
    }
    if (has >= 0 && PyDict_Size(unwound) >= MAX_UNWINDING && PyDict_Next(unwound, &at, &oldest, NULL)) {
        Py_INCREF(oldest);
        has = PyDict_DelItem(unwound, oldest);
        Py_DECREF(oldest);
    }
    int result = has < 0 ? -1 : PyDict_SetItem(unwound, address, none);
    Py_XDECREF(none);
    return result;
}

/* Tell of a raise, before anything else is done with it: ExceptionLog.when_raised. */
static int tell_of_raise(Events *events, PyObject *address) {
    for (Py_ssize_t at = 0; at < PyList_Size(events->when_raised); at++) {
        PyObject *callback = Py_NewRef(PyList_GetItem(events->when_raised, at));
        PyObject *done = PyObject_CallFunctionObjArgs(callback, address, NULL);
        Py_DECREF(callback);
        Py_XDECREF(done);
        if (done == NULL) {
            return -1;
        }
    }
    return 0;
}

/* Give an exception that is only counted its id, which is 0. */
static int set_counted(Events *events, PyObject *address) {
    PyObject *ids = attribute_of_event(events, events->session, N_EXCEPTION_IDS), *zero = PyLong_FromLong(0);
    int result = ids == NULL || zero == NULL ? -1 : PyDict_SetItem(ids, address, zero);
    Py_XDECREF(ids);
    Py_XDECREF(zero);
    return result;
}

/* Return whether one more exception can get an id without another one losing its own. */
static int has_room(Events *events) {
    PyObject *ids = attribute_of_event(events, events->session, N_EXCEPTION_IDS);
    int result = ids == NULL ? -1 : PyDict_Size(ids) < MAX_KNOWN_EXCEPTIONS;
    Py_XDECREF(ids);
    return result;
}

/* Count an exception that the traced frame raises and that has no id, where those of its type at this place are counted
   already; 0 if Python has to: ExceptionLog.seen. */
static int count_raise(Events *events, PyObject *code, PyObject *frame, PyObject *exception) {
    if (events->counters.len == 0 || derives(exception, PyExc_BaseExceptionGroup)) {
        return LEFT_TO_PYTHON;
    }
    int ready = find_thread(events);
    if (ready > 0) {
        ready = has_room(events);
    }
    PyObject *place = ready <= 0 ? NULL : place_of(events, code, frame, exception);
    if (place == NULL) {
        return PyErr_Occurred() ? FAILED : LEFT_TO_PYTHON;
    }
    long long count, slot = slot_of(events, place, exception);
    int result = slot == -2 ? FAILED : slot < 0 ? LEFT_TO_PYTHON : DONE;
    if (result == DONE) {
        Core *core = events->core;
        PyObject *address = PyLong_FromVoidPtr(exception);
        result = address == NULL || tell_of_raise(events, address) < 0 || read_number(core, PLACE, place, N_COUNT, &count) < 0 ||
                         write_number(core, PLACE, place, N_COUNT, count + 1) < 0
                     ? FAILED
                     : DONE;
        if (result == DONE && 2 * slot < events->counters.len / 8) { /* they may have moved meanwhile */
            ((uint64_t *)events->counters.buf)[2 * slot] += 1;
            result = follow(events, address) < 0 || set_counted(events, address) < 0 ? FAILED : DONE;
        }
        Py_XDECREF(address);
    }
    Py_DECREF(place);
    return result;
}

/* Handle a raise; 0 if Python has to. */
static int raise(Events *events, PyObject *code, PyObject *exception) {
    long long id;
    const Known *known = find_function(events, code);
    if ((known == NULL && PyErr_Occurred()) || find_id(events, exception, &id) < 0) {
        return FAILED;
    }
    int is_seen = known != NULL && !is_control_flow(exception); /* whether ExceptionLog.seen is told of it */
    if (id != NOT_KNOWN) {
        int result = passes(events, code, exception, is_seen);
        if (result || !is_seen) {
            return result;
        }
        result = has_address(events->thrown, exception);
        if (result) {
            return result < 0 ? FAILED : LEFT_TO_PYTHON;
        }
    }
    if (is_seen) {
        PyObject *frame = frame_of(code);
        int result = frame == NULL ? (PyErr_Occurred() ? FAILED : LEFT_TO_PYTHON) : count_raise(events, code, frame, exception);
        Py_XDECREF(frame);
        return result;
    }
    int thrown = has_address(events->thrown, exception);
    return thrown < 0 ? FAILED : thrown ? LEFT_TO_PYTHON : DONE;
}

/* Handle the begin of a handler; 0 if Python has to. */
static int handle(Events *events, PyObject *code, PyObject *exception) {
    long long id;
    const Known *known = find_function(events, code);
    if ((known == NULL && PyErr_Occurred()) || find_id(events, exception, &id) < 0) {
        return FAILED;
    }
    if (known == NULL) {
        return id == NOT_KNOWN ? DONE : LEFT_TO_PYTHON;
    }
    if (id > 0 || derives(exception, PyExc_BaseExceptionGroup)) {
        return LEFT_TO_PYTHON;
    }
    PyObject *frame = frame_of(code);
    if (frame == NULL) {
        return PyErr_Occurred() ? FAILED : LEFT_TO_PYTHON;
    }
    int result = forget_locals(events, code, frame) < 0 ? FAILED : DONE;
    Py_DECREF(frame);
    return result;
}

/* Handle that an exception goes on; 0 if Python has to. */
static int reraise(Events *events, PyObject *exception) {
    long long id;
    if (PyDict_Size(events->groups_handled)) {
        return LEFT_TO_PYTHON;
    }
    return find_id(events, exception, &id) < 0 ? FAILED : id > 0 ? LEFT_TO_PYTHON : DONE;
}

/* Handle that a generator goes on with an exception; 0 if Python has to. */
static int throw(Events *events, PyObject *code) {
    return find_function(events, code) != NULL ? LEFT_TO_PYTHON : PyErr_Occurred() ? FAILED : DONE;
}

/* Return whether a frame that is left would be counted as a gap at its end: that of a generator or coroutine would not. */
static int is_gap(Events *events, PyObject *code) {
    int found = has_address(events->gaps, code);
    if (found <= 0) {
        return found;
    }
    PyObject *flags = attribute_of_event(events, code, N_CO_FLAGS);
    long suspends = flags == NULL ? -1 : PyLong_AsLong(flags) & SUSPENDS;
    Py_XDECREF(flags);
    return PyErr_Occurred() ? -1 : !suspends;
}

/* Return whether an exception that leaves code which is not traced says nothing: the code is no gap, and is not observed. */
static int is_of_no_interest(Events *events, PyObject *code, PyObject *frame) {
    PyObject *name = attribute_of_event(events, code, N_CO_NAME);
    int found = name == NULL ? -1 : PyDict_Contains(events->observed, name);
    Py_XDECREF(name);
    if (found == 0) {
        found = is_gap(events, code);
    }
    if (found == 0) {
        found = has_address(events->awaited, code);
    }
    if (found == 0) {
        found = has_address(events->open_gaps, frame);
    }
    return found < 0 ? -1 : !found;
}

/* Return whether the exception ends a call that nobody needs any more: ExceptionLog.is_cancellation. */
static int is_cancellation(PyObject *exception) {
    static const char *const NAMES_OF_THEM[] = {"CancelledError", "GeneratorExit", "Cancelled", "GreenletExit"};
    PyObject *name = PyType_GetQualName(Py_TYPE(exception));
    int result = name == NULL ? -1 : 0;
    for (size_t at = 0; name != NULL && !result && at < sizeof(NAMES_OF_THEM) / sizeof(NAMES_OF_THEM[0]); at++) {
        result = PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, NAMES_OF_THEM[at]) == 0;
    }
    Py_XDECREF(name);
    return result;
}

/* Note that an exception has ended the thread's innermost call: CallLog.unwind. */
static int note_unwound(Events *events, PyObject *top, PyObject *frame, PyObject *exception) {
    if (PyDict_Size(events->unwound) == 0) {
        return 0;
    }
    PyObject *address = PyLong_FromVoidPtr(exception), *frame_id = PyLong_FromVoidPtr(frame);
    PyObject *calls = address == NULL || frame_id == NULL ? NULL : PyDict_GetItemWithError(events->unwound, address);
    int result = PyErr_Occurred() ? -1 : 0;
    if (calls != NULL && PyDict_CheckExact(calls)) {
        result = PyDict_SetItem(calls, frame_id, PyTuple_GetItem(top, 0));
    }
    Py_XDECREF(address);
    Py_XDECREF(frame_id);
    return result;
}

/* What the end of a call by an exception is to the tracer. */
enum Left { LEFT_FAILED = -1, LEFT_UNCLEAR, LEFT_OPEN, LEFT_COUNTED, LEFT_UNSEEN };

/* Say what the end of a call is: Python has to find out if it is LEFT_UNCLEAR. Changes nothing. `top` is the open call. */
static enum Left what_ends(Events *events, const Known *known, PyObject *frame, long long at_ns, PyObject **top) {
    *top = open_call(events, frame, 1);
    if (*top != NULL) {
        int plainly = ends_plainly(events, *top);
        return plainly < 0 ? LEFT_FAILED : plainly ? LEFT_OPEN : LEFT_UNCLEAR;
    }
    if (PyErr_Occurred()) {
        return LEFT_FAILED;
    }
    if (events->begun != NULL) {
        if (known->kind == COROUTINE) { /* the key of a counted one is another */
            return LEFT_UNCLEAR;
        }
        if (begins_find((Begins *)events->begun, frame)) {
            int counted = is_counted(events, known->code, frame, at_ns);
            return counted < 0 ? LEFT_FAILED : counted ? LEFT_COUNTED : LEFT_UNCLEAR;
        }
    }
    int unseen = is_not_open(events, frame);
    return unseen < 0 ? LEFT_FAILED : unseen ? LEFT_UNSEEN : LEFT_UNCLEAR;
}

/* Say what Python has to know of an exception that leaves the call of a traced function: nothing but the end of the call if
   the result is DONE. One that ends iterations and generators elsewhere is an exception where it leaves another function:
   it is counted then, if that is all. */
static int examine(Events *events, const Known *known, PyObject *frame, PyObject *back, PyObject *exception, long long *id) {
    int is_end = known->kind == PLAIN_FUNCTION && is_control_flow(exception);
    int cancels = find_id(events, exception, id) < 0 ? -1 : is_cancellation(exception);
    if (cancels || (*id == NOT_KNOWN && !is_end)) {
        return cancels < 0 ? FAILED : cancels ? LEFT_TO_PYTHON : DONE;
    }
    if (*id > 0 && (is_end || derives(exception, PyExc_AttributeError) || derives(exception, PyExc_IndexError))) {
        return LEFT_TO_PYTHON; /* a function written in C may take it */
    }
    PyObject *code = (PyObject *)PyFrame_GetCode((PyFrameObject *)back);
    int traced = code == NULL ? -1 : has_address(events->functions, code);
    Py_XDECREF(code);
    if (traced <= 0 || !is_end) {
        return traced < 0 ? FAILED : traced ? DONE : LEFT_TO_PYTHON;
    }
    if (*id != NOT_KNOWN) {
        int known_here = passes(events, known->code, exception, 1);
        return known_here < 0 ? FAILED : known_here ? DONE : LEFT_TO_PYTHON;
    }
    *id = 0;
    return count_raise(events, known->code, frame, exception);
}

/* End a call that an exception leaves. */
static int end_raised(Events *events, PyObject *top, PyObject *frame, PyObject *exception, long long at_ns, long long id) {
    PyObject *thread = Py_NewRef(events->thread); /* another thread may replace it meanwhile */
    Ending ending = {NULL, NULL, OUTCOME_RAISED, id > 0 ? id : 0};
    int failed = note_unwound(events, top, frame, exception) < 0 || end_call(events, thread, top, at_ns, &ending) < 0;
    Py_DECREF(thread);
    return failed ? FAILED : DONE;
}

/* Handle an exception that leaves a traced function; 0 if Python has to. */
static int unwind_traced(Events *events, const Known *known, PyObject *frame, PyObject *back, PyObject *exception) {
    if (known->is_special) {
        return LEFT_TO_PYTHON;
    }
    PyObject *off = known->kind == PLAIN_FUNCTION ? Py_NewRef(Py_False) : attribute_of_function(events, known->function, N_IS_OFF);
    Py_XDECREF(off);
    if (off != Py_False) { /* the resumes of a generator that is switched off are not observed */
        return off == NULL ? FAILED : LEFT_TO_PYTHON;
    }
    PyObject *code = known->code, *top = NULL;
    long long id, at_ns = now_ns();
    enum Left what = what_ends(events, known, frame, at_ns, &top);
    int result = what == LEFT_FAILED    ? FAILED
                 : what == LEFT_UNCLEAR ? LEFT_TO_PYTHON
                                        : examine(events, known, frame, back, exception, &id);
    if (result == DONE && what == LEFT_OPEN) {
        result = end_raised(events, top, frame, exception, at_ns, id);
    } else if (result == DONE && what == LEFT_COUNTED) {
        result = end_counted(events, code, frame, at_ns) < 0 ? FAILED : DONE;
    }
    if (result == DONE && forget_locals(events, code, frame) < 0) {
        result = FAILED;
    }
    Py_XDECREF(top);
    return result;
}

static int unwind_in(Events *events, PyObject *code, PyObject *frame, PyObject *exception) {
    PyObject *back = events->frames.back == NULL ? NULL : events->frames.back(frame);
    if (back == NULL) { /* the outermost frame, whose exception nobody takes */
        return PyErr_Occurred() ? FAILED : LEFT_TO_PYTHON;
    }
    Known *known = find_function(events, code);
    int result;
    if (known != NULL) {
        known->uses++; /* what is called below may find another function */
        result = unwind_traced(events, known, frame, back, exception);
        release_known(known);
    } else {
        result = PyErr_Occurred() ? FAILED : is_of_no_interest(events, code, frame);
    }
    Py_DECREF(back);
    return result < 0 ? FAILED : result;
}

/* Handle that an exception leaves a frame; 0 if Python has to. */
static int unwind(Events *events, PyObject *code, PyObject *exception) {
    PyObject *frame = frame_of(code);
    if (frame == NULL) {
        return PyErr_Occurred() ? FAILED : LEFT_TO_PYTHON;
    }
    int result = unwind_in(events, code, frame, exception);
    Py_DECREF(frame);
    return result;
}

/* Return what a callback returns: what the one in Python does, if the event is left to it. */
static PyObject *finish(Events *events, int result, PyObject *in_python, PyObject *const *arguments) {
    if (result == FAILED) {
        return handle_failure(events);
    }
    return result == LEFT_TO_PYTHON ? PyObject_CallFunctionObjArgs(in_python, arguments[0], arguments[1], arguments[2], NULL)
                                    : Py_NewRef(Py_None);
}

static int is_over(const Events *events, Py_ssize_t count) { return count != 3 || events->failed == NULL; }

/* The callback of RAISE. */
PyObject *events_raised(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    Events *events = (Events *)self;
    return is_over(events, count) ? Py_NewRef(Py_None)
                                  : finish(events, raise(events, arguments[0], arguments[2]), events->raise_in_python, arguments);
}

/* The callback of EXCEPTION_HANDLED. */
PyObject *events_handled(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    Events *events = (Events *)self;
    return is_over(events, count)
               ? Py_NewRef(Py_None)
               : finish(events, handle(events, arguments[0], arguments[2]), events->handled_in_python, arguments);
}

/* The callback of RERAISE. */
PyObject *events_reraised(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    Events *events = (Events *)self;
    return is_over(events, count) ? Py_NewRef(Py_None)
                                  : finish(events, reraise(events, arguments[2]), events->reraise_in_python, arguments);
}

/* The callback of PY_THROW. */
PyObject *events_thrown(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    Events *events = (Events *)self;
    return is_over(events, count) ? Py_NewRef(Py_None)
                                  : finish(events, throw(events, arguments[0]), events->throw_in_python, arguments);
}

/* The callback of PY_UNWIND. */
PyObject *events_unwound(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    Events *events = (Events *)self;
    return is_over(events, count)
               ? Py_NewRef(Py_None)
               : finish(events, unwind(events, arguments[0], arguments[2]), events->unwind_in_python, arguments);
}
