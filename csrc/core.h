/* The encoder of values in C: what its files share. docs/core.md says how it is held equal to the one in Python. */
#ifndef BREADCRUMB_CORE_H
#define BREADCRUMB_CORE_H

/* The stable ABI of 3.12. With the headers of 3.11 only what they have is used, and it works in 3.12 and newer too. */
#define Py_LIMITED_API 0x030C0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* What the loader compares with its own number: to be raised with every change of what the two say to each other. */
#define INTERFACE 1

/* The limits of values/walk.py and values/encoder.py; tests/tracer/test_core.py holds them equal. */
#define MEMO_MAX_CHARS 200
#define MIN_LEAF_CHARS 60
#define FIELD_CHARS 40
#define MAX_KEY_CHARS 200
#define REDACTION_MARGIN_CHARS 4096
#define WINDOW_STEP_CHARS 1024
#define MAX_SORTED_ITEMS 1000
#define MIN_CARD 1000000000000LL

/* Bits of the filter for the beginnings of learned secrets: with all that are remembered, one in ten is set. */
#define GRAM_CHARS 5
#define GRAM_BITS (1u << 17)

/* JSON text that grows, as UTF-8. */
typedef struct {
    char *data;
    Py_ssize_t size;
    Py_ssize_t capacity;
} Buffer;

int buffer_reserve(Buffer *buffer, Py_ssize_t more);
int buffer_put(Buffer *buffer, const char *data, Py_ssize_t size);
int buffer_put_chars(Buffer *buffer, const Py_UCS4 *text, Py_ssize_t size);
Py_ssize_t buffer_put_quoted(Buffer *buffer, const Py_UCS4 *text, Py_ssize_t size);
#define PUT(buffer, literal) buffer_put(buffer, literal, (Py_ssize_t)sizeof(literal) - 1)

/* A key whose JSON is known. It is found by its address, and kept alive so that the address stays its own. */
typedef struct {
    PyObject *key;
    PyObject *secret_name; /* NULL: its values are not redacted */
    char *text;            /* with the colon */
    Py_ssize_t size;
    Py_ssize_t chars;
    int part; /* part_of_pair */
} Key;

#define KEY_SLOTS 4096 /* a power of two; at three quarters all are forgotten */

/* How instances of a class are written. The class is not kept alive: `ref` tells whether it is still the same. */
typedef struct {
    Py_ssize_t uses; /* the table's, and of each value that is being written: the table may drop it meanwhile */
    PyTypeObject *type;
    PyObject *ref;
    PyObject *plan;
    PyObject *short_name; /* None: instances have no numbers */
    PyObject *slots;      /* a tuple of names */
    Buffer opening;       /* {"$type": "Name" */
    Py_ssize_t name_chars;
    int is_object; /* 0: its writer in Python is called */
    int reads_dict;
    int spares_dict; /* the plan in Python reads it, without making it */
    int asks_plan; /* the plan in Python lists the fields */
} Plan;

#define PLAN_SLOTS 2048 /* a power of two; at three quarters all are forgotten */

/* What is read and called in Python, by name. */
enum Name {
    N_GENERATION, N_ROOM, N_INSIDE, N_RENDER, N_KEY, N_QUOTED, N_IS_HIDDEN, N_REDACT_ITEMS, N_DICT, N_HINTS, N_INT_TEXT,
    N_NUMBER_OF, N_LIMIT, N_IS_SECRET_NAME, N_OUTLINE, N_SQLALCHEMY, N_FIELDS, N_OWN_FIELDS, N_ENCODE_IN_PYTHON, N_RESCUES, N_FORGET_OUTDATED,
    N_IS_SETTING_NAME, N_PART_OF_PAIR,
    NAME_COUNT
};

/* References that a value being written needs: the program may change its containers while Python is called. */
#define INLINE_ITEMS 32
typedef struct {
    PyObject **data;
    Py_ssize_t size;
    Py_ssize_t capacity;
    PyObject *first[INLINE_ITEMS];
} Items;

void items_init(Items *items);
int items_push(Items *items, PyObject *item); /* takes a new reference */
void items_free(Items *items);

/* The encoder: the type that the module exports. */
typedef struct {
    PyObject_HEAD
    PyObject *encoder; /* the one in Python */
    PyObject *redactor;
    PyObject *known_texts;
    PyObject *known_keys;
    PyObject *numbers; /* None, or an ObjectNumbers */
    PyObject *known_numbers; /* NULL without numbers, as the next */
    PyObject *number_counts;
    PyObject *walk_type;
    PyObject *names[NAME_COUNT];
    Py_ssize_t max_chars;
    Py_ssize_t max_items;
    Py_ssize_t max_depth;
    long long generation; /* of the redactor, for which the following holds */
    Key *keys;
    Py_ssize_t key_count;
    Plan **plans;
    Py_ssize_t plan_count;
    Buffer spare; /* of the last value, for the next one */
    unsigned char *grams; /* NULL: nothing is learned */
    char **fragments;     /* lower case, by their first letter */
    Py_ssize_t fragment_count;
    unsigned char fragment_starts[128];
    int fragments_match_all;
} Core;

/* One value being written. Others may be written by the same Core meanwhile: calls into Python switch threads. */
typedef struct {
    Core *core;
    Buffer out;
    Py_ssize_t room;
    PyObject **inside; /* borrowed: the containers and objects being written, outermost first */
    Py_ssize_t depth;
    Py_ssize_t inside_capacity;
    PyObject *walk; /* a Walk in Python, made when it is needed first */
    Py_UCS4 *scratch;
    Py_ssize_t scratch_capacity;
} Walk;

/* numbers.c */
int write_int(Walk *walk, PyObject *value, Py_ssize_t *chars);
int small_int(PyObject *value, long long *number);
int write_float(Walk *walk, PyObject *value, Py_ssize_t *chars);
Py_ssize_t format_integer(char *to, long long number);

/* texts.c */
int write_text(Walk *walk, PyObject *text, Py_ssize_t limit, Py_ssize_t *chars);
int put_python_text(Walk *walk, PyObject *text, Py_ssize_t *chars);
Py_UCS4 *chars_of(Walk *walk, PyObject *text, Py_ssize_t *size);

/* suspicion.c */
int is_suspicious(const Core *core, const Py_UCS4 *text, Py_ssize_t size);
int load_hints(Core *core);
void free_hints(Core *core);

/* keys.c */
int refresh(Core *core);
void forget_keys(Core *core);
enum { NAME_PART = 1, VALUE_PART = 2 };
int part_of_key(Walk *walk, PyObject *key);
int is_secret_key(Walk *walk, PyObject *text);
int write_key(Walk *walk, PyObject *key, PyObject **used, PyObject **secret_name, Py_ssize_t *chars, int *part);

/* plans.c */
Plan *find_plan(Core *core, PyTypeObject *type);
void release_plan(Plan *plan);
void forget_plans(Core *core);

/* objects.c */
int write_instance(Walk *walk, PyObject *value);
int write_without_fields(Walk *walk, PyObject *value);
int clear_if_unreadable(Core *core);

/* fallback.c */
PyObject *python_walk(Walk *walk);
int write_in_python(Walk *walk, PyObject *value);
PyObject *call_1(Core *core, PyObject *owner, enum Name name, PyObject *argument);
PyObject *call_2(Core *core, PyObject *owner, enum Name name, PyObject *one, PyObject *other);

/* walk.c */
int write_value(Walk *walk, PyObject *value);
int write_list(Walk *walk, const char *opening, Items *items, PyObject *owner, const char *type_name, Py_ssize_t size);
int write_entries(Walk *walk, Items *pairs, PyObject *owner, Py_ssize_t size);
int cannot_enter(const Walk *walk, PyObject *owner);
int write_leaf(Walk *walk, PyObject *text);
int is_inside(const Walk *walk, PyObject *owner);

#endif
