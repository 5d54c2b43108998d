/* Integers and floats as JSON. */
#include "core.h"

#include <math.h>
#include <string.h>

/* Return the eight digits of a number below 100,000,000, one a byte, the first in the lowest: all at once, as the parts of
   one product. */
static inline uint64_t eight_digits(uint32_t number) {
    uint64_t fours = number / 10000 | (uint64_t)(number % 10000) << 32;
    uint64_t hundreds = (fours * 10486 >> 20) & 0x7F0000007FULL;
    uint64_t twos = hundreds | (fours - hundreds * 100) << 16;
    uint64_t tens = (twos * 103 >> 10) & 0x000F000F000F000FULL;
    return tens | (twos - tens * 10) << 8;
}

#define ASCII_ZEROS 0x3030303030303030ULL

/* Write eight characters, the first of which is in the lowest byte. */
static inline void put_eight(char *to, uint64_t chars) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    chars = __builtin_bswap64(chars);
#endif
    memcpy(to, &chars, sizeof(chars));
}

/* Write a number below 100,000,000 into at least eight bytes, and return how many it took. */
static inline Py_ssize_t put_few(char *to, uint32_t number) {
    uint64_t digits = eight_digits(number);
    int zeros = __builtin_ctzll(digits | 1ULL << 56) & ~7; /* bits of leading ones; the last digit is written */
    put_eight(to, (digits | ASCII_ZEROS) >> zeros);
    return 8 - zeros / 8;
}

#define HUNDRED_MILLION 100000000u

/* Write an integer into at least 24 bytes, and return how many it took. */
Py_ssize_t format_integer(char *to, long long number) {
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    char *at = to;
    if (rest < 10 && number >= 0) {
        *at = (char)('0' + rest);
        return 1;
    }
    *at = '-';
    at += number < 0;
    if (rest < HUNDRED_MILLION) {
        return at + put_few(at, (uint32_t)rest) - to;
    }
    uint64_t high = rest / HUNDRED_MILLION;
    if (high < HUNDRED_MILLION) {
        at += put_few(at, (uint32_t)high);
    } else {
        at += put_few(at, (uint32_t)(high / HUNDRED_MILLION));
        put_eight(at, eight_digits((uint32_t)(high % HUNDRED_MILLION)) | ASCII_ZEROS);
        at += 8;
    }
    put_eight(at, eight_digits((uint32_t)(rest % HUNDRED_MILLION)) | ASCII_ZEROS);
    return at + 8 - to;
}

/* Write an integer whose text may be known; `texts` has those that were written last. */
Py_ssize_t format_known(NumberText *texts, char *to, long long number) {
    NumberText *known = &texts[number & (KNOWN_TEXTS - 1)];
    if (known->number != number || known->size == 0) {
        known->number = number;
        known->size = format_integer(known->text, number);
    }
    memcpy(to, known->text, MAX_INTEGER_CHARS);
    return known->size;
}

/* Write a time in nanoseconds; `known` has the first digits of the last one. */
Py_ssize_t format_time(TimeText *known, char *to, long long at_ns) {
    uint64_t after = (uint64_t)at_ns - (uint64_t)known->begin;
    if (known->begin == 0 || after >= HUNDRED_MILLION) {
        if (at_ns < HUNDRED_MILLION) {
            return format_integer(to, at_ns);
        }
        after = (uint64_t)at_ns % HUNDRED_MILLION;
        known->begin = at_ns - (long long)after;
        known->size = format_integer(known->text, at_ns / HUNDRED_MILLION);
    }
    memcpy(to, known->text, MAX_INTEGER_CHARS - 8);
    put_eight(to + known->size, eight_digits((uint32_t)after) | ASCII_ZEROS);
    return known->size + 8;
}

/* As in card_numbers.py: a number that begins with a second between 2015 and 2035, and has as many digits as a time in
   milli-, micro- or nanoseconds, is a time and no card. */
#define EPOCH_2015 1420070400LL
#define EPOCH_2035 2051222400LL

/* Return whether an integer from MIN_CARD on is a payment card number, by its digits. */
static int is_card(const char *digits, Py_ssize_t size) {
    if (size == 13 || size == 16 || size == 19) {
        long long begin = 0;
        for (int at = 0; at < 10; at++) {
            begin = begin * 10 + (digits[at] - '0');
        }
        if (begin >= EPOCH_2015 && begin < EPOCH_2035) {
            return 0;
        }
    }
    if (size != 16 && (digits[0] < '2' || digits[0] > '6')) {
        return 0;
    }
    int total = 0, differ = 0;
    for (Py_ssize_t at = 0; at < size; at++) {
        int digit = digits[size - 1 - at] - '0';
        differ |= digits[at] != digits[0];
        if (at % 2) {
            digit = digit > 4 ? digit * 2 - 9 : digit * 2;
        }
        total += digit;
    }
    return differ && total % 10 == 0;
}

int write_int(Walk *walk, PyObject *value, Py_ssize_t *chars) {
    int overflow;
    long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (!overflow) {
        if (buffer_reserve(&walk->out, 24) < 0) {
            return -1;
        }
        char *text = walk->out.data + walk->out.size;
        *chars = format_integer(text, number);
        if (number >= MIN_CARD && is_card(text, *chars)) {
            *chars = 12;
            return PUT(&walk->out, "\"[REDACTED]\"");
        }
        walk->out.size += *chars;
        return 0;
    }
    PyObject *text = call_1(walk->core, walk->core->encoder, N_INT_TEXT, value);
    if (text == NULL) {
        return -1;
    }
    int result = put_python_text(walk, text, chars);
    Py_DECREF(text);
    return result;
}

/* Floats of at most six decimals and 15 digits are written here: no other decimal number of 15 digits has the same float, so that
   it is the shortest, which is what Python writes. */
#define SCALE 1e6
#define LEAST_PLAIN 1e-4 /* smaller ones have an exponent */
#define MOST_PLAIN 1e9

static Py_ssize_t format_plain(char *to, double value) {
    double size = fabs(value);
    if (!(size >= LEAST_PLAIN && size < MOST_PLAIN)) {
        return 0;
    }
    double scaled = (double)(long long)(size * SCALE + 0.5);
    if (scaled / SCALE != size) {
        return 0;
    }
    long long digits = (long long)scaled;
    long long whole = digits / 1000000, part = digits % 1000000;
    Py_ssize_t count = 0;
    if (value < 0) {
        to[count++] = '-';
    }
    count += format_integer(to + count, whole);
    to[count++] = '.';
    uint64_t decimals = eight_digits((uint32_t)part) >> 16; /* the last six */
    put_eight(to + count, decimals | ASCII_ZEROS);
    return count + (decimals ? 8 - __builtin_clzll(decimals) / 8 : 1); /* without the zeros at the end */
}

int write_float(Walk *walk, PyObject *value, Py_ssize_t *chars) {
    double number = PyFloat_AsDouble(value);
    if (isnan(number) || isinf(number)) {
        const char *text = isnan(number) ? "{\"$float\": \"nan\"}"
                           : number > 0  ? "{\"$float\": \"inf\"}"
                                         : "{\"$float\": \"-inf\"}";
        *chars = (Py_ssize_t)strlen(text);
        return buffer_put(&walk->out, text, *chars);
    }
    if (buffer_reserve(&walk->out, 32) < 0) {
        return -1;
    }
    *chars = format_plain(walk->out.data + walk->out.size, number);
    if (*chars) {
        walk->out.size += *chars;
        return 0;
    }
    char *text = PyOS_double_to_string(number, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    if (text == NULL) {
        return -1;
    }
    *chars = (Py_ssize_t)strlen(text);
    int result = buffer_put(&walk->out, text, *chars);
    PyMem_Free(text);
    return result;
}
