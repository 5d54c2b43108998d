/* JSON text as UTF-8, in memory that grows. */
#include "core.h"

#include <string.h>

int buffer_grow(Buffer *buffer, Py_ssize_t more) {
    Py_ssize_t capacity = buffer->capacity ? buffer->capacity * 2 : 512;
    while (capacity < buffer->size + more) {
        capacity *= 2;
    }
    char *data = PyMem_Realloc(buffer->data, (size_t)capacity);
    if (data == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return 0;
}

/* Write the content of bytes, a new reference that may be NULL with an error. */
int put_bytes(Buffer *buffer, PyObject *bytes) {
    char *data;
    Py_ssize_t size;
    int result = bytes == NULL || PyBytes_AsStringAndSize(bytes, &data, &size) < 0 ? -1 : buffer_put(buffer, data, size);
    Py_XDECREF(bytes);
    return result;
}

static const char HEX[] = "0123456789abcdef";

/* Write one character, for which there is room; a lone surrogate as an escape, which is valid inside a JSON string. */
static char *put_char(char *to, Py_UCS4 c) {
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xC0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3F));
    } else if (c >= 0xD800 && c < 0xE000) {
        *to++ = '\\';
        *to++ = 'u';
        for (int shift = 12; shift >= 0; shift -= 4) {
            *to++ = HEX[c >> shift & 15];
        }
    } else if (c < 0x10000) {
        *to++ = (char)(0xE0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3F));
        *to++ = (char)(0x80 | (c & 0x3F));
    } else {
        *to++ = (char)(0xF0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 0x3F));
        *to++ = (char)(0x80 | (c >> 6 & 0x3F));
        *to++ = (char)(0x80 | (c & 0x3F));
    }
    return to;
}

/* The most bytes that one character becomes: \u0000, or the escape of a surrogate. */
#define MAX_BYTES 6

int buffer_put_chars(Buffer *buffer, const Py_UCS4 *text, Py_ssize_t size) {
    if (buffer_reserve(buffer, size * MAX_BYTES) < 0) {
        return -1;
    }
    char *to = buffer->data + buffer->size;
    for (Py_ssize_t at = 0; at < size; at++) {
        to = put_char(to, text[at]);
    }
    buffer->size = to - buffer->data;
    return 0;
}

/* Write a text with the escapes of JSON, without the quotes; return the number of characters written, or -1. */
Py_ssize_t buffer_put_quoted(Buffer *buffer, const Py_UCS4 *text, Py_ssize_t size) {
    if (buffer_reserve(buffer, size * MAX_BYTES) < 0) {
        return -1;
    }
    char *to = buffer->data + buffer->size;
    Py_ssize_t chars = size;
    for (Py_ssize_t at = 0; at < size; at++) {
        Py_UCS4 c = text[at];
        if (c >= 0x20 && c != '"' && c != '\\') {
            if (c < 0x80) {
                *to++ = (char)c;
            } else {
                to = put_char(to, c);
            }
            continue;
        }
        *to++ = '\\';
        chars++;
        switch (c) {
        case '"':
        case '\\':
            *to++ = (char)c;
            break;
        case '\n':
            *to++ = 'n';
            break;
        case '\r':
            *to++ = 'r';
            break;
        case '\t':
            *to++ = 't';
            break;
        case '\f':
            *to++ = 'f';
            break;
        case '\b':
            *to++ = 'b';
            break;
        default:
            memcpy(to, "u00", 3);
            to[3] = HEX[c >> 4];
            to[4] = HEX[c & 15];
            to += 5;
            chars += 4;
        }
    }
    buffer->size = to - buffer->data;
    return chars;
}
