/* Texts as JSON: here if they hold no secret, else by the redactor in Python. */
#include "core.h"

/* Return the characters of a text in memory that the next call uses again. No UTF-8 of the text is made: it would stay
   with the program's text and enlarge it. */
Py_UCS4 *chars_of(Walk *walk, PyObject *text, Py_ssize_t *size) {
    *size = PyUnicode_GetLength(text);
    if (*size < 0) {
        return NULL;
    }
    if (*size > walk->scratch_capacity) {
        Py_UCS4 *larger = PyMem_Malloc((size_t)*size * sizeof(Py_UCS4));
        if (larger == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        if (walk->scratch != walk->first_scratch) {
            PyMem_Free(walk->scratch);
        }
        walk->scratch = larger;
        walk->scratch_capacity = *size;
    }
    return *size == 0 ? walk->scratch : PyUnicode_AsUCS4(text, walk->scratch, walk->scratch_capacity, 0);
}

/* Write JSON that Python has made. */
int put_python_text(Walk *walk, PyObject *text, Py_ssize_t *chars) {
    if (!PyUnicode_CheckExact(text)) {
        PyErr_SetString(PyExc_TypeError, "JSON must be a text");
        return -1;
    }
    Py_UCS4 *found = chars_of(walk, text, chars);
    return found == NULL ? -1 : buffer_put_chars(&walk->out, found, *chars);
}

static int put_quotes(Walk *walk, const Py_UCS4 *text, Py_ssize_t size, Py_ssize_t missing, Py_ssize_t *chars) {
    if (PUT(&walk->out, "\"") < 0) {
        return -1;
    }
    Py_ssize_t written = buffer_put_quoted(&walk->out, text, size);
    if (written < 0) {
        return -1;
    }
    if (missing) {
        Py_ssize_t before = walk->out.size;
        if (PUT(&walk->out, "\xe2\x80\xa6(+") < 0 || buffer_reserve(&walk->out, 24) < 0) {
            return -1;
        }
        walk->out.size += format_integer(walk->out.data + walk->out.size, missing);
        if (PUT(&walk->out, " chars)") < 0) {
            return -1;
        }
        written += walk->out.size - before - 2; /* the ellipsis is one character of three bytes */
    }
    *chars = written + 2;
    return PUT(&walk->out, "\"");
}

static int put_by_python(Walk *walk, PyObject *text, Py_ssize_t limit, Py_ssize_t size, Py_ssize_t *chars) {
    Core *core = walk->core;
    if (size <= MEMO_MAX_CHARS && size <= limit) {
        PyObject *known = PyDict_GetItemWithError(core->known_texts, text);
        if (known != NULL) {
            return put_python_text(walk, known, chars);
        }
        if (PyErr_Occurred()) {
            return -1;
        }
    }
    PyObject *room = PyLong_FromSsize_t(limit);
    if (room == NULL) {
        return -1;
    }
    PyObject *quoted = call_2(core, core->encoder, N_QUOTED, text, room);
    Py_DECREF(room);
    if (quoted == NULL) {
        return -1;
    }
    int result = put_python_text(walk, quoted, chars);
    Py_DECREF(quoted);
    return result < 0 ? -1 : refresh(core);
}

/* Write a text as Encoder.quoted does: redacted, then cut to a number of characters. */
int write_text(Walk *walk, PyObject *text, Py_ssize_t limit, Py_ssize_t *chars) {
    Py_ssize_t size = PyUnicode_GetLength(text), searched;
    if (size <= limit) {
        Py_UCS4 *found = chars_of(walk, text, &searched);
        if (found == NULL) {
            return -1;
        }
        if (!is_suspicious(walk->core, found, size)) {
            return put_quotes(walk, found, size, 0, chars);
        }
        return put_by_python(walk, text, limit, size, chars);
    }
    Py_ssize_t window =
        (limit + REDACTION_MARGIN_CHARS) / WINDOW_STEP_CHARS * WINDOW_STEP_CHARS + WINDOW_STEP_CHARS;
    PyObject *head = PyUnicode_Substring(text, 0, window);
    if (head == NULL) {
        return -1;
    }
    Py_UCS4 *found = chars_of(walk, head, &searched);
    Py_DECREF(head);
    if (found == NULL) {
        return -1;
    }
    if (!is_suspicious(walk->core, found, searched)) {
        return put_quotes(walk, found, limit, size - limit, chars);
    }
    return put_by_python(walk, text, limit, size, chars);
}
