/* What each line of a function can change, with its variables: the type LineEffects. */
#include "core.h"

#include <dlfcn.h>
#include <string.h>

FrameFunctions find_frame_functions(void) {
    FrameFunctions found;
    *(void **)&found.variable = dlsym(RTLD_DEFAULT, "PyFrame_GetVar");
    *(void **)&found.back = dlsym(RTLD_DEFAULT, "PyFrame_GetBack");
    *(void **)&found.instruction = dlsym(RTLD_DEFAULT, "PyFrame_GetLasti");
    return found;
}

static int read_bits(PyObject *number, uint64_t *bits) {
    for (int word = 0; word < VARIABLE_WORDS; word++) {
        PyObject *shift = PyLong_FromLong(64 * word), *shifted = shift == NULL ? NULL : PyNumber_Rshift(number, shift);
        Py_XDECREF(shift);
        if (shifted == NULL) {
            return -1;
        }
        bits[word] = PyLong_AsUnsignedLongLongMask(shifted);
        Py_DECREF(shifted);
    }
    return PyErr_Occurred() ? -1 : 0;
}

static PyObject *effects_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    PyObject *encoder, *code, *names, *quoted, *shared, *around, *begin_unbound, *hidden, *instructions;
    if (keywords != NULL ||
        !PyArg_ParseTuple(arguments, "OOO!O!O!O!O!O!O!", &encoder, &code, &PyTuple_Type, &names, &PyTuple_Type, &quoted,
                          &PyLong_Type, &shared, &PyLong_Type, &around, &PyLong_Type, &begin_unbound, &PyLong_Type,
                          &hidden, &PyTuple_Type, &instructions)) {
        return NULL;
    }
    Py_ssize_t count = PyTuple_Size(names);
    if (count >= MAX_VARIABLES || PyTuple_Size(quoted) != count) {
        PyErr_SetString(PyExc_ValueError, "too many variables");
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Effects *effects = (Effects *)allocate(type, 0); /* all zero */
    if (effects == NULL) {
        return NULL;
    }
    effects->core = (Core *)Py_NewRef(encoder);
    effects->names = Py_NewRef(names);
    effects->quoted = Py_NewRef(quoted);
    effects->count = count;
    effects->generation = -1;
    effects->get = find_frame_functions().variable;
    if (effects->get == NULL) {
        PyErr_SetString(PyExc_NotImplementedError, "this Python has no PyFrame_GetVar");
        Py_DECREF(effects);
        return NULL;
    }
    if (read_bits(shared, effects->shared) < 0 || read_bits(around, effects->around) < 0 ||
        read_bits(begin_unbound, effects->begin_unbound) < 0 || read_bits(hidden, effects->hidden) < 0 || read_effects(effects, code, instructions) < 0) {
        Py_DECREF(effects);
        return NULL;
    }
    return (PyObject *)effects;
}

static int effects_traverse(PyObject *self, visitproc visit, void *arg) {
    Effects *effects = (Effects *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)effects->core);
    Py_VISIT(effects->names);
    Py_VISIT(effects->quoted);
    return 0;
}

static void effects_dealloc(PyObject *self) {
    Effects *effects = (Effects *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_CLEAR(effects->core);
    Py_CLEAR(effects->names);
    Py_CLEAR(effects->quoted);
    PyMem_Free(effects->lines);
    PyMem_Free(effects->spare.data);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyType_Slot effects_slots[] = {
    {Py_tp_doc, "Which variables of a function each of its lines can change."},
    {Py_tp_new, effects_new},
    {Py_tp_traverse, effects_traverse},
    {Py_tp_dealloc, effects_dealloc},
    {0, NULL},
};

PyType_Spec effects_spec = {
    "breadcrumb.core.LineEffects", sizeof(Effects), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, effects_slots,
};

/* Decide again which variables have secret names, after the redactor has learned something. */
int find_secret_names(Effects *effects) {
    Core *core = effects->core;
    if (effects->generation == core->generation) {
        return 0;
    }
    uint64_t secret[VARIABLE_WORDS] = {0};
    long long generation = core->generation;
    for (Py_ssize_t at = 0; at < effects->count; at++) {
        PyObject *answer = call_1(core, core->redactor, N_IS_SECRET_NAME, PyTuple_GetItem(effects->names, at));
        if (answer == NULL) {
            return -1;
        }
        secret[at / 64] |= (uint64_t)(answer == Py_True) << (at % 64);
        Py_DECREF(answer);
    }
    memcpy(effects->secret, secret, sizeof(secret));
    effects->generation = generation;
    return 0;
}
