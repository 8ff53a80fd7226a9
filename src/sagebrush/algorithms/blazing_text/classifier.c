/* The linear classifier over the mean of a document's features, trained with softmax. */
#include "../native/random.h"
#include "vectors.h"

#include <stdlib.h>

#define AHEAD 12

typedef struct {
    float *input;  /* (words + buckets, stride), 64-byte aligned */
    float *output; /* (labels, stride), 64-byte aligned */
    int64_t labels;
    int64_t stride; /* floats, a multiple of 16 */
    int64_t dim;
    uint64_t seed; /* of the rows that are not yet in use */
} Classifier;

typedef struct {
    const int32_t *features, *labels;
    const int64_t *feature_ends, *label_ends;
    int64_t count;
} DocumentIds;

typedef struct {
    float *hidden, *change, *scores;
} Rows;

static float dot(const float *restrict a, const float *restrict b, int64_t stride) {
    Vector total = splat(0);
    for (int64_t k = 0; k < stride; k += WIDTH) total += *(const Vector *)(a + k) * *(const Vector *)(b + k);
    return sum_of(total);
}

/* sum += by * row */
static void add_scaled(float *restrict sum, const float *restrict row, float by, int64_t stride) {
    for (int64_t k = 0; k < stride; k += WIDTH) *(Vector *)(sum + k) += splat(by) * *(const Vector *)(row + k);
}

/* A row of zeros was never used and gets uniform numbers in -1/dim..1/dim now, which depend on the
   row alone. Rows that no document has stay zero and cost no memory. */
static void begin_rows(const Classifier *m, const DocumentIds *d, int64_t from, int64_t to) {
    for (int64_t k = from; k < to; k++) {
        float *row = m->input + d->features[k] * m->stride;
        if (row[0] != 0.0f) continue;
        Random random = random_seeded(m->seed + (uint64_t)d->features[k]);
        const double bound = 1.0 / (double)m->dim;
        for (int64_t i = 0; i < m->dim; i++)
            row[i] = (float)((2.0 * random_uniform(&random) - 1.0) * bound);
    }
}

/* The mean row of features[from..to); rows are fetched ahead of use, beyond this document too. */
static void mean_row(const Classifier *m, const DocumentIds *d, int64_t from, int64_t to, float *mean) {
    const int64_t all = d->feature_ends[d->count - 1];
    memset(mean, 0, (size_t)m->stride * sizeof(float));
    for (int64_t k = from; k < to; k++) {
        if (k + AHEAD < all) prefetch_row(m->input + d->features[k + AHEAD] * m->stride, m->stride);
        add_scaled(mean, m->input + d->features[k] * m->stride, 1.0f, m->stride);
    }
    const float share = 1.0f / (float)(to - from);
    for (int64_t k = 0; k < m->stride; k++) mean[k] *= share;
}

static void softmax(float *scores, int64_t count) {
    float highest = scores[0], total = 0;
    for (int64_t k = 1; k < count; k++) highest = scores[k] > highest ? scores[k] : highest;
    for (int64_t k = 0; k < count; k++) total += scores[k] = expf(scores[k] - highest);
    for (int64_t k = 0; k < count; k++) scores[k] /= total;
}

static void train_document(const Classifier *m, const DocumentIds *d, Rows rows, int64_t from,
                           int64_t to, int32_t label, float rate) {
    begin_rows(m, d, from, to);
    mean_row(m, d, from, to, rows.hidden);
    for (int64_t k = 0; k < m->labels; k++)
        rows.scores[k] = dot(m->output + k * m->stride, rows.hidden, m->stride);
    softmax(rows.scores, m->labels);
    memset(rows.change, 0, (size_t)m->stride * sizeof(float));
    for (int64_t k = 0; k < m->labels; k++) {
        const float error = rate * ((float)(k == label) - rows.scores[k]);
        float *output = m->output + k * m->stride;
        for (int64_t i = 0; i < m->stride; i += WIDTH) {
            Vector *weights = (Vector *)(output + i);
            *(Vector *)(rows.change + i) += splat(error) * *weights;
            *weights += splat(error) * *(const Vector *)(rows.hidden + i);
        }
    }
    const float share = 1.0f / (float)(to - from);
    for (int64_t k = from; k < to; k++)
        add_scaled(m->input + d->features[k] * m->stride, rows.change, share, m->stride);
}

static int prepare(const Classifier *m, Rows *rows, void **piece) {
    const size_t row = (size_t)m->stride * sizeof(float);
    const size_t scores = ((size_t)m->labels * sizeof(float) + 63) & ~(size_t)63;
    char *at = *piece = aligned_alloc(64, 2 * row + scores);
    if (!at) return -1;
    *rows = (Rows){(float *)at, (float *)(at + row), (float *)(at + 2 * row)};
    return 0;
}

/* One pass over documents; one with several labels learns one of them, drawn at random. The
   learning rate falls from `rate` by `rate_step` with each document. Returns how many were learned
   from (those with a label and a feature), or -1 when memory ran out. */
int64_t train_documents(const Classifier *m, const DocumentIds *d, float rate, float rate_step,
                        float min_rate, uint64_t seed) {
    Rows rows;
    void *piece;
    if (prepare(m, &rows, &piece)) return -1;
    Random random = random_seeded(seed);
    int64_t from = 0, first_label = 0, learned = 0;
    for (int64_t k = 0; k < d->count; k++) {
        const int64_t to = d->feature_ends[k], labels = d->label_ends[k] - first_label;
        if (to > from && labels > 0) {
            const int64_t drawn = labels > 1 ? (int64_t)random_below(&random, (uint64_t)labels) : 0;
            const float falling = rate - rate_step * (float)k;
            train_document(m, d, rows, from, to, d->labels[first_label + drawn],
                           falling > min_rate ? falling : min_rate);
            learned++;
        }
        from = to;
        first_label = d->label_ends[k];
    }
    free(piece);
    return learned;
}

/* Counts the documents with a label and a feature, and those whose best score is one of their
   labels. Returns 0, or -1 when memory ran out. */
int count_correct(const Classifier *m, const DocumentIds *d, int64_t *judged, int64_t *correct) {
    Rows rows;
    void *piece;
    if (prepare(m, &rows, &piece)) return -1;
    int64_t from = 0, first_label = 0;
    *judged = *correct = 0;
    for (int64_t k = 0; k < d->count; k++) {
        const int64_t to = d->feature_ends[k], end = d->label_ends[k];
        if (to > from && end > first_label) {
            mean_row(m, d, from, to, rows.hidden);
            int64_t best = 0;
            float highest = -INFINITY;
            for (int64_t l = 0; l < m->labels; l++) {
                const float score = dot(m->output + l * m->stride, rows.hidden, m->stride);
                if (score > highest) highest = score, best = l;
            }
            ++*judged;
            for (int64_t l = first_label; l < end; l++)
                if (d->labels[l] == best) {
                    ++*correct;
                    break;
                }
        }
        from = to;
        first_label = end;
    }
    free(piece);
    return 0;
}

/* A float wherever it lies: the matrices of a mapped file begin at any byte. */
typedef float Unaligned __attribute__((aligned(1)));

/* Means of rows of a matrix of `dim` columns: ends[i] is where the i-th mean's rows end. A mean of
   no rows is zero. */
void mean_rows(const Unaligned *matrix, int64_t dim, const int32_t *rows, const int64_t *ends,
               int64_t count, float *means) {
    int64_t from = 0;
    for (int64_t i = 0; i < count; i++) {
        float *mean = means + i * dim;
        for (int64_t k = 0; k < dim; k++) mean[k] = 0;
        for (int64_t r = from; r < ends[i]; r++) {
            const Unaligned *row = matrix + rows[r] * dim;
            for (int64_t k = 0; k < dim; k++) mean[k] += row[k];
        }
        const float share = ends[i] > from ? 1.0f / (float)(ends[i] - from) : 0.0f;
        for (int64_t k = 0; k < dim; k++) mean[k] *= share;
        from = ends[i];
    }
}
