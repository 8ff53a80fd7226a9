/* Float vectors as wide as the machine's; rows are padded with zeros to whole vectors. */
#ifndef SAGEBRUSH_BLAZING_TEXT_VECTORS_H
#define SAGEBRUSH_BLAZING_TEXT_VECTORS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __AVX512F__
#define WIDTH 16
#elif defined(__AVX__)
#define WIDTH 8
#else
#define WIDTH 4
#endif

typedef float Vector __attribute__((vector_size(WIDTH * 4)));
typedef int32_t IntVector __attribute__((vector_size(WIDTH * 4)));
#define INLINE static inline __attribute__((always_inline))

INLINE Vector splat(float value) { return value - (Vector){0}; }

INLINE float sum_of(Vector v) {
    float lanes[WIDTH], total = 0;
    memcpy(lanes, &v, sizeof lanes);
    for (int k = 0; k < WIDTH; k++) total += lanes[k];
    return total;
}

INLINE Vector chosen(IntVector where, Vector yes, Vector no) {
    return (Vector)((where & (IntVector)yes) | (~where & (IntVector)no));
}

/* 1 / (1 + exp(-x)) to 2e-7, by 2^n times a polynomial of the rest. */
INLINE Vector sigmoid(Vector x) {
    const Vector low = splat(-100.0f), high = splat(100.0f);
    const Vector t = chosen(x * splat(-1.44269504f) < low, low,
                            chosen(x * splat(-1.44269504f) > high, high, x * splat(-1.44269504f)));
    /* Rounded by truncation of a positive number: reordered sums cannot undo that. */
    const IntVector exponent = __builtin_convertvector(t + splat(128.5f), IntVector) - 128;
    const Vector rest = t - __builtin_convertvector(exponent, Vector);
    Vector power = splat(1.5403530e-4f);
    power = power * rest + splat(1.3333558e-3f);
    power = power * rest + splat(9.6181291e-3f);
    power = power * rest + splat(5.5504109e-2f);
    power = power * rest + splat(2.4022651e-1f);
    power = power * rest + splat(6.9314718e-1f);
    power = power * rest + splat(1.0f);
    power = (Vector)((IntVector)power + (exponent << 23));
    return splat(1.0f) / (splat(1.0f) + power);
}

INLINE void prefetch_row(const float *row, int64_t stride) {
    for (int64_t k = 0; k < stride; k += 16) __builtin_prefetch(row + k, 1, 3);
}

#endif
