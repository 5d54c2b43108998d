/* Tell in one scan which texts hold no secret, so that Python searches the others only.

   In doubt a text is suspicious: redaction/suspicion.py and redaction/redactor.py decide. What is told harmless here they
   must leave as it is; the fuzz of tests/tracer/test_core.py compares the two. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

/* The limits of redactor.py and suspicion.py. */
#define MIN_TEXT_CHARS 8
#define MIN_RUN_CHARS 12
#define MIN_DIGITS 9

/* Of a character: whether it may be part of a token, of base64, is a digit or a capital letter. */
enum { TOKEN = 1, BASE64 = 2, DIGIT = 4, UPPER = 8 };

/* Which characters ask for a closer look, after which other ones. Pairs that are rare keep the scan free of branches that
   the processor cannot foresee. */
static const struct {
    const char *after; /* NULL: after any */
    const char *looked_at;
} LOOKS[] = {
    {NULL, "$%=:"}, {"0", "x"},      {"o", "k"}, {"i", "cf"}, {"s", "w"},  {"e", "ab"},     {" ", "-k"}, {"-", "-"},
    {"<", "/"},     {"(", "'\""}, {"b", "'\""}, {"P", "Ru"},  {"S", "h"}, {"A", "S"}, {"E", "A"}, {"D", "E"},
    {"c", "r"},
};
#define LOOK_COUNT (sizeof(LOOKS) / sizeof(LOOKS[0]))

static unsigned char classes[128];
static unsigned int after[128], before_look[128]; /* a bit for each row of LOOKS; the first one is set after all */

static void make_classes(void) {
    if (classes['A']) {
        return;
    }
    for (int c = 0; c < 128; c++) {
        int is_upper = c >= 'A' && c <= 'Z', is_digit = c >= '0' && c <= '9';
        unsigned char flags = 0;
        if (is_upper || is_digit || (c >= 'a' && c <= 'z') || c == '_' || c == '-') {
            flags |= TOKEN | BASE64;
        } else if (c == '+' || c == '/') {
            flags |= BASE64;
        }
        flags |= is_digit ? DIGIT : 0;
        flags |= is_upper ? UPPER : 0;
        after[c] = 1;
        before_look[c] = c == 0;
        for (size_t row = 0; c && row < LOOK_COUNT; row++) {
            if (LOOKS[row].after != NULL && LOOKS[row].after[0] == c) {
                after[c] |= 1u << row;
            }
            if (strchr(LOOKS[row].looked_at, c) != NULL) {
                before_look[c] |= 1u << row;
            }
        }
        classes[c] = flags;
    }
}

/* Return whether the text has these characters at a position; before and after its bounds it has none. */
static int has_at(const Py_UCS4 *text, Py_ssize_t size, Py_ssize_t at, const char *wanted) {
    if (at < 0) {
        return 0;
    }
    for (; *wanted; at++, wanted++) {
        if (at == size || text[at] != (Py_UCS4)(unsigned char)*wanted) {
            return 0;
        }
    }
    return 1;
}

enum { NO_HINT, MARK, HINT };

#define HINT_AT(position, wanted) (has_at(text, size, position, wanted) ? HINT : NO_HINT)

/* Return whether one of the SHAPE_HINTS, the _MARKS, an encoding or an address is at a character that asks for a look. */
static int look(const Py_UCS4 *text, Py_ssize_t size, Py_ssize_t at) {
    switch (text[at]) {
    case 0:
    case '$':
    case '%':
        return HINT;
    case '=':
        return has_at(text, size, at - 3, "sig") || has_at(text, size, at - 8, "ignature") ||
                       has_at(text, size, at - 10, "AccountKey")
                   ? HINT
                   : MARK;
    case ':':
        return has_at(text, size, at, "://") ? HINT : MARK;
    case '-':
    case '/':
        return MARK;
    case '\'':
    case '"':
        return text[at - 1] == '(' || (at > 1 && text[at - 2] == '(') ? MARK : NO_HINT;
    case 'x':
        return HINT_AT(at - 5, " at 0");
    case 'k':
        return has_at(text, size, at - 3, "hooks.") || has_at(text, size, at - 2, "I key ") ||
                       has_at(text, size, at - 2, "i key ")
                   ? HINT
                   : HINT_AT(at - 1, "oken");
    case 'r':
        return HINT_AT(at - 2, "ecret ");
    case 'c':
        return HINT_AT(at - 3, "asi");
    case 'w':
        return HINT_AT(at - 3, "assword");
    case 'a':
        return HINT_AT(at - 1, "earer");
    case 'b':
        return HINT_AT(at - 2, "webhooks");
    case 'f':
        return HINT_AT(at - 5, "dentified ");
    case 'R':
        return HINT_AT(at - 1, "PRIVATE KEY");
    case 'u':
        return HINT_AT(at - 1, "PuTTY");
    case 'h':
        return HINT_AT(at - 1, "SharedAccess");
    case 'S':
        return has_at(text, size, at - 1, "ASIC") ? HINT : HINT_AT(at - 1, "ASSWORD");
    case 'A':
        return HINT_AT(at - 1, "EARER");
    case 'E':
        return HINT_AT(at - 1, "DENTIFIED ");
    }
    return NO_HINT;
}

/* Return whether the digits of a text are grouped as those of cards and social security numbers. */
static int has_layout(const Py_UCS4 *text, Py_ssize_t size) {
    static const char *const LAYOUTS[] = {"ddddddddddddd",   "dddd dddd dddd ", "dddd-dddd-dddd-",
                                          "dddd dddddd ", "dddd-dddddd-",    "ddd-dd-dddd"};
    for (size_t layout = 0; layout < sizeof(LAYOUTS) / sizeof(LAYOUTS[0]); layout++) {
        const char *wanted = LAYOUTS[layout];
        Py_ssize_t count = (Py_ssize_t)strlen(wanted);
        for (Py_ssize_t at = 0; at + count <= size; at++) {
            Py_ssize_t i = 0;
            for (; i < count; i++) {
                Py_UCS4 c = text[at + i];
                char kind = c >= '0' && c <= '9' ? 'd' : c == ' ' || c == '+' ? ' ' : c == '-' ? '-' : '.';
                if (kind != wanted[i]) {
                    break;
                }
            }
            if (i == count) {
                return 1;
            }
        }
    }
    return 0;
}

/* Return whether a part of a secret name may be in a text; letters that are not ASCII may become one in lower case. */
static int may_hold_name(const Core *core, const Py_UCS4 *text, Py_ssize_t size) {
    if (core->fragments_match_all) {
        return 1;
    }
    for (Py_ssize_t at = 0; at < size; at++) {
        Py_UCS4 first = text[at];
        if (first >= 128) {
            return 1;
        }
        first = first >= 'A' && first <= 'Z' ? first + 32 : first;
        if (!core->fragment_starts[first]) {
            continue;
        }
        for (Py_ssize_t number = core->fragment_starts[first] - 1; number < core->fragment_count; number++) {
            const char *fragment = core->fragments[number];
            if ((Py_UCS4)(unsigned char)fragment[0] != first) {
                break;
            }
            Py_ssize_t i = 1;
            while (fragment[i] && at + i < size) {
                Py_UCS4 c = text[at + i];
                c = c >= 'A' && c <= 'Z' ? c + 32 : c;
                if (c != (Py_UCS4)(unsigned char)fragment[i]) {
                    break;
                }
                i++;
            }
            if (!fragment[i]) {
                return 1;
            }
        }
    }
    return 0;
}

static const unsigned int BASE = 0x01000193u, BASE_4 = 0x01000193u * 0x01000193u * 0x01000193u * 0x01000193u;

static unsigned int slot_of(unsigned int hash) {
    hash ^= hash >> 15;
    return hash & (GRAM_BITS - 1);
}

static unsigned int hash_of(const Py_UCS4 *gram) {
    unsigned int hash = 0;
    for (int i = 0; i < GRAM_CHARS; i++) {
        hash = hash * BASE + gram[i];
    }
    return hash;
}

/* Return whether the beginning of a learned secret may be in a text. */
static int may_hold_learned(const Core *core, const Py_UCS4 *text, Py_ssize_t size) {
    if (size < GRAM_CHARS) {
        return 0;
    }
    unsigned int hash = hash_of(text);
    for (Py_ssize_t at = GRAM_CHARS;; at++) {
        unsigned int slot = slot_of(hash);
        if (core->grams[slot >> 3] >> (slot & 7) & 1) {
            return 1;
        }
        if (at == size) {
            return 0;
        }
        hash = (hash - text[at - GRAM_CHARS] * BASE_4) * BASE + text[at];
    }
}

int is_suspicious(const Core *core, const Py_UCS4 *text, Py_ssize_t size) {
    if (core->grams != NULL && may_hold_learned(core, text, size)) {
        return 1;
    }
    if (size < MIN_TEXT_CHARS) {
        return 0;
    }
    int token_run = 0, base64_run = 0, has_base64 = 0, seen = 0, has_mark = text[0] == '-';
    Py_ssize_t digits = 0;
    unsigned int before = 1;
    for (Py_ssize_t at = 0; at < size; at++) {
        Py_UCS4 c = text[at];
        if (c >= 128) {
            token_run = base64_run = 0;
            before = 1;
            continue;
        }
        int flags = classes[c];
        seen |= flags;
        digits += (flags & DIGIT) != 0;
        token_run = flags & TOKEN ? token_run + 1 : 0;
        base64_run = flags & BASE64 ? base64_run + 1 : 0;
        has_base64 |= base64_run >= MIN_RUN_CHARS;
        if (token_run >= MIN_RUN_CHARS) {
            return 1;
        }
        if (before_look[c] & before) {
            int found = look(text, size, at);
            if (found == HINT) {
                return 1;
            }
            has_mark |= found == MARK;
        }
        before = after[c];
    }
    return (has_base64 && seen & UPPER) || (digits >= MIN_DIGITS && has_layout(text, size)) ||
           (has_mark && may_hold_name(core, text, size));
}

void free_hints(Core *core) {
    for (Py_ssize_t number = 0; number < core->fragment_count; number++) {
        PyMem_Free(core->fragments[number]);
    }
    PyMem_Free(core->fragments);
    PyMem_Free(core->grams);
    core->fragments = NULL;
    core->fragment_count = 0;
    core->grams = NULL;
}

static int compare_fragments(const void *one, const void *other) {
    return strcmp(*(char *const *)one, *(char *const *)other);
}

static int load_fragments(Core *core, PyObject *fragments) {
    Py_ssize_t count = PyTuple_Size(fragments);
    core->fragments_match_all = 0;
    core->fragments = PyMem_Calloc((size_t)count + 1, sizeof(char *));
    if (count < 0 || core->fragments == NULL) {
        return -1;
    }
    for (Py_ssize_t number = 0; number < count; number++) {
        PyObject *encoded = PyUnicode_AsEncodedString(PyTuple_GetItem(fragments, number), "ascii", "replace");
        char *text;
        Py_ssize_t size;
        if (encoded == NULL || PyBytes_AsStringAndSize(encoded, &text, &size) < 0) {
            Py_XDECREF(encoded);
            return -1;
        }
        char *kept = PyMem_Malloc((size_t)size + 1);
        if (kept == NULL) {
            Py_DECREF(encoded);
            return -1;
        }
        memcpy(kept, text, (size_t)size + 1);
        /* Nothing, which is in every text; and what is not ASCII, which the scan cannot find. */
        core->fragments_match_all |= size == 0 || strlen(kept) != (size_t)size || memchr(kept, '?', (size_t)size) != NULL;
        core->fragments[core->fragment_count++] = kept;
        Py_DECREF(encoded);
    }
    qsort(core->fragments, (size_t)core->fragment_count, sizeof(char *), compare_fragments);
    memset(core->fragment_starts, 0, sizeof(core->fragment_starts));
    for (Py_ssize_t number = core->fragment_count - 1; number >= 0; number--) {
        if (number >= 255) { /* a start has one byte; so many patterns are not worth a scan */
            core->fragments_match_all = 1;
            continue;
        }
        core->fragment_starts[(unsigned char)core->fragments[number][0] & 127] = (unsigned char)(number + 1);
    }
    return 0;
}

static int load_grams(Core *core, PyObject *grams) {
    if (PyDict_Size(grams) == 0) {
        return 0;
    }
    core->grams = PyMem_Calloc(GRAM_BITS / 8, 1);
    if (core->grams == NULL) {
        return -1;
    }
    Py_ssize_t position = 0;
    PyObject *gram, *forms;
    while (PyDict_Next(grams, &position, &gram, &forms)) {
        Py_UCS4 text[GRAM_CHARS];
        if (PyUnicode_GetLength(gram) != GRAM_CHARS || PyUnicode_AsUCS4(gram, text, GRAM_CHARS, 0) == NULL) {
            PyErr_SetString(PyExc_RuntimeError, "the beginning of a secret has another length");
            return -1;
        }
        unsigned int slot = slot_of(hash_of(text));
        core->grams[slot >> 3] |= (unsigned char)(1 << (slot & 7));
    }
    return 0;
}

/* Read again what a text with a secret contains: after each change of the redactor. */
int load_hints(Core *core) {
    make_classes();
    PyObject *hints = PyObject_CallMethodObjArgs(core->redactor, core->names[N_HINTS], NULL);
    if (hints == NULL) {
        return -1;
    }
    free_hints(core); /* after the call: another thread may have loaded them meanwhile */
    int failed = load_fragments(core, PyTuple_GetItem(hints, 0)) < 0 || load_grams(core, PyTuple_GetItem(hints, 1)) < 0;
    Py_DECREF(hints);
    if (failed && !PyErr_Occurred()) {
        PyErr_NoMemory();
    }
    return failed ? -1 : 0;
}
