/* What each line of a function can do, from its instructions.

   A line lasts from an instruction at which the interpreter tells of it until one at which it tells of another line.
   Between them lie all instructions that the first can reach without passing one of the second kind: not each change of
   the line is told. So 3.14 does not tell of the line after a loop if it is that of the loop's end. */
#include "core.h"

#include <string.h>

/* What runtime/line_effects.py says of an instruction. */
#define VARIABLES(said) ((said) & 3)
#define TAKES(said) ((said) >> 2 & 3)
#define LEAVES(said) ((said) >> 4 & 3)
#define STORES (1u << 6)
#define CALCULATES (1u << 7)
#define NEVER_RUNS_CODE (1u << 8)
#define QUIET_WITHOUT_LINE (1u << 9)
#define COPIES (1u << 10)
#define MIXES (1u << 11)
#define ENDS (1u << 12)
#define JUMPS (1u << 13)
#define GOES_BACK (1u << 14)
#define EXTENDS (1u << 15)
#define IS_CACHE (1u << 16)
#define BEGINS (1u << 17)
#define BEGINS_COMPREHENSION (1u << 18)
#define TELLS_LINE (1u << 19)

#define MAX_STEPS 100000
#define NOWHERE (-1)

/* An instruction, or a cache of one. */
typedef struct {
    uint32_t said;
    uint32_t argument;
    long line; /* 0: none */
    int jump;
    int handler;
    int seen; /* the last line of which it was found to be a part, by number */
    unsigned char runs_code, tells_line, is_target;
} Step;

typedef struct {
    Step *data;
    int size;
    int *ahead;
} Steps;

static PyObject *bytes_of(PyObject *code, const char *name) {
    PyObject *found = PyObject_GetAttrString(code, name);
    if (found != NULL && !PyBytes_CheckExact(found)) {
        Py_CLEAR(found);
        PyErr_SetString(PyExc_ValueError, "the code has no such bytes");
    }
    return found;
}

static int read_said(PyObject *instructions, uint32_t *said) {
    for (int number = 0; number < 256; number++) {
        PyObject *each = PyTuple_GetItem(instructions, number);
        said[number] = each == NULL ? 0 : (uint32_t)PyLong_AsUnsignedLongMask(each);
    }
    return PyErr_Occurred() ? -1 : 0;
}

static void read_steps(Steps *steps, const unsigned char *raw, const unsigned char *observed, const uint32_t *said) {
    uint32_t high = 0;
    for (int at = 0; at < steps->size; at++) {
        Step *step = &steps->data[at];
        step->said = said[raw[2 * at]];
        step->argument = high | raw[2 * at + 1];
        step->jump = step->handler = NOWHERE;
        step->tells_line = (said[observed[2 * at]] & TELLS_LINE) != 0;
        high = step->said & EXTENDS ? step->argument << 8 : 0;
    }
}

/* Read which line each instruction has from code.co_lines(). */
static int read_line_numbers(Steps *steps, PyObject *code) {
    PyObject *method = PyObject_GetAttrString(code, "co_lines"), *entry;
    PyObject *table = method == NULL ? NULL : PyObject_CallNoArgs(method);
    Py_XDECREF(method);
    if (table == NULL) {
        return -1;
    }
    while ((entry = PyIter_Next(table)) != NULL) {
        int start, end;
        PyObject *line;
        int failed = !PyArg_ParseTuple(entry, "iiO", &start, &end, &line);
        long number = failed || line == Py_None ? 0 : PyLong_AsLong(line);
        Py_DECREF(entry);
        for (int at = start / 2; !failed && start >= 0 && at < end / 2 && at < steps->size; at++) {
            steps->data[at].line = number;
        }
    }
    Py_DECREF(table);
    return PyErr_Occurred() ? -1 : 0;
}

/* Read where the instructions jump to; a jump counts from the instruction after its caches. */
static void read_jumps(Steps *steps) {
    for (int at = 0; at < steps->size; at++) {
        Step *step = &steps->data[at];
        if (!(step->said & JUMPS)) {
            continue;
        }
        int after = at + 1;
        while (after < steps->size && steps->data[after].said & IS_CACHE) {
            after++;
        }
        long target = step->said & GOES_BACK ? after - (long)step->argument : after + (long)step->argument;
        if (target >= 0 && target < steps->size) {
            step->jump = (int)target;
            steps->data[target].is_target = 1;
        }
    }
}

/* Read a number of the table of exceptions: six bits a byte, the highest first. */
static long read_varint(const unsigned char **at, const unsigned char *end) {
    long number = 0;
    while (*at < end) {
        unsigned char byte = *(*at)++;
        number = number << 6 | (byte & 63);
        if (!(byte & 64)) {
            break;
        }
    }
    return number;
}

static void read_handlers(Steps *steps, const unsigned char *table, Py_ssize_t size) {
    const unsigned char *at = table, *end = table + size;
    while (at < end) {
        long start = read_varint(&at, end), length = read_varint(&at, end), handler = read_varint(&at, end);
        read_varint(&at, end); /* the depth of the stack */
        for (long each = start; each >= 0 && each < start + length && each < steps->size && handler < steps->size; each++) {
            steps->data[each].handler = (int)handler;
        }
    }
}

/* Values on the stack: for the topmost ones, whether the line has put them there itself, from variables and constants. */
#define MAX_OWN 64
typedef struct {
    unsigned char own[MAX_OWN];
    unsigned int size;
    long line;
} Stack;

static void push(Stack *stack, int is_own) {
    if (stack->size == MAX_OWN) {
        stack->size = 0; /* what is forgotten counts as another's */
    }
    stack->own[stack->size++] = (unsigned char)is_own;
}

/* Return whether an instruction may run code although the variables of its line hold numbers and texts. */
static int runs_code(Stack *stack, const Step *step) {
    uint32_t said = step->said;
    if (step->line != stack->line || step->is_target) {
        stack->line = step->line;
        stack->size = 0;
    }
    if (said & COPIES) {
        push(stack, step->argument >= 1 && step->argument <= stack->size && stack->own[stack->size - step->argument]);
    }
    if (said & MIXES) {
        stack->size = 0;
    }
    int are_own = 1;
    for (unsigned int taken = 0; taken < TAKES(said); taken++) {
        are_own = are_own && stack->size && stack->own[stack->size - 1];
        stack->size -= stack->size > 0;
    }
    for (unsigned int left = 0; left < LEAVES(said); left++) {
        push(stack, 1);
    }
    if (said & NEVER_RUNS_CODE || (step->line == 0 && said & QUIET_WITHOUT_LINE)) {
        return 0;
    }
    return !(said & CALCULATES) || !are_own;
}

static void follow_stack(Steps *steps) {
    Stack stack = {{0}, 0, -1};
    for (int at = 0; at < steps->size; at++) {
        steps->data[at].runs_code = (unsigned char)runs_code(&stack, &steps->data[at]);
    }
}

static void add_variable(Effect *effect, uint32_t at, int is_stored) {
    if (at < MAX_VARIABLES) {
        effect->used[at / 64] |= (uint64_t)1 << (at % 64);
        effect->stored[at / 64] |= is_stored ? (uint64_t)1 << (at % 64) : 0;
    }
}

static void add_step(Effect *effect, const Step *step) {
    int stores = (step->said & STORES) != 0;
    effect->runs_code = effect->runs_code || step->runs_code;
    if (VARIABLES(step->said) == 1) {
        add_variable(effect, step->argument, stores);
    } else if (VARIABLES(step->said) == 2) {
        add_variable(effect, step->argument >> 4, stores);
        add_variable(effect, step->argument & 15, stores);
    }
}

/* Visit an instruction that may follow one of a line, unless another line is told there. */
static int visit(Steps *steps, int at, long line, int number, int count) {
    if (at < 0 || at >= steps->size) {
        return count;
    }
    Step *step = &steps->data[at];
    if (step->seen == number || (step->tells_line && step->line && step->line != line)) {
        return count;
    }
    step->seen = number;
    steps->ahead[count++] = at;
    return count;
}

/* Find all that may be done from the start of a line until the start of another one is told. */
static void find_effect(Steps *steps, long line, int number, Effect *effect) {
    int count = 0;
    effect->is_known = 1;
    for (int at = 0; at < steps->size; at++) {
        if (steps->data[at].tells_line && steps->data[at].line == line) {
            count = visit(steps, at, line, number, count);
        }
    }
    while (count) {
        int at = steps->ahead[--count];
        const Step *step = &steps->data[at];
        add_step(effect, step);
        if (!(step->said & ENDS)) {
            count = visit(steps, at + 1, line, number, count);
        }
        count = visit(steps, step->jump, line, number, count);
        count = visit(steps, step->handler, line, number, count);
    }
}

static int find_effects(Effects *effects, Steps *steps) {
    long first = 0, last = 0;
    int has_begun = 0;
    for (int at = 0; at < steps->size; at++) {
        const Step *step = &steps->data[at];
        if (step->said & BEGINS_COMPREHENSION && step->argument < MAX_VARIABLES && has_bit(effects->shared, step->argument)) {
            PyErr_SetString(PyExc_ValueError, "a variable of a comprehension is shared"); /* no cell there: gh-128396 */
            return -1;
        }
        if (step->tells_line && step->line) {
            first = first && first < step->line ? first : step->line;
            last = last > step->line ? last : step->line;
            effects->entry_line = effects->entry_line || !has_begun ? effects->entry_line : step->line;
        }
        has_begun = has_begun || step->said & BEGINS;
    }
    if (first < 1 || last - first > MAX_LINE_SPAN) {
        PyErr_SetString(PyExc_ValueError, "no lines, or too far apart");
        return -1;
    }
    effects->first_line = first;
    effects->line_count = last - first + 1;
    if ((effects->lines = PyMem_Calloc((size_t)effects->line_count, sizeof(Effect))) == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (int at = 0, number = 0; at < steps->size; at++) {
        const Step *step = &steps->data[at];
        if (step->tells_line && step->line && !effects->lines[step->line - first].is_known) {
            find_effect(steps, step->line, ++number, &effects->lines[step->line - first]);
        }
    }
    return 0;
}

static int read_code(Effects *effects, Steps *steps, PyObject *code, PyObject *raw, PyObject *observed, PyObject *table,
                     PyObject *instructions) {
    uint32_t said[256];
    Py_ssize_t size = PyBytes_Size(raw) / 2;
    if (size < 1 || size > MAX_STEPS || PyBytes_Size(observed) != 2 * size) {
        PyErr_SetString(PyExc_ValueError, "the code is too long");
        return -1;
    }
    steps->size = (int)size;
    steps->data = PyMem_Calloc((size_t)size, sizeof(Step));
    steps->ahead = PyMem_Calloc((size_t)size, sizeof(int));
    if (steps->data == NULL || steps->ahead == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (read_said(instructions, said) < 0) {
        return -1;
    }
    read_steps(steps, (const unsigned char *)PyBytes_AsString(raw), (const unsigned char *)PyBytes_AsString(observed), said);
    if (read_line_numbers(steps, code) < 0) {
        return -1;
    }
    read_jumps(steps);
    read_handlers(steps, (const unsigned char *)PyBytes_AsString(table), PyBytes_Size(table));
    follow_stack(steps);
    return find_effects(effects, steps);
}

/* Find what the lines of a function do whose lines are observed; ValueError if that is impossible. */
int read_effects(Effects *effects, PyObject *code, PyObject *instructions) {
    Steps steps = {NULL, 0, NULL};
    PyObject *raw = bytes_of(code, "co_code"), *observed = raw == NULL ? NULL : bytes_of(code, "_co_code_adaptive");
    PyObject *table = observed == NULL ? NULL : bytes_of(code, "co_exceptiontable");
    int result = table == NULL ? -1 : read_code(effects, &steps, code, raw, observed, table, instructions);
    PyMem_Free(steps.data);
    PyMem_Free(steps.ahead);
    Py_XDECREF(raw);
    Py_XDECREF(observed);
    Py_XDECREF(table);
    return result;
}
