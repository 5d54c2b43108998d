/* What is known of classes: TypePlan of values/type_plan.py in short. */
#include "core.h"

#include <stdint.h>

#define PLAN_MASK (PLAN_SLOTS - 1)

static Plan **slot_of_plan(Core *core, PyTypeObject *type) {
    uintptr_t at = (uintptr_t)type >> 4;
    for (at ^= at >> 11;; at++) {
        Plan **slot = &core->plans[at & PLAN_MASK];
        if (*slot == NULL || (*slot)->type == type) {
            return slot;
        }
    }
}

void release_plan(Plan *plan) {
    if (--plan->uses > 0) {
        return;
    }
    Py_XDECREF(plan->ref);
    Py_XDECREF(plan->plan);
    Py_XDECREF(plan->short_name);
    Py_XDECREF(plan->slots);
    Py_XDECREF(plan->said);
    PyMem_Free(plan->opening.data);
    PyMem_Free(plan);
}

void forget_plans(Core *core) {
    for (Py_ssize_t at = 0; core->plan_count && at < PLAN_SLOTS; at++) {
        Plan *old = core->plans[at];
        core->plans[at] = NULL;
        if (old != NULL) {
            release_plan(old);
        }
    }
    core->plan_count = 0;
}

static int is_of(Plan *plan, PyTypeObject *type) {
    PyObject *alive = PyWeakref_GetObject(plan->ref);
    return alive == NULL ? -1 : alive == (PyObject *)type;
}

static int write_opening(Plan *plan, PyObject *name) {
    plan->name_chars = PyUnicode_GetLength(name);
    Py_UCS4 *text = PyUnicode_AsUCS4Copy(name);
    int failed = text == NULL || PUT(&plan->opening, "{\"$type\": \"") < 0 ||
                 buffer_put_quoted(&plan->opening, text, plan->name_chars) < 0 || PUT(&plan->opening, "\"") < 0;
    PyMem_Free(text);
    return failed ? -1 : 0;
}

/* Make a plan of what Encoder.outline returns. */
static Plan *new_plan(Core *core, PyTypeObject *type) {
    PyObject *outline = call_1(core, core->encoder, N_OUTLINE, (PyObject *)type);
    if (outline == NULL) {
        return NULL;
    }
    Plan *plan = PyMem_Calloc(1, sizeof(Plan));
    PyObject *name;
    if (plan == NULL) {
        Py_DECREF(outline);
        PyErr_NoMemory();
        return NULL;
    }
    plan->uses = 1;
    plan->type = type;
    int failed = !PyArg_ParseTuple(outline, "OOUOO!ppppO", &plan->plan, &plan->ref, &name, &plan->short_name, &PyTuple_Type,
                                   &plan->slots, &plan->is_object, &plan->reads_dict, &plan->spares_dict, &plan->asks_plan,
                                   &plan->said);
    if (failed) {
        plan->plan = plan->ref = plan->short_name = plan->slots = plan->said = NULL;
    } else {
        plan->said = plan->said == Py_None ? NULL : Py_NewRef(plan->said);
        Py_INCREF(plan->plan);
        Py_INCREF(plan->ref);
        Py_INCREF(plan->short_name);
        Py_INCREF(plan->slots);
        failed = write_opening(plan, name) < 0;
    }
    Py_DECREF(outline);
    if (failed) {
        release_plan(plan);
        return NULL;
    }
    return plan;
}

/* Return the plan of a class, to be released. */
Plan *find_plan(Core *core, PyTypeObject *type) {
    Plan *plan = *slot_of_plan(core, type);
    if (plan != NULL) {
        plan->uses++;
        int is_same = is_of(plan, type);
        if (is_same > 0) {
            return plan;
        }
        release_plan(plan);
        if (is_same < 0) {
            return NULL;
        }
    }
    plan = new_plan(core, type);
    if (plan == NULL) {
        return NULL;
    }
    if (core->plan_count >= PLAN_SLOTS / 4 * 3) {
        forget_plans(core);
    }
    Plan **slot = slot_of_plan(core, type), *old = *slot;
    plan->uses++;
    *slot = plan;
    if (old != NULL) {
        release_plan(old);
    } else {
        core->plan_count++;
    }
    return plan;
}
