/* What small requests cost most: reading a line of numbers, and walking every tree with a row.
 *
 * The results are those of Python's float and of xgboost's own predictor to the last bit, so nothing
 * here may be reordered or replaced by a reciprocal.
 */
#include <math.h>
#include <stdint.h>

#if defined(__clang__)
#pragma clang fp reassociate(off)
#if __clang_major__ >= 18
#pragma clang fp reciprocal(off)
#endif
#elif defined(__GNUC__)
#pragma GCC optimize("no-associative-math", "no-reciprocal-math")
#endif

enum { WALKED_TOGETHER = 8, MOST_DIGITS = 19, EXACT_POWERS = 23 };

struct node {
    int32_t column;
    float sign;      /* -1 where a missing value goes left: the negated value is compared */
    float threshold;
    int32_t fallback;
};

/* The powers of ten that a double holds exactly. */
static const double POWERS[EXACT_POWERS] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

static int is_digit(char c) { return c >= '0' && c <= '9'; }

/* Read a decimal number that a double holds exactly, or nearly: then a product or quotient of two
 * exact doubles is the correctly rounded result (Clinger 1990, "How to read floating point numbers
 * accurately"). Returns where it ends, NULL where it is none or needs more care. */
static const char *read_number(const char *at, const char *end, float *value)
{
    uint64_t mantissa = 0;
    int64_t exponent = 0;
    int digits = 0, negative = 0;
    double number;

    if (at < end && (*at == '-' || *at == '+'))
        negative = *at++ == '-';
    for (; at < end && is_digit(*at); at++, digits++)
        mantissa = 10 * mantissa + (uint64_t)(*at - '0');
    if (at < end && *at == '.')
        for (at++; at < end && is_digit(*at); at++, digits++, exponent--)
            mantissa = 10 * mantissa + (uint64_t)(*at - '0');
    if (digits == 0 || digits > MOST_DIGITS || mantissa > (1ULL << 53))
        return 0;
    if (at < end && (*at == 'e' || *at == 'E')) {
        const char *first;
        int64_t stated = 0;
        int below = 0;

        if (++at < end && (*at == '-' || *at == '+'))
            below = *at++ == '-';
        for (first = at; at < end && is_digit(*at) && stated < EXACT_POWERS; at++)
            stated = 10 * stated + (*at - '0');
        if (at == first)
            return 0;
        exponent += below ? -stated : stated;
    }
    if (exponent <= -EXACT_POWERS || exponent >= EXACT_POWERS)
        return 0;
    number = exponent < 0 ? (double)mantissa / POWERS[-exponent]
                          : (double)mantissa * POWERS[exponent];
    *value = (float)(negative ? -number : number);
    return isinf(*value) ? 0 : at;
}

/* The numbers of one line, with commas between; an empty cell is missing. Returns how many there
 * are, or -1 where the text is anything else, or they are more than `capacity`. */
int64_t read_line(const char *text, int64_t size, float *row, int64_t capacity)
{
    const char *at = text, *end = text + size;
    int64_t count = 0;

    if (size == 0)
        return -1;
    for (;;) {
        if (count == capacity)
            return -1;
        if (at == end || *at == ',') {
            row[count++] = NAN;
        } else {
            at = read_number(at, end, &row[count++]);
            if (!at)
                return -1;
        }
        if (at == end)
            return count;
        if (*at++ != ',')
            return -1;
    }
}

static void walk_together(const struct node *nodes, const float *row, int64_t depth, int32_t *at,
                          int64_t count)
{
    for (int64_t level = 0; level < depth; level++)
        for (int64_t i = 0; i < count; i++) {
            const struct node *node = &nodes[at[i]];
            at[i] = node->fallback + (node->sign * row[node->column] < node->threshold);
        }
}

/* Add to each row's margins (rows, outputs), which hold the intercepts, the leaf it falls into of
 * every tree, one tree after the other. */
void add_leaves(const struct node *nodes, const float *values, const int32_t *tree_outputs,
                int64_t trees, int64_t depth, const float *features, int64_t rows, int64_t width,
                volatile float *margins, int64_t outputs)
{
    for (int64_t r = 0; r < rows; r++, features += width, margins += outputs)
        for (int64_t start = 0; start < trees; start += WALKED_TOGETHER) {
            int64_t count = trees - start < WALKED_TOGETHER ? trees - start : WALKED_TOGETHER;
            int32_t at[WALKED_TOGETHER];
            for (int64_t i = 0; i < count; i++)
                at[i] = (int32_t)(start + i);
            if (count == WALKED_TOGETHER)
                walk_together(nodes, features, depth, at, WALKED_TOGETHER);
            else
                walk_together(nodes, features, depth, at, count);
            for (int64_t i = 0; i < count; i++)
                margins[tree_outputs[start + i]] += values[at[i]];
        }
}

/* Margins to probabilities in place, in xgboost's order of operations (common/math.h). */
void sigmoid(float *margins, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        float exponent = -margins[i] > 88.7f ? 88.7f : -margins[i];
        margins[i] = 1.0f / (expf(exponent) + 1.0f + 1e-16f);
    }
}
