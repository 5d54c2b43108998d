/* The lines of one call, with the variables that each has changed: CallLines of events/lines.py.

   The variables are read one by one, without the dict of `f_locals`, and only those that the line before can have changed:
   LineEffects says which. */
#include "core.h"

#include <string.h>

/* Comparing the variables. */

/* What a variable was at the last comparison. */
enum { UNBOUND, SCALAR, OTHER };

/* What a variable is now, if it was looked at. */
typedef struct {
    Py_ssize_t at;
    int kind;
    PyObject *text; /* NULL: unbound */
} Found;

typedef struct {
    Found data[MAX_VARIABLES];
    Py_ssize_t size;
} Comparison;

static void forget_found(Comparison *now) {
    while (now->size) {
        Py_XDECREF(now->data[--now->size].text);
    }
}

static int is_scalar(PyObject *value) {
    return PyLong_CheckExact(value) || PyUnicode_CheckExact(value) || value == Py_None || PyFloat_CheckExact(value) ||
           PyBool_Check(value) || PyBytes_CheckExact(value);
}

/* Return whether a variable has the text of a small number or constant, without making that text. */
static int is_still(PyObject *known, PyObject *value) {
    char text[24];
    long long number;
    Py_ssize_t size;
    if (PyLong_CheckExact(value) && small_int(value, &number)) {
        size = format_integer(text, number);
    } else if (value == Py_None || value == Py_True) {
        memcpy(text, value == Py_None ? "null" : "true", size = 4);
    } else {
        return 0;
    }
    return PyBytes_Size(known) == size && memcmp(PyBytes_AsString(known), text, (size_t)size) == 0;
}

/* Return the value of a variable; NULL without an error if it is not bound. */
static PyObject *value_of(const Effects *effects, PyObject *frame, Py_ssize_t at) {
    PyObject *value = effects->get(frame, PyTuple_GetItem(effects->names, at));
    if (value == NULL && PyErr_ExceptionMatches(PyExc_NameError)) {
        PyErr_Clear(); /* raised by the interpreter's function, which runs no code of the program */
    }
    return value;
}

/* Read and encode a variable. */
static int look_at(CallLines *lines, PyObject *frame, Py_ssize_t at, Comparison *now) {
    Effects *effects = lines->effects;
    Core *core = effects->core;
    Variable *known = &lines->variables[at];
    PyObject *value = value_of(effects, frame, at), *text = NULL;
    if (value == NULL && PyErr_Occurred()) {
        return -1;
    }
    int kind = value == NULL ? UNBOUND : is_scalar(value) ? SCALAR : OTHER;
    int is_secret = has_bit(effects->secret, at);
    if (kind == known->kind && (kind == UNBOUND || (kind == SCALAR && !is_secret && is_still(known->text, value)))) {
        Py_XDECREF(value);
        return 0;
    }
    if (value != NULL) {
        text = is_secret ? call_2(core, core->encoder, N_ENCODE_NAMED, PyTuple_GetItem(effects->names, at), value)
                         : core_encode((PyObject *)core, value);
        Py_DECREF(value);
        if (text == NULL || !PyBytes_CheckExact(text)) {
            Py_XDECREF(text);
            return -1;
        }
    }
    now->data[now->size++] = (Found){at, kind, text};
    return 0;
}

/* Which variables are looked at: those that may be bound when a call begins; those that the last line can have changed;
   these and all that were bound; all. */
enum { AT_ENTRY, CHANGED_BY_THE_LINE, ALL_BOUND, ALL };

/* Return whether the line that has ended can have run code that is not its function's. */
static int may_have_run_code(const CallLines *lines, const Effect *effect) {
    if (effect->runs_code) {
        return 1;
    }
    for (int word = 0; word < VARIABLE_WORDS; word++) { /* operators and finalizers of what is no scalar run code, too */
        if ((effect->stored[word] | effect->used[word]) & lines->others[word]) {
            return 1;
        }
    }
    return 0;
}

/* Return which variables of one word are looked at, of all that are recorded. */
static uint64_t chosen_variables(const CallLines *lines, int scope, const Effect *effect, int with_others, int word) {
    const Effects *effects = lines->effects;
    switch (scope) {
    case AT_ENTRY:
        return ~effects->begin_unbound[word];
    case ALL:
        return ~(uint64_t)0;
    default:
        return effect->stored[word] | (with_others ? lines->others[word] | effects->shared[word] : 0) |
               (scope == ALL_BOUND ? lines->bound[word] : 0);
    }
}

/* Fill in which variables are looked at. */
static void choose_variables(const CallLines *lines, int scope, uint64_t *chosen) {
    const Effects *effects = lines->effects;
    Py_ssize_t position = lines->last_line - effects->first_line;
    const Effect *effect = position >= 0 && position < effects->line_count ? &effects->lines[position] : NULL;
    if (scope != AT_ENTRY && (effect == NULL || !effect->is_known)) {
        scope = ALL;
    }
    int with_others = scope == ALL_BOUND || (scope == CHANGED_BY_THE_LINE && may_have_run_code(lines, effect));
    for (int word = 0; word < VARIABLE_WORDS; word++) {
        chosen[word] = chosen_variables(lines, scope, effect, with_others, word) & ~effects->hidden[word];
    }
}

static int compare(CallLines *lines, PyObject *frame, int scope, Comparison *now) {
    uint64_t chosen[VARIABLE_WORDS];
    choose_variables(lines, scope, chosen);
    for (Py_ssize_t at = 0; at < lines->effects->count; at++) {
        if (has_bit(chosen, at) && look_at(lines, frame, at, now) < 0) {
            return -1;
        }
    }
    return 0;
}

static int put_variable(const Effects *effects, Buffer *out, Py_ssize_t begin, const Found *found) {
    PyObject *name = PyTuple_GetItem(effects->quoted, found->at);
    if ((out->size > begin && PUT(out, ", ") < 0) || buffer_put(out, PyBytes_AsString(name), PyBytes_Size(name)) < 0) {
        return -1;
    }
    return found->text == NULL ? PUT(out, "{\"$deleted\": true}")
                               : buffer_put(out, PyBytes_AsString(found->text), PyBytes_Size(found->text));
}

static int is_equal(PyObject *one, PyObject *other) {
    return PyBytes_Size(one) == PyBytes_Size(other) &&
           memcmp(PyBytes_AsString(one), PyBytes_AsString(other), (size_t)PyBytes_Size(one)) == 0;
}

/* Write the variables that have changed, then those that are gone. */
static int put_changes(const CallLines *lines, Buffer *out, const Comparison *now) {
    const Effects *effects = lines->effects;
    if (PUT(out, "{") < 0) {
        return -1;
    }
    Py_ssize_t begin = out->size;
    for (int gone = 0; gone < 2; gone++) {
        for (Py_ssize_t at = 0; at < now->size; at++) {
            const Found *found = &now->data[at];
            PyObject *known = lines->variables[found->at].text;
            int is_news = lines->is_first ? has_bit(effects->around, found->at) && found->text != NULL
                          : found->text == NULL ? known != NULL
                                                : known == NULL || !is_equal(known, found->text);
            if (is_news && (found->text == NULL) == gone && put_variable(effects, out, begin, found) < 0) {
                return -1;
            }
        }
    }
    return PUT(out, "}");
}

/* Make what was found the state that the next comparison begins with. */
static void keep(CallLines *lines, Comparison *now) {
    for (Py_ssize_t at = 0; at < now->size; at++) {
        Found *found = &now->data[at];
        Variable *variable = &lines->variables[found->at];
        uint64_t bit = (uint64_t)1 << (found->at % 64);
        PyObject *old = variable->text;
        lines->encoded += (found->text != NULL ? PyBytes_Size(found->text) : 0) - (old != NULL ? PyBytes_Size(old) : 0);
        variable->text = found->text;
        variable->kind = found->kind;
        lines->bound[found->at / 64] &= ~bit;
        lines->others[found->at / 64] &= ~bit;
        lines->bound[found->at / 64] |= found->kind != UNBOUND ? bit : 0;
        lines->others[found->at / 64] |= found->kind == OTHER ? bit : 0;
        found->text = NULL;
        Py_XDECREF(old); /* bytes: no code runs */
    }
    now->size = 0;
}

/* Write the variables that have changed since the last comparison, as CallLines._changes does. */
static int write_changes(CallLines *lines, PyObject *frame, int scope, Buffer *out) {
    Effects *effects = lines->effects;
    Core *core = effects->core;
    Comparison now;
    now.size = 0;
    if (core == NULL || core->encoder == NULL) {
        PyErr_SetString(PyExc_ReferenceError, "the encoder is gone");
        return -1;
    }
    if (refresh(core) < 0 || find_secret_names(effects) < 0) {
        goto failed;
    }
    if (lines->is_unsure || (!lines->is_first && lines->generation != core->generation)) {
        scope = ALL;
    }
    for (int round = 0; round < 2; round++) {
        long long generation = core->generation;
        if (compare(lines, frame, scope, &now) < 0 || refresh(core) < 0) {
            goto failed;
        }
        lines->generation = generation;
        if (generation == core->generation) {
            break;
        }
        if (round == 0) { /* a secret was learned, which earlier values may contain */
            forget_found(&now);
            scope = ALL;
            if (find_secret_names(effects) < 0) {
                goto failed;
            }
        }
    }
    if (put_changes(lines, out, &now) < 0) {
        goto failed;
    }
    keep(lines, &now);
    lines->is_first = lines->is_unsure = 0;
    return 0;
failed:
    forget_found(&now);
    lines->is_unsure = 1; /* what the line has changed is compared at the next one */
    return -1;
}

/* Writing the records. */

/* Hand a finished record over: to the list that keeps it, or to the thread. */
static int put_record(CallLines *lines, PyObject *thread, const Buffer *record) {
    if (lines->records == NULL) {
        return write_record(lines->effects->core, lines->write_record, thread, record);
    }
    PyObject *bytes = PyBytes_FromStringAndSize(record->data, record->size);
    int result = bytes == NULL ? -1 : PyList_Append(lines->records, bytes);
    Py_XDECREF(bytes);
    return result;
}

static int put_number_field(Buffer *out, const char *before, long long number) {
    if (buffer_put(out, before, (Py_ssize_t)strlen(before)) < 0 || buffer_reserve(out, 24) < 0) {
        return -1;
    }
    out->size += format_integer(out->data + out->size, number);
    return 0;
}

/* Write the beginning of a record, up to the changes. */
static int begin_record(Buffer *out, long long call, long long at_ns) {
    return put_number_field(out, "L\t", call) < 0 || put_number_field(out, "\t", at_ns) < 0 ? -1 : PUT(out, "\t");
}

/* Write the end of a record; `line` is 0 at the end of the call. */
static int end_record(Buffer *out, long line, Py_ssize_t position) {
    if (line ? put_number_field(out, "\t", line) < 0 : PUT(out, "\t") < 0) {
        return -1;
    }
    return put_number_field(out, "\t", position) < 0 ? -1 : PUT(out, "\n");
}

static int put_line(CallLines *lines, PyObject *thread, PyObject *frame, int scope, long long call, long long at_ns,
                    long line, Py_ssize_t position) {
    Buffer record = take_spare(&lines->effects->spare);
    int result = begin_record(&record, call, at_ns) < 0 || write_changes(lines, frame, scope, &record) < 0 ||
                         end_record(&record, line, position) < 0 || put_record(lines, thread, &record) < 0
                     ? -1
                     : 0;
    give_spare(&lines->effects->spare, &record);
    return result;
}

/* Write a line whose changes are not known. */
static int put_line_alone(CallLines *lines, PyObject *thread, long long call, const LastLine *last) {
    Buffer record = take_spare(&lines->effects->spare);
    int result = begin_record(&record, call, last->at_ns) < 0 || end_record(&record, last->line, last->position) < 0 ||
                         put_record(lines, thread, &record) < 0
                     ? -1
                     : 0;
    give_spare(&lines->effects->spare, &record);
    return result;
}

/* Keep a line for the end of the call; its changes are not looked for. */
static int keep_last(CallLines *lines, Py_ssize_t position, long long at_ns, long line) {
    lines->is_unsure = 1;
    if (lines->last == NULL && (lines->last = PyMem_Calloc(LAST_LINES, sizeof(LastLine))) == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    lines->last[position % LAST_LINES] = (LastLine){position, at_ns, line};
    return 0;
}

static int notice_left_out(CallLines *lines) {
    PyObject *done = call_1(lines->effects->core, lines->log, N_MANY_LINES, lines->function);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* Return whether a line is one of the few that are written of a long call; keep it if not. -1 for an error. */
static int is_sample(CallLines *lines, Py_ssize_t position, long long at_ns, long line) {
    if (position == MAX_LINES_PER_CALL && notice_left_out(lines) < 0) {
        return -1;
    }
    if (position < lines->next_sample) {
        return keep_last(lines, position, at_ns, line);
    }
    lines->next_sample = 2 * position;
    return 1;
}

/* Record that a line starts: CallLines.starts. `top` is the thread's innermost call. */
int line_starts(CallLines *lines, PyObject *thread, PyObject *top, PyObject *frame, long line) {
    long long at_ns = now_ns(), call = PyLong_AsLongLong(PyTuple_GetItem(top, 0));
    Py_ssize_t position = lines->count++;
    int result = call == -1 && PyErr_Occurred() ? -1 : 1;
    if (result > 0 && position >= MAX_LINES_PER_CALL) {
        result = is_sample(lines, position, at_ns, line);
    }
    if (lines->is_first && line != lines->effects->entry_line) {
        lines->is_unsure = 1; /* which lines ran before is not known */
    }
    if (result > 0) {
        int scope = lines->is_first ? AT_ENTRY : CHANGED_BY_THE_LINE;
        result = put_line(lines, thread, frame, scope, call, at_ns, line, position);
    }
    if (result < 0) {
        lines->is_unsure = 1; /* what the last line has changed is looked for at the next one */
    }
    lines->last_line = line;
    return result < 0 ? -1 : 0;
}

static PyObject *lines_starts(PyObject *self, PyObject *arguments) {
    CallLines *lines = (CallLines *)self;
    PyObject *thread, *frame;
    long line;
    if (!PyArg_ParseTuple(arguments, "OOl", &thread, &frame, &line)) {
        return NULL;
    }
    PyObject *top = read_attribute(lines->effects->core, THREAD, thread, N_TOP);
    int result = top == NULL || !PyTuple_Check(top) ? -1 : line_starts(lines, thread, top, frame, line);
    Py_XDECREF(top);
    return result < 0 ? NULL : Py_NewRef(Py_None);
}

/* Write the kept lines, in the order of their positions. */
static int put_last_lines(CallLines *lines, PyObject *thread, long long call) {
    for (Py_ssize_t position = 0, before = -1; lines->last != NULL; before = position) {
        const LastLine *next = NULL;
        for (Py_ssize_t at = 0; at < LAST_LINES; at++) {
            const LastLine *each = &lines->last[at];
            if (each->line && each->position > before && (next == NULL || each->position < next->position)) {
                next = each;
            }
        }
        if (next == NULL) {
            break;
        }
        position = next->position;
        if (put_line_alone(lines, thread, call, next) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Write the last lines of a call, and the changes of the very last: CallLines.ends. */
static PyObject *lines_ends(PyObject *self, PyObject *arguments) {
    CallLines *lines = (CallLines *)self;
    PyObject *thread, *frame;
    long long call, at_ns;
    if (!PyArg_ParseTuple(arguments, "OLOL", &thread, &call, &frame, &at_ns) ||
        put_last_lines(lines, thread, call) < 0 ||
        put_line(lines, thread, frame, lines->is_first ? ALL : ALL_BOUND, call, at_ns, 0, lines->count) < 0) {
        return NULL;
    }
    return Py_NewRef(Py_None);
}

static PyObject *lines_encoded_bytes(PyObject *self, PyObject *Py_UNUSED(nothing)) {
    return PyLong_FromSsize_t(((CallLines *)self)->encoded);
}

static PyObject *get_records(PyObject *self, void *Py_UNUSED(closure)) {
    PyObject *records = ((CallLines *)self)->records;
    return Py_NewRef(records == NULL ? Py_None : records);
}

static int set_records(PyObject *self, PyObject *records, void *Py_UNUSED(closure)) {
    CallLines *lines = (CallLines *)self;
    if (records == NULL || !PyList_CheckExact(records)) {
        PyErr_SetString(PyExc_TypeError, "records are kept in a list");
        return -1;
    }
    PyObject *old = lines->records;
    lines->records = Py_NewRef(records);
    Py_XDECREF(old);
    return 0;
}

static PyObject *lines_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    PyObject *log, *function, *effects, *in_python;
    if (keywords != NULL || !PyArg_ParseTuple(arguments, "OOOO", &log, &function, &effects, &in_python)) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    CallLines *lines = (CallLines *)allocate(type, 0); /* all zero */
    if (lines == NULL) {
        return NULL;
    }
    lines->log = Py_NewRef(log);
    lines->function = Py_NewRef(function);
    lines->effects = (Effects *)Py_NewRef(effects);
    lines->write_record = Py_NewRef(in_python);
    lines->next_sample = 2 * MAX_LINES_PER_CALL;
    lines->is_first = 1;
    memcpy(lines->others, lines->effects->hidden, sizeof(lines->others));
    lines->variables = PyMem_Calloc((size_t)lines->effects->count + 1, sizeof(Variable));
    if (lines->variables == NULL) {
        PyErr_NoMemory();
        Py_DECREF(lines);
        return NULL;
    }
    return (PyObject *)lines;
}

static int lines_traverse(PyObject *self, visitproc visit, void *arg) {
    CallLines *lines = (CallLines *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(lines->log);
    Py_VISIT(lines->function);
    Py_VISIT((PyObject *)lines->effects);
    Py_VISIT(lines->write_record);
    Py_VISIT(lines->records);
    return 0;
}

static int lines_clear(PyObject *self) {
    CallLines *lines = (CallLines *)self;
    Py_CLEAR(lines->log);
    Py_CLEAR(lines->function);
    Py_CLEAR(lines->write_record);
    Py_CLEAR(lines->records);
    return 0;
}

static void lines_dealloc(PyObject *self) {
    CallLines *lines = (CallLines *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    lines_clear(self);
    for (Py_ssize_t at = 0; lines->variables != NULL && at < lines->effects->count; at++) {
        Py_XDECREF(lines->variables[at].text);
    }
    PyMem_Free(lines->variables);
    PyMem_Free(lines->last);
    Py_XDECREF((PyObject *)lines->effects);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyMethodDef lines_methods[] = {
    {"starts", lines_starts, METH_VARARGS, "Record that a line starts."},
    {"ends", lines_ends, METH_VARARGS, "Write the last lines of a call that has ended."},
    {"encoded_bytes", lines_encoded_bytes, METH_NOARGS, "Return the size of the variables as text."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef lines_attributes[] = {
    {"_records", get_records, set_records, "The list that keeps the records; None: they are written.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot lines_slots[] = {
    {Py_tp_doc, "The lines of one call."},
    {Py_tp_new, lines_new},
    {Py_tp_traverse, lines_traverse},
    {Py_tp_clear, lines_clear},
    {Py_tp_dealloc, lines_dealloc},
    {Py_tp_methods, lines_methods},
    {Py_tp_getset, lines_attributes},
    {0, NULL},
};

PyType_Spec lines_spec = {
    "breadcrumb.core.CallLines", sizeof(CallLines), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE, lines_slots,
};
