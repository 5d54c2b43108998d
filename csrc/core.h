/* The encoder of values in C: what its files share. docs/core.md says how it is held equal to the one in Python. */
#ifndef BREADCRUMB_CORE_H
#define BREADCRUMB_CORE_H

/* The stable ABI of 3.11, which has all that is used here, and works in 3.12 and newer too. In that of 3.12, each reference that
   is taken or dropped is a call. */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What the loader compares with its own number: to be raised with every change of what the two say to each other. */
#define INTERFACE 5

/* The limits of values/walk.py and values/encoder.py; tests/tracer/test_core.py holds them equal. */
#define MEMO_MAX_CHARS 200
#define MIN_LEAF_CHARS 60
#define FIELD_CHARS 40
#define MAX_KEY_CHARS 200
#define REDACTION_MARGIN_CHARS 4096
#define WINDOW_STEP_CHARS 1024
#define MAX_SORTED_ITEMS 1000
#define MIN_CARD 1000000000000LL
#define MIN_CREDENTIAL_CHARS 12 /* of redaction/secret_names.py */

/* Bits of the filter for the beginnings of learned secrets: with all that are remembered, one in ten is set. */
#define GRAM_CHARS 5
#define GRAM_BITS (1u << 17)

/* JSON text that grows, as UTF-8. */
typedef struct {
    char *data;
    Py_ssize_t size;
    Py_ssize_t capacity;
} Buffer;

int buffer_grow(Buffer *buffer, Py_ssize_t more);

/* A buffer that has grown beyond this is not kept for the next text. */
#define MOST_SPARE_BYTES (64 * 1024)

/* Take the memory of the last text for the next one; a text that is made meanwhile has its own. */
static inline Buffer take_spare(Buffer *spare) {
    Buffer taken = {spare->data, 0, spare->capacity};
    *spare = (Buffer){NULL, 0, 0};
    return taken;
}

static inline void give_spare(Buffer *spare, const Buffer *used) {
    if (spare->data == NULL && used->capacity <= MOST_SPARE_BYTES) {
        *spare = *used;
    } else {
        PyMem_Free(used->data);
    }
}

/* Make room for more bytes. */
static inline int buffer_reserve(Buffer *buffer, Py_ssize_t more) {
    return more <= buffer->capacity - buffer->size ? 0 : buffer_grow(buffer, more);
}

static inline int buffer_put(Buffer *buffer, const char *data, Py_ssize_t size) {
    if (buffer_reserve(buffer, size) < 0) {
        return -1;
    }
    memcpy(buffer->data + buffer->size, data, (size_t)size);
    buffer->size += size;
    return 0;
}

int buffer_put_chars(Buffer *buffer, const Py_UCS4 *text, Py_ssize_t size);
Py_ssize_t buffer_put_quoted(Buffer *buffer, const Py_UCS4 *text, Py_ssize_t size);
int put_bytes(Buffer *buffer, PyObject *bytes);
#define MAX_INTEGER_CHARS 24
Py_ssize_t format_integer(char *to, long long number);

/* The text of numbers that are written again: that of a call begins and ends its record, and is in those of its callees. */
#define KNOWN_TEXTS 8 /* a power of two; each has the last number of those that belong there */
typedef struct {
    long long number;
    Py_ssize_t size; /* 0: none yet */
    char text[MAX_INTEGER_CHARS];
} NumberText;
Py_ssize_t format_known(NumberText *texts, char *to, long long number);

/* The text of a time without its last eight digits, which most times share with the one before. */
typedef struct {
    long long begin; /* the first time with this text; 0 without one */
    Py_ssize_t size;
    char text[MAX_INTEGER_CHARS];
} TimeText;
Py_ssize_t format_time(TimeText *known, char *to, long long at_ns);

static inline int put_integer(Buffer *buffer, long long number) {
    if (buffer_reserve(buffer, MAX_INTEGER_CHARS) < 0) {
        return -1;
    }
    buffer->size += format_integer(buffer->data + buffer->size, number);
    return 0;
}

#define PUT(buffer, literal) buffer_put(buffer, literal, (Py_ssize_t)sizeof(literal) - 1)

/* A key whose JSON is known. It is found by its address, and kept alive so that the address stays its own. */
typedef struct {
    PyObject *key;
    PyObject *secret_name; /* NULL: its values are not redacted */
    char *text;            /* with the colon */
    Py_ssize_t size;
    Py_ssize_t chars;
    int part; /* part_of_pair */
    int is_judged;
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
    PyObject *said;       /* the text that stands for an instance without fields; NULL: it has none */
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
    N_ENCODE_NAMED, N_MANY_LINES, N_WRITE, N_TOP, N_STATE, N_LINES, N_NOTES_LINES, N_STARTS,
    N_COUNTER, N_SLOT, N_FUNCTIONS, N_NEXT_TIMED, N_NEXT_LOOK, N_FRESH_AT_NS, N_SLOW_NS, N_KEEPS_STATE, N_SETTING, N_ENCODE, N_NAMES, N_RECORD, N_CALL_SITES,
    N_TASK, N_F_LASTI, N_F_BACK,
    N_KIND, N_IS_OBSERVED, N_IS_OFF, N_ENCODE_RESULT, N_NEXT_CHOICE, N_TIMED, N_EXCEPTION_IDS, N_NAME, N_COUNT, N_FORKS_UNDER_WAY, N_CO_NAME, N_CO_CODE, N_CO_FLAGS, N_F_LOCALS, N_TB_FRAME, N_TB_LASTI, N_TB_NEXT,
    N_YIELDS, N_OUTER_TASK, N_SINCE_NS, N_SUSPENDED_NS, N_IN_TASK, N_COUNTS_ALL, N_YIELD_COUNT, N_YIELD_ENCODE,
    NAME_COUNT
};

/* Classes of the tracer whose instances are read at each event. */
enum Owner { REDACTOR, THREAD, FUNCTION, CALL_STATE, YIELDS, PLACE, OWNER_COUNT };

/* Where instances of such a class have their attributes: those of __slots__ are found without a search. */
typedef struct {
    PyTypeObject *type; /* NULL: not known yet */
    Py_ssize_t at[NAME_COUNT]; /* 0: it has no such slot */
} Slots;

/* The number of an object that was written: what ObjectNumbers.known has at its address. It is its own as long as it lives. */
#define NUMBER_SLOTS 512 /* a power of two; each has the last object of those that belong there */
typedef struct {
    PyObject *value; /* borrowed, as a dead one's reference is; NULL: none */
    PyObject *known;
    long long number;
} ObjectNumber;

/* References that a value being written needs: the program may change its containers while Python is called. */
#define INLINE_ITEMS 32
typedef struct {
    PyObject **data;
    Py_ssize_t size;
    Py_ssize_t capacity;
    PyObject *first[INLINE_ITEMS];
} Items;

int items_grow(Items *items);

static inline void items_init(Items *items) {
    items->data = items->first;
    items->size = 0;
    items->capacity = INLINE_ITEMS;
}

/* Add an item, with a new reference. */
static inline int items_push(Items *items, PyObject *item) {
    if (items->size == items->capacity && items_grow(items) < 0) {
        return -1;
    }
    items->data[items->size++] = Py_NewRef(item);
    return 0;
}

static inline void items_free(Items *items) {
    while (items->size) {
        Py_DECREF(items->data[--items->size]);
    }
    if (items->data != items->first) {
        PyMem_Free(items->data);
        items_init(items);
    }
}

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
    Slots slots[OWNER_COUNT];
    Py_ssize_t max_chars;
    Py_ssize_t max_items;
    Py_ssize_t max_depth;
    PyObject *generation_number; /* of the redactor, for which the following holds */
    long long generation;        /* the same */
    ObjectNumber *object_numbers;
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

#define FIRST_INSIDE 16
#define FIRST_SCRATCH 256

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
    PyObject *first_inside[FIRST_INSIDE]; /* what most values need of the two */
    Py_UCS4 first_scratch[FIRST_SCRATCH];
} Walk;

/* What a line can do to the variables of its function, as sets of variables. */
#define MAX_VARIABLES 200 /* of events/lines.py */
#define VARIABLE_WORDS 4
#define MAX_LINE_SPAN 20000
typedef struct {
    int is_known;
    int runs_code; /* whether it may run code that is not the function's, whatever the variables hold */
    uint64_t stored[VARIABLE_WORDS];
    uint64_t used[VARIABLE_WORDS]; /* read or stored: code may run if one of them is no scalar */
} Effect;

static inline int has_bit(const uint64_t *bits, Py_ssize_t at) { return (int)(bits[at / 64] >> (at % 64) & 1); }

typedef PyObject *(*get_variable)(PyObject *frame, PyObject *name);

/* Functions of the interpreter that 3.12 to 3.15 export although they are not in the stable ABI; NULL: this one does not. */
typedef struct {
    get_variable variable;          /* PyFrame_GetVar */
    PyObject *(*back)(PyObject *);  /* PyFrame_GetBack */
    int (*instruction)(PyObject *); /* PyFrame_GetLasti */
} FrameFunctions;

typedef struct {
    PyObject_HEAD
    Core *core;
    PyObject *names;
    PyObject *quoted; /* the names as JSON, with a colon */
    get_variable get;
    Py_ssize_t count;
    uint64_t shared[VARIABLE_WORDS];        /* with other functions, which may change them */
    uint64_t around[VARIABLE_WORDS];        /* those of enclosing functions */
    uint64_t begin_unbound[VARIABLE_WORDS]; /* not bound when a call begins */
    uint64_t hidden[VARIABLE_WORDS];        /* made by the interpreter or pytest: not recorded, and may hold anything */
    uint64_t secret[VARIABLE_WORDS];
    long long generation; /* of the redactor, for which `secret` holds */
    long entry_line;      /* that each call executes first */
    long first_line;
    Py_ssize_t line_count;
    Effect *lines; /* from first_line on */
    Buffer spare;
} Effects;

/* A variable at the last comparison. */
typedef struct {
    PyObject *text; /* NULL: not bound */
    int kind;
} Variable;

#define MAX_YIELDS 20 /* of events/yields.py */
#define STEPS_BETWEEN_LOOKS 256 /* of backends/monitoring.py */
#define MAX_UNWINDING 200 /* of events/exceptions.py, as the next */
#define MAX_KNOWN_EXCEPTIONS 2000
#define SUSPENDS 672 /* of session/functions.py */
#define OUTCOME_RAISED 1 /* of record_format.py */
#define MAX_LINES_PER_CALL 2000 /* of events/lines.py, as the next */
#define LAST_LINES 20
typedef struct {
    Py_ssize_t position;
    long long at_ns;
    long line; /* 0: none is kept here */
} LastLine;

/* The lines of one call. */
typedef struct {
    PyObject_HEAD
    Effects *effects;
    PyObject *log;
    PyObject *function;
    PyObject *write_record; /* the function in Python */
    PyObject *records;      /* the list that keeps them; NULL: they are written to the thread */
    Variable *variables;
    uint64_t bound[VARIABLE_WORDS];
    uint64_t others[VARIABLE_WORDS]; /* those that may hold no scalar */
    Py_ssize_t encoded;              /* bytes of all texts */
    Py_ssize_t count;
    Py_ssize_t next_sample;
    LastLine *last; /* a ring, NULL before it is needed */
    long long generation;
    long last_line;
    int is_first;
    int is_unsure; /* whether other lines than the last one ran since the last comparison */
} CallLines;

/* When each counted call has begun. */
typedef struct Begins Begins;

/* An integer that is decided in Python, with its value. */
typedef struct {
    PyObject *object; /* NULL: not read yet */
    long long value;
} Number;

/* What changes rarely of a traced function: at which of its calls Python decides again, and when. */
enum { LIMIT, NEXT_TIMED, NEXT_LOOK, FRESH_AT_NS, SLOW_NS, NUMBER_COUNT };

/* What code is. Modules and class bodies are of another kind. */
enum Kind { OTHER_KIND, PLAIN_FUNCTION, GENERATOR, COROUTINE, ASYNC_GENERATOR };

#define MAX_ARGUMENTS 32 /* of a function whose calls begin here */

/* What never changes of a traced function. It is found by the address of its code, which the function keeps alive. */
typedef struct {
    Py_ssize_t uses; /* the table's, and of each event that needs it: another function may take its place meanwhile */
    PyObject *code;
    PyObject *function;
    PyObject *names;
    PyObject *items[MAX_ARGUMENTS]; /* the first names, borrowed */
    Py_ssize_t count;               /* of its arguments */
    Buffer parts; /* of its records, without the fields between them: the size and the text of each */
    PyObject *call_sites;
    PyObject *forgotten; /* the variables that are removed from the dict of its frame's f_locals; NULL: not known yet */
    PyObject *encoders;  /* of its arguments, when they were looked at; NULL: they were not */
    int is_plain;        /* whether each of these is the plain one */
    enum Kind kind;
    int is_special; /* whether its ends mean more to the tracer than those of other functions */
    Py_ssize_t counter;
    int is_setting; /* whether one argument may name another one as a secret: Function.setting */
    Number numbers[NUMBER_COUNT];
} Known;

#define PART_PADDING 16 /* bytes that may be read behind the last part of a record */
#define NO_COUNTER (-1)
#define KNOWN_SLOTS 1024 /* a power of two; each has the last function of those that belong there */

/* What CallLog.site returns of an instruction. */
typedef struct {
    PyObject *sites; /* of the function; NULL: nothing is known here */
    PyObject *site;
    int instruction;
} Site;

#define SITE_SLOTS 256 /* a power of two; each has the last one of those that belong there */

/* The callbacks of events. */
typedef struct {
    PyObject_HEAD
    Core *core;
    FrameFunctions frames; /* without `variable`, arguments are read in Python */
    PyObject *lines_type;
    PyObject *functions;
    PyObject *threads;
    PyObject *failed;
    PyObject *write_record;
    PyObject *line_in_python; /* the callbacks that do what is not done here */
    PyObject *start_in_python;
    PyObject *return_in_python;
    PyObject *yield_in_python;
    PyObject *resume_in_python;
    PyObject *raise_in_python;
    PyObject *handled_in_python;
    PyObject *reraise_in_python;
    PyObject *throw_in_python;
    PyObject *unwind_in_python;
    PyObject *session;
    PyObject *state_type;   /* CallState */
    PyObject *current_task; /* TaskLog.current */
    PyObject *check_greenlets; /* GreenletChains.check */
    PyObject *names_to_forget; /* of code; NULL: reading f_locals fills no dict of the frame */
    PyObject *raises;        /* the number of the instruction that raises */
    PyObject *observed;      /* by their names, the functions that are observed whether they are traced or not */
    PyObject *gaps;          /* GapLog.gaps, as the next two */
    PyObject *open_gaps;
    PyObject *awaited;
    PyObject *thrown;        /* of ExceptionLog, as the next three */
    PyObject *groups_handled;
    PyObject *places;
    PyObject *when_raised;
    PyObject *unwound;       /* CallLog.unwound */
    PyObject *suspended;     /* CallLog.suspended */
    PyObject *call_ids;
    PyObject *call_site;
    PyObject *encode; /* the method of the encoder that Python knows */
    PyObject *unseen_ends;
    PyObject *off;      /* the functions that are switched off; NULL: every call is recorded */
    PyObject *begun;    /* Begins; NULL likewise */
    PyObject *awaiting; /* NULL likewise */
    PyObject *yields_type; /* of which all values count; NULL: not seen yet */
    PyObject *async_yields_type;
    long raise_opcode; /* the number of RAISE_VARARGS */
    PyObject *spare_call; /* an open call that has ended, for the next one; may be NULL */
    PyObject *no_task;    /* the number that says that a thread runs no task */
    NumberText calls[KNOWN_TEXTS];
    TimeText time;
    Py_ssize_t steps; /* suspensions since adaptive capture was told of them */
    PyObject *ran;      /* NULL: no lines of tests are noted */
    Py_buffer counters; /* empty: calls are counted in Python */
    PyObject *thread;   /* that of the last event, as the next */
    PyObject *state;
    PyObject *lines;
    Known **known;
    Site *sites;
    Buffer spare;
} Events;

/* module.c */
extern const char *const NAMES[NAME_COUNT];

/* attributes.c */
PyObject *search_attribute(Core *core, enum Owner kind, PyObject *owner, enum Name name);

/* Return where an object has an attribute; NULL if it is not known to be in a slot. */
static inline PyObject **slot_in(Core *core, enum Owner kind, PyObject *owner, enum Name name) {
    Slots *slots = &core->slots[kind];
    Py_ssize_t at = slots->type == Py_TYPE(owner) ? slots->at[name] : 0;
    return at == 0 ? NULL : (PyObject **)((char *)owner + at);
}

/* Return an attribute. */
static inline PyObject *read_attribute(Core *core, enum Owner kind, PyObject *owner, enum Name name) {
    PyObject **slot = slot_in(core, kind, owner, name);
    return slot != NULL && *slot != NULL ? Py_NewRef(*slot) : search_attribute(core, kind, owner, name);
}

/* Return an attribute, borrowed; NULL without an error where it is not set, or not known to be in a slot. */
static inline PyObject *peek_attribute(Core *core, enum Owner kind, PyObject *owner, enum Name name) {
    PyObject **slot = slot_in(core, kind, owner, name);
    return slot != NULL ? *slot : NULL;
}

/* Set an attribute. */
static inline int write_attribute(Core *core, enum Owner kind, PyObject *owner, enum Name name, PyObject *value) {
    PyObject **slot = slot_in(core, kind, owner, name);
    if (slot == NULL) {
        return PyObject_SetAttr(owner, core->names[name], value);
    }
    PyObject *old = *slot;
    *slot = Py_NewRef(value);
    Py_XDECREF(old);
    return 0;
}
int read_number(Core *core, enum Owner kind, PyObject *owner, enum Name name, long long *number);
int visit_slots(Core *core, visitproc visit, void *arg);
void forget_slots(Core *core);

/* numbers.c */
int write_int(Walk *walk, PyObject *value, Py_ssize_t *chars);

/* Return whether an integer has fewer digits than a payment card number, and needs no look at its digits. */
static inline int small_int(PyObject *value, long long *number) {
    int overflow;
    *number = PyLong_AsLongLongAndOverflow(value, &overflow);
    return !overflow && *number > -MIN_CARD && *number < MIN_CARD;
}
int write_float(Walk *walk, PyObject *value, Py_ssize_t *chars);

/* texts.c */
int write_text(Walk *walk, PyObject *text, Py_ssize_t limit, Py_ssize_t *chars);
int put_python_text(Walk *walk, PyObject *text, Py_ssize_t *chars);
Py_UCS4 *chars_of(Walk *walk, PyObject *text, Py_ssize_t *size);

/* suspicion.c */
int is_suspicious(const Core *core, const Py_UCS4 *text, Py_ssize_t size);
int load_hints(Core *core);
void free_hints(Core *core);

/* keys.c */
int follow_redactor(Core *core);

/* Follow the redactor: after a change, all that was decided before is decided again. */
static inline int refresh(Core *core) {
    PyObject *generation = peek_attribute(core, REDACTOR, core->redactor, N_GENERATION);
    return generation != NULL && generation == core->generation_number ? 0 : follow_redactor(core);
}

void forget_keys(Core *core);
enum { NAME_PART = 1, VALUE_PART = 2, JUDGED_NAME = 4 };
int part_of_key(Walk *walk, PyObject *key);
int is_secret_key(Walk *walk, PyObject *text);
/* What a key says of its value. */
typedef struct {
    PyObject *secret_name; /* a new reference; NULL: the value is not redacted */
    int is_judged;         /* whether only what looks like a credential is secret under that name */
    int part;              /* which part of a setting it is */
} KeyMeaning;

int write_key(Walk *walk, PyObject *key, PyObject **used, KeyMeaning *meaning, Py_ssize_t *chars);

/* Return what a weak reference is to, borrowed; None if it is dead. It is in the stable ABI, though not in the headers of 3.15:
   calling a reference takes seven times as long. */
PyAPI_FUNC(PyObject *) PyWeakref_GetObject(PyObject *reference);

/* plans.c */
Plan *find_plan(Core *core, PyTypeObject *type);
void release_plan(Plan *plan);
void forget_plans(Core *core);

/* objects.c */
int write_instance(Walk *walk, PyObject *value);
int write_without_fields(Walk *walk, PyObject *value);
void forget_object_numbers(Core *core);
int clear_if_unreadable(Core *core);

/* module.c */
PyObject *core_encode(PyObject *self, PyObject *value);
PyObject *core_encode_fields_hidden(PyObject *self, PyObject *value);
int put_value(Core *core, PyObject *value, Buffer *out);
int put_without_fields(Core *core, PyObject *value, Buffer *out);

/* effects.c */
FrameFunctions find_frame_functions(void);
extern PyType_Spec effects_spec;
int find_secret_names(Effects *effects);

/* instructions.c */
int read_effects(Effects *effects, PyObject *code, PyObject *instructions);

/* lines.c */
extern PyType_Spec lines_spec;
int line_starts(CallLines *lines, PyObject *thread, PyObject *top, PyObject *frame, long line);

/* segment.c */
extern PyType_Spec segment_spec;
int write_record(Core *core, PyObject *in_python, PyObject *thread, const Buffer *record);

/* events.c */
extern PyType_Spec events_spec;
long long now_ns(void);
PyObject *attribute_of_event(const Events *events, PyObject *owner, enum Name name);
PyObject *attribute_of_function(const Events *events, PyObject *function, enum Name name);
int number_of_function(const Events *events, PyObject *function, enum Name name, long long *number);
Known *look_up_function(Events *events, PyObject *code, Known **place);
void release_known(Known *known);

/* Find the function of code; NULL without an error if it is not traced. Valid until the next call of this, unless it is used. */
static inline Known *find_function(Events *events, PyObject *code) {
    uintptr_t at = (uintptr_t)code >> 4;
    Known **place = &events->known[(at ^ at >> 10) & (KNOWN_SLOTS - 1)];
    return *place != NULL && (*place)->code == code ? *place : look_up_function(events, code, place);
}
int find_thread(Events *events);
PyObject *top_call(Events *events);
PyObject *search_open_call(Events *events, PyObject *frame, int searches);

/* Return the innermost open call of this thread if it is the one in a frame, and the thread's state in events->thread;
   NULL without an error if it is not. That of the last event is looked at first, and no other one unless `searches`. */
static inline PyObject *open_call(Events *events, PyObject *frame, int searches) {
    PyObject *top = events->thread == NULL ? NULL : peek_attribute(events->core, THREAD, events->thread, N_TOP);
    if (top != NULL && PyTuple_CheckExact(top) && PyTuple_Size(top) == 5 && PyTuple_GetItem(top, 2) == frame) {
        return Py_NewRef(top); /* a frame is of one thread */
    }
    return top == NULL || searches ? search_open_call(events, frame, searches) : NULL;
}
int is_not_open(Events *events, PyObject *frame);
PyObject *handle_failure(Events *events);

/* line_events.c */
PyObject *events_line(PyObject *self, PyObject *const *arguments, Py_ssize_t count);

/* begins.c */
extern PyType_Spec begins_spec;
int is_begins(PyObject *object);
int begins_note(Begins *begins, const void *frame, long long begun_ns);
long long begins_find(const Begins *begins, const void *frame);
void begins_forget(Begins *begins, const void *frame);
int begins_note_of(Begins *begins, const void *frame, const void *code, long long begun_ns);

/* call_events.c */
PyObject *events_start(PyObject *self, PyObject *const *arguments, Py_ssize_t count);
PyObject *events_return(PyObject *self, PyObject *const *arguments, Py_ssize_t count);

/* What is done with an event. */
enum { FAILED = -1, LEFT_TO_PYTHON, DONE, RECORDED };

/* What a call ends with: a value and its encoder, or an outcome and the id of an exception. */
typedef struct {
    PyObject *encoder;
    PyObject *value; /* NULL: it has raised */
    int outcome;
    long long exception;
} Ending;

int ends_plainly(Events *events, PyObject *top);
int end_call(Events *events, PyObject *thread, PyObject *top, long long at_ns, const Ending *ending);
int is_counted(Events *events, PyObject *code, PyObject *frame, long long at_ns);
int end_counted(Events *events, PyObject *code, PyObject *frame, long long at_ns);
int put_by(const Events *events, PyObject *encoder, PyObject *value, Buffer *out);
PyObject *innermost_call(Events *events, PyObject *frame);

/* step_events.c */
PyObject *events_yielded(PyObject *self, PyObject *const *arguments, Py_ssize_t count);
PyObject *events_resumed(PyObject *self, PyObject *const *arguments, Py_ssize_t count);
int learn_yields(Events *events, PyObject *yields);
int enter_task(Events *events, PyObject *thread);
int write_number(Core *core, enum Owner kind, PyObject *owner, enum Name name, long long number);

/* exception_events.c */
PyObject *events_raised(PyObject *self, PyObject *const *arguments, Py_ssize_t count);
PyObject *events_handled(PyObject *self, PyObject *const *arguments, Py_ssize_t count);
PyObject *events_reraised(PyObject *self, PyObject *const *arguments, Py_ssize_t count);
PyObject *events_thrown(PyObject *self, PyObject *const *arguments, Py_ssize_t count);
PyObject *events_unwound(PyObject *self, PyObject *const *arguments, Py_ssize_t count);

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
