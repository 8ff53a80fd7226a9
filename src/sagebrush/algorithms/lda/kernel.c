/* The expectation step of variational inference for LDA (Blei, Ng, Jordan 2003, section 5.2) over
   sparse documents.

   Notation: `topics` is (words, stride), one row of topic probabilities per word; `alpha` (stride);
   `expected` (documents, stride) the expected number of words of a document in each topic. Places
   at and after the number of topics hold zeros, so that loops run over whole vectors. */

#include <math.h>
#include <stdint.h>
#include <string.h>

/* e^-x for x >= 0 to about 1e-7, by 2^n times a polynomial; written out so that loops vectorise. */
static inline float decay(float x) {
    const float scaled = -1.44269504f * (x < 80.0f ? x : 80.0f);
    const float whole = (float)(int32_t)(scaled - 0.5f);
    const float part = (scaled - whole) * 0.69314718f;
    float power = 1.0f / 720.0f;
    power = power * part + 1.0f / 120.0f;
    power = power * part + 1.0f / 24.0f;
    power = power * part + 1.0f / 6.0f;
    power = power * part + 0.5f;
    power = power * part + 1.0f;
    power = power * part + 1.0f;
    const int32_t bits = ((int32_t)whole + 127) << 23;
    float two;
    memcpy(&two, &bits, sizeof two);
    return power * two;
}

#define SERIES_FIFTH (10313.0f / 2903040.0f)

/* exp(digamma(x)) for x > 0: the asymptotic series in x - 1/2 after three steps of
   digamma(x) = digamma(x + 1) - 1 / x. */
static inline float exp_digamma(float x) {
    const float y = x + 2.5f;
    const float inverse = 1.0f / y;
    const float square = inverse * inverse;
    const float series = y + inverse * (1.0f / 24.0f - square * (37.0f / 5760.0f - square * SERIES_FIFTH));
    const float shift = (3.0f * x * x + 6.0f * x + 2.0f) / (x * (x + 1.0f) * (x + 2.0f));
    return series * decay(shift);
}

/* Words keep a chance in every topic: without the floor a topic of tiny prior could make a word
   impossible, and zero divided by zero. */
#define LEAST_WEIGHT 1e-20f

static inline __attribute__((always_inline)) void expect_documents(
    const int64_t *restrict starts, const int32_t *restrict words, const float *restrict counts,
    int64_t first, int64_t last, const float *restrict topics, const float *restrict alpha,
    const int stride, int iterations, float tolerance, float *restrict expected,
    double *restrict statistics, double *restrict log_weights, double *restrict log_likelihoods,
    float *restrict scratch) {
    float *restrict weights = scratch;
    float *restrict sums = scratch + stride;
    for (int64_t document = first; document < last; document++) {
        float *restrict share = expected + document * stride;
        const int64_t begin = starts[document], end = starts[document + 1];
        float length = 0.0f;
        for (int64_t place = begin; place < end; place++) length += counts[place];
        int final = 0;
        for (int iteration = 0; !final; iteration++) {
            final |= iteration >= iterations;
            for (int k = 0; k < stride; k++) {
                const float weight = exp_digamma(share[k] + alpha[k] + (alpha[k] > 0.0f ? 0.0f : 1.0f));
                weights[k] = alpha[k] > 0.0f ? (weight > LEAST_WEIGHT ? weight : LEAST_WEIGHT) : 0.0f;
            }
            memset(sums, 0, (size_t)stride * sizeof *sums);
            double log_likelihood = 0.0;
            for (int64_t place = begin; place < end; place++) {
                const float *restrict chances = topics + (int64_t)words[place] * stride;
                float chance = 0.0f;
                for (int k = 0; k < stride; k++) chance += weights[k] * chances[k];
                const float factor = counts[place] / chance;
                for (int k = 0; k < stride; k++) sums[k] += chances[k] * factor;
                if (!final) continue;
                if (log_likelihoods) log_likelihood += (double)counts[place] * log((double)chance);
                if (statistics) {
                    double *restrict into = statistics + (int64_t)words[place] * stride;
                    for (int k = 0; k < stride; k++) into[k] += (double)(weights[k] * chances[k] * factor);
                }
            }
            if (final && log_likelihoods) log_likelihoods[document] = log_likelihood;
            float change = 0.0f;
            for (int k = 0; k < stride; k++) {
                const float updated = sums[k] * weights[k];
                change += fabsf(updated - share[k]);
                share[k] = updated;
            }
            if (!final && change <= tolerance * length) iteration = iterations - 1;
        }
        if (log_weights)
            for (int k = 0; k < stride; k++)
                if (alpha[k] > 0.0f) log_weights[k] += log((double)weights[k]);
    }
}

/* For each document in [first, last): up to `iterations` updates of its row of `expected`, fewer
   once the row moves by at most `tolerance` of the document's length, and a last one, which also
   adds to what is not null:
     statistics (words, stride): the expected counts of each word in each topic,
     log_weights (stride): the logarithm of exp(digamma(expected + alpha)),
     log_likelihoods (documents): set to sum_w count_w log(sum_k exp(digamma(..)) topics[w][k]),
   all of them at the row as it was before the last update. `scratch` holds 2 * stride floats;
   `stride` is a multiple of 8; every alpha of a topic is above zero and every topic gives every
   word of a document a chance above zero. */
void lda_expect(const int64_t *starts, const int32_t *words, const float *counts, int64_t first,
                int64_t last, const float *topics, const float *alpha, int32_t stride,
                int32_t iterations, float tolerance, float *expected, double *statistics,
                double *log_weights, double *log_likelihoods, float *scratch) {
    /* The common widths as constants: their loops unroll into registers. */
#define WIDTH(n)                                                                                  \
    case n:                                                                                       \
        expect_documents(starts, words, counts, first, last, topics, alpha, n, iterations,        \
                         tolerance, expected, statistics, log_weights, log_likelihoods, scratch); \
        break;
    switch (stride) {
        WIDTH(8)
        WIDTH(16)
        WIDTH(24)
        WIDTH(32)
        default:
            expect_documents(starts, words, counts, first, last, topics, alpha, stride & ~7,
                             iterations, tolerance, expected, statistics, log_weights,
                             log_likelihoods, scratch);
    }
#undef WIDTH
}
