/* The module with the one type that it exports, and the entry of each value. */
#include "core.h"

#include <string.h>

#ifndef SOURCE_DIGEST
#define SOURCE_DIGEST ""
#endif

const char *const NAMES[NAME_COUNT] = {
    "generation", "room", "_inside", "render", "key", "quoted", "is_hidden", "redact_items", "__dict__", "hints", "int_text",
    "of", "limit", "is_secret_name", "outline", "_sa_instance_state", "fields", "own_fields", "encode_in_python", "rescues", "forget_outdated",
    "is_setting_name", "part_of_pair",
    "encode_named", "many_lines", "write", "top", "state", "lines", "notes_lines", "starts",
    "counter", "slot", "functions", "next_timed", "next_look", "fresh_at_ns", "slow_ns", "keeps_state", "setting", "encode", "names", "record", "call_sites",
    "task", "f_lasti", "f_back",
    "kind", "is_observed", "is_off", "encode_result", "next_choice", "timed", "exception_ids", "name", "count", "forks_under_way", "co_name", "co_code", "co_flags", "f_locals", "tb_frame", "tb_lasti", "tb_next",
    "yields", "outer_task", "since_ns", "suspended_ns", "in_task", "counts_all", "_count", "_encode",
};

/* Begin to write a value to the end of a buffer, which the walk has until it ends. */
static void walk_begin(Walk *walk, Core *core, Buffer *out) {
    walk->core = core;
    walk->out = *out;
    walk->room = core->max_chars;
    walk->inside = walk->first_inside;
    walk->depth = 0;
    walk->inside_capacity = FIRST_INSIDE;
    walk->walk = NULL;
    walk->scratch = walk->first_scratch;
    walk->scratch_capacity = FIRST_SCRATCH;
}

static void walk_end(Walk *walk, Buffer *out) {
    *out = walk->out;
    if (walk->inside != walk->first_inside) {
        PyMem_Free(walk->inside);
    }
    if (walk->scratch != walk->first_scratch) {
        PyMem_Free(walk->scratch);
    }
    Py_XDECREF(walk->walk);
}

/* Have Python write a value that could not be read here, unless the program has raised the error. */
static int put_rescued(Core *core, PyObject *value, Buffer *out) {
    return clear_if_unreadable(core) ? put_bytes(out, call_1(core, core->encoder, N_ENCODE_IN_PYTHON, value)) : -1;
}

static int put_container(Core *core, PyObject *value, Buffer *out) {
    long long generation = core->generation;
    Py_ssize_t begin = out->size;
    for (int round = 0; round < 2; round++) {
        Walk walk;
        walk_begin(&walk, core, out);
        int failed = write_value(&walk, value) < 0 || refresh(core) < 0;
        walk_end(&walk, out);
        if (failed) {
            out->size = begin;
            return put_rescued(core, value, out);
        }
        /* A secret learned from the value may occur in it before its name too. */
        if (generation == core->generation) {
            break;
        }
        out->size = round == 0 ? begin : out->size;
    }
    return 0;
}

static int put_text(Core *core, PyObject *value, Buffer *out) {
    Walk walk;
    Py_ssize_t chars;
    walk_begin(&walk, core, out);
    int result = write_text(&walk, value, core->max_chars, &chars);
    walk_end(&walk, out);
    return result;
}

static int put_number(Core *core, PyObject *value, Buffer *out) {
    Walk walk;
    Py_ssize_t chars;
    walk_begin(&walk, core, out);
    int result = PyLong_CheckExact(value) ? write_int(&walk, value, &chars) : write_float(&walk, value, &chars);
    walk_end(&walk, out);
    return result;
}

/* Return whether the collector has taken the encoder apart, with an error. */
static int is_gone(const Core *core) {
    if (core->encoder == NULL) {
        PyErr_SetString(PyExc_ReferenceError, "the encoder is gone");
    }
    return core->encoder == NULL;
}

/* Write a value to the end of a buffer: Encoder.encode of values/encoder.py. */
int put_value(Core *core, PyObject *value, Buffer *out) {
    if (is_gone(core)) {
        return -1;
    }
    if (PyLong_CheckExact(value)) {
        long long number;
        return small_int(value, &number) ? put_integer(out, number) : put_number(core, value, out);
    }
    if (value == Py_None) {
        return PUT(out, "null");
    }
    if (PyBool_Check(value)) {
        return value == Py_True ? PUT(out, "true") : PUT(out, "false");
    }
    if (PyFloat_CheckExact(value)) {
        return put_number(core, value, out);
    }
    if (refresh(core) < 0) {
        return -1;
    }
    return PyUnicode_CheckExact(value) ? put_text(core, value, out) : put_container(core, value, out);
}

/* Write an object by its class and number alone: Encoder.encode_fields_hidden of values/encoder.py. */
int put_without_fields(Core *core, PyObject *value, Buffer *out) {
    if (is_gone(core)) {
        return -1;
    }
    Walk walk;
    walk_begin(&walk, core, out);
    int result = write_without_fields(&walk, value);
    walk_end(&walk, out);
    return result;
}

/* Return what one of the two writes as bytes. */
static PyObject *bytes_by(int (*put)(Core *, PyObject *, Buffer *), PyObject *self, PyObject *value) {
    Core *core = (Core *)self;
    Buffer out = take_spare(&core->spare);
    PyObject *result = put(core, value, &out) < 0 ? NULL : PyBytes_FromStringAndSize(out.data, out.size);
    give_spare(&core->spare, &out);
    return result;
}

PyObject *core_encode(PyObject *self, PyObject *value) { return bytes_by(put_value, self, value); }

PyObject *core_encode_fields_hidden(PyObject *self, PyObject *value) { return bytes_by(put_without_fields, self, value); }

/* Read an attribute by an interned name: the interpreter's cache of attributes keeps other ones alive. */
static PyObject *attribute_of(PyObject *owner, const char *name) {
    PyObject *interned = PyUnicode_InternFromString(name);
    PyObject *found = interned == NULL ? NULL : PyObject_GetAttr(owner, interned);
    Py_XDECREF(interned);
    return found;
}

static int read_limit(PyObject *encoder, const char *name, Py_ssize_t *limit) {
    PyObject *number = attribute_of(encoder, name);
    *limit = number == NULL ? -1 : PyLong_AsSsize_t(number);
    Py_XDECREF(number);
    return PyErr_Occurred() ? -1 : 0;
}

static int read_encoder(Core *core) {
    PyObject *encoder = core->encoder;
    for (int name = 0; name < NAME_COUNT; name++) {
        if ((core->names[name] = PyUnicode_InternFromString(NAMES[name])) == NULL) {
            return -1;
        }
    }
    if ((core->known_texts = attribute_of(encoder, "known_texts")) == NULL ||
        (core->known_keys = attribute_of(encoder, "known_keys")) == NULL ||
        (core->redactor = attribute_of(encoder, "_redactor")) == NULL ||
        (core->numbers = attribute_of(encoder, "numbers")) == NULL) {
        return -1;
    }
    if (core->numbers != Py_None && ((core->known_numbers = attribute_of(core->numbers, "known")) == NULL ||
                                     (core->number_counts = attribute_of(core->numbers, "counts")) == NULL)) {
        return -1;
    }
    if (!PyDict_CheckExact(core->known_texts) || !PyDict_CheckExact(core->known_keys) ||
        (core->known_numbers != NULL &&
         (!PyDict_CheckExact(core->known_numbers) || !PyDict_CheckExact(core->number_counts)))) {
        PyErr_SetString(PyExc_TypeError, "the tables of an encoder are dicts");
        return -1;
    }
    core->keys = PyMem_Calloc(KEY_SLOTS, sizeof(Key));
    core->plans = PyMem_Calloc(PLAN_SLOTS, sizeof(Plan *));
    core->object_numbers = PyMem_Calloc(NUMBER_SLOTS, sizeof(ObjectNumber));
    if (core->keys == NULL || core->plans == NULL || core->object_numbers == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    core->generation = -1;
    return read_limit(encoder, "max_chars", &core->max_chars) < 0 || read_limit(encoder, "max_items", &core->max_items) < 0 ||
                   read_limit(encoder, "max_depth", &core->max_depth) < 0
               ? -1
               : refresh(core);
}

static PyObject *core_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    PyObject *encoder, *walk_type;
    if (keywords != NULL || !PyArg_ParseTuple(arguments, "OO", &encoder, &walk_type)) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Core *core = (Core *)allocate(type, 0); /* all zero */
    if (core == NULL) {
        return NULL;
    }
    core->encoder = Py_NewRef(encoder);
    core->walk_type = Py_NewRef(walk_type);
    if (read_encoder(core) < 0) {
        Py_DECREF(core);
        return NULL;
    }
    return (PyObject *)core;
}

static int core_traverse(PyObject *self, visitproc visit, void *arg) {
    Core *core = (Core *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(core->encoder);
    Py_VISIT(core->redactor);
    Py_VISIT(core->known_texts);
    Py_VISIT(core->known_keys);
    Py_VISIT(core->numbers);
    Py_VISIT(core->known_numbers);
    Py_VISIT(core->number_counts);
    Py_VISIT(core->walk_type);
    for (Py_ssize_t at = 0; core->plans != NULL && at < PLAN_SLOTS; at++) {
        if (core->plans[at] != NULL && core->plans[at]->uses == 1) {
            Py_VISIT(core->plans[at]->plan);
        }
    }
    return visit_slots(core, visit, arg);
}

static int core_clear(PyObject *self) {
    Core *core = (Core *)self;
    if (core->keys != NULL) {
        forget_keys(core);
    }
    if (core->plans != NULL) {
        forget_plans(core);
    }
    if (core->object_numbers != NULL) {
        forget_object_numbers(core);
    }
    Py_CLEAR(core->generation_number);
    forget_slots(core);
    Py_CLEAR(core->encoder);
    Py_CLEAR(core->redactor);
    Py_CLEAR(core->known_texts);
    Py_CLEAR(core->known_keys);
    Py_CLEAR(core->numbers);
    Py_CLEAR(core->known_numbers);
    Py_CLEAR(core->number_counts);
    Py_CLEAR(core->walk_type);
    return 0;
}

static void core_dealloc(PyObject *self) {
    Core *core = (Core *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    core_clear(self);
    for (int name = 0; name < NAME_COUNT; name++) {
        Py_XDECREF(core->names[name]);
    }
    free_hints(core);
    PyMem_Free(core->keys);
    PyMem_Free(core->plans);
    PyMem_Free(core->object_numbers);
    PyMem_Free(core->spare.data);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

/* Return whether Python searches a text for secrets: for the fuzz, which asks what would be found in the other ones. */
static PyObject *core_is_suspicious(PyObject *self, PyObject *text) {
    Core *core = (Core *)self;
    Py_ssize_t size;
    if (is_gone(core) || refresh(core) < 0) {
        return NULL;
    }
    Walk walk;
    Buffer out = {NULL, 0, 0};
    walk_begin(&walk, core, &out);
    Py_UCS4 *found = chars_of(&walk, text, &size);
    PyObject *result = found == NULL ? NULL : PyBool_FromLong(is_suspicious(core, found, size));
    walk_end(&walk, &out);
    return result;
}

static PyMethodDef methods[] = {
    {"encode", core_encode, METH_O, "Return a value's JSON text, one line of UTF-8."},
    {"encode_fields_hidden", core_encode_fields_hidden, METH_O, "Encode an object by its type and number alone."},
    {"is_suspicious", core_is_suspicious, METH_O, "Return whether Python searches a text for secrets."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "An encoder of values in C, for an Encoder in Python, whose limits and tables it uses."},
    {Py_tp_new, core_new},
    {Py_tp_traverse, core_traverse},
    {Py_tp_clear, core_clear},
    {Py_tp_dealloc, core_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {"breadcrumb.core.ValueEncoder", sizeof(Core), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};

static int add_type(PyObject *module, const char *name, PyType_Spec *its) {
    PyObject *type = PyType_FromSpec(its);
    int result = type == NULL ? -1 : PyModule_AddObjectRef(module, name, type);
    Py_XDECREF(type);
    return result;
}

static int module_exec(PyObject *module) {
    return add_type(module, "ValueEncoder", &spec) < 0 || add_type(module, "LineEffects", &effects_spec) < 0 ||
                   add_type(module, "CallLines", &lines_spec) < 0 || add_type(module, "Events", &events_spec) < 0 ||
                   add_type(module, "Segment", &segment_spec) < 0 || add_type(module, "Begins", &begins_spec) < 0 ||
                   PyModule_AddIntConstant(module, "INTERFACE", INTERFACE) < 0 ||
                   PyModule_AddStringConstant(module, "SOURCE_DIGEST", SOURCE_DIGEST) < 0
               ? -1
               : 0;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, (void *)module_exec},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "breadcrumb.core._values", NULL, 0, NULL, module_slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__values(void) { return PyModuleDef_Init(&definition); }
