/* Integers and floats as JSON. */
#include "core.h"

#include <math.h>
#include <string.h>

/* Return whether an integer has fewer digits than a payment card number, and needs no look at its digits. */
int small_int(PyObject *value, long long *number) {
    int overflow;
    *number = PyLong_AsLongLongAndOverflow(value, &overflow);
    return !overflow && *number > -MIN_CARD && *number < MIN_CARD;
}

static const char PAIRS[] =
    "00010203040506070809101112131415161718192021222324"
    "25262728293031323334353637383940414243444546474849"
    "50515253545556575859606162636465666768697071727374"
    "75767778798081828384858687888990919293949596979899";

static const uint64_t POWERS[] = {
    1ULL,
    10ULL,
    100ULL,
    1000ULL,
    10000ULL,
    100000ULL,
    1000000ULL,
    10000000ULL,
    100000000ULL,
    1000000000ULL,
    10000000000ULL,
    100000000000ULL,
    1000000000000ULL,
    10000000000000ULL,
    100000000000000ULL,
    1000000000000000ULL,
    10000000000000000ULL,
    100000000000000000ULL,
    1000000000000000000ULL,
    10000000000000000000ULL,
};

/* Return how many digits an integer from 1 on has: a bit is 0.301 digits, which is right but for one. */
static Py_ssize_t count_digits(uint64_t number) {
    int digits = (64 - __builtin_clzll(number)) * 1233 >> 12;
    return digits + (number >= POWERS[digits]);
}

static void put_pair(char *to, uint32_t number) { memcpy(to, &PAIRS[2 * number], 2); }

static void put_eight(char *to, uint32_t number) {
    uint32_t high = number / 10000, low = number % 10000;
    put_pair(to, high / 100);
    put_pair(to + 2, high % 100);
    put_pair(to + 4, low / 100);
    put_pair(to + 6, low % 100);
}

/* Write an integer into at least 24 bytes, and return how many it took. */
Py_ssize_t format_integer(char *to, long long number) {
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    if (number >= 0 && number < 10) {
        to[0] = (char)('0' + number);
        return 1;
    }
    Py_ssize_t size = (number < 0) + count_digits(rest);
    char *at = to + size;
    for (; rest >= 100000000; rest /= 100000000) {
        put_eight(at -= 8, (uint32_t)(rest % 100000000));
    }
    uint32_t few = (uint32_t)rest;
    for (; few >= 100; few /= 100) {
        put_pair(at -= 2, few % 100);
    }
    if (few >= 10) {
        put_pair(at - 2, few);
    } else {
        at[-1] = (char)('0' + few);
    }
    if (number < 0) {
        to[0] = '-';
    }
    return size;
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

/* Floats of at most this many decimals and 15 digits are written here: no other decimal number of 15 digits has the same
   float, so that it is the shortest, which is what Python writes. */
#define DECIMALS 6
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
    Py_ssize_t first = count;
    put_pair(to + count, (uint32_t)part / 10000);
    put_pair(to + count + 2, (uint32_t)part / 100 % 100);
    put_pair(to + count + 4, (uint32_t)part % 100);
    count += DECIMALS;
    while (count > first + 1 && to[count - 1] == '0') {
        count--;
    }
    return count;
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
