/* Random numbers for kernels: small, fast, seedable, the same on every machine. */
#ifndef SAGEBRUSH_RANDOM_H
#define SAGEBRUSH_RANDOM_H

#include <stdint.h>

/* xoshiro256**, Blackman and Vigna 2018, https://prng.di.unimi.it/ */
typedef struct {
    uint64_t state[4];
} Random;

static inline uint64_t random_split(uint64_t *seed) {
    uint64_t mixed = (*seed += 0x9e3779b97f4a7c15ULL);
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
    return mixed ^ (mixed >> 31);
}

/* Streams of different seeds are independent; neighbouring seeds are as good as any. */
static inline Random random_seeded(uint64_t seed) {
    Random random;
    for (int i = 0; i < 4; i++) random.state[i] = random_split(&seed);
    return random;
}

static inline uint64_t random_rotated(uint64_t value, int by) {
    return (value << by) | (value >> (64 - by));
}

static inline uint64_t random_bits(Random *random) {
    uint64_t *s = random->state;
    const uint64_t result = random_rotated(s[1] * 5, 7) * 9;
    const uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = random_rotated(s[3], 45);
    return result;
}

/* Uniform in [0, 1). */
static inline double random_uniform(Random *random) {
    return (double)(random_bits(random) >> 11) * 0x1.0p-53;
}

/* Uniform in 0..below-1; below is at least 1 (Lemire 2019, without the rejection step: the bias
   is under below / 2^64). */
static inline uint64_t random_below(Random *random, uint64_t below) {
    return (uint64_t)(((unsigned __int128)random_bits(random) * below) >> 64);
}

#endif
