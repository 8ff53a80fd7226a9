/* Factorization machines on CSR mini-batches: gradient and lazy Adam, and scores.

   A feature that has occurred owns a slot; a slot's row holds everything that belongs to it:

       v[k] w place   factors, linear weight; place says where the slot's gradient of this
                      mini-batch is summed up, -1 if nowhere
       m[k + 1]       Adam's running mean of the gradients of v and w
       s[k + 1]       and of their squares

   A row begins a cache line and fills whole ones. Rows lie in segments of SEGMENT_ROWS, so that
   the table grows without being moved. Tables are larger than caches and examples come in random
   order, so what will be needed is fetched some examples ahead.

   Several threads call train_batches at once with the same arguments but for `thread`. Each takes a
   part of the examples of a mini-batch for the scores, then the slots that it owns for gradient and
   update. A slot's sums run in the order of the examples whoever owns it: the number of threads
   does not change a single bit. */
#include <math.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../native/random.h"

#define SEGMENT_BITS 14
#define SEGMENT_ROWS (1 << SEGMENT_BITS)
#define OWNED_BITS 3 /* neighbouring slots have one owner: they may share a cache line */
#define SPINS 2000
#define STATISTICS 6
#define LINE_FLOATS 16
#define AHEAD 4 /* examples between fetching parameters and using them */

typedef struct {
    atomic_int arrived;
    atomic_int round;
} Barrier;

typedef struct {
    int64_t factors;
    float **segments;
    double bias, bias_mean, bias_square;
    int64_t steps;
    double rate[3], decay[3]; /* bias, linear, factors */
    double beta_1, beta_2, epsilon;
    double clip;    /* negative: none */
    double rescale; /* of the summed gradient; has_rescale 0: one over the mini-batch's rows */
    int32_t is_logistic, use_bias, use_linear, has_rescale;
} Model;

typedef struct {
    const int64_t *ends;     /* CSR: entries of example i are ends[i] to ends[i + 1] */
    const int32_t *slots;    /* of each entry */
    const float *values;     /* of each entry */
    const float *labels;     /* of each example */
    const int64_t *order;    /* the examples in the order of training */
    float *sums;             /* (batch rows, k) S_f = sum_i v_if x_i */
    float *by_score;         /* (batch rows) derivative of the loss by the score */
    float *losses;           /* (batch rows) */
    float *scores;           /* (batch rows) */
    double *statistics;      /* (batches, STATISTICS) */
    Barrier barrier;
} Work;

typedef struct {
    float rate, decay, rescale, clip, beta_1, beta_2, epsilon;
} Adam;

static inline float *row_of(float **segments, int32_t slot, int64_t stride) {
    return segments[slot >> SEGMENT_BITS] + (int64_t)(slot & (SEGMENT_ROWS - 1)) * stride;
}

static inline int64_t stride_of(int64_t k) {
    return (3 * k + 4 + LINE_FLOATS - 1) / LINE_FLOATS * LINE_FLOATS;
}

static inline int32_t place_of(const float *row, int64_t k) {
    int32_t place;
    memcpy(&place, row + k + 1, sizeof place);
    return place;
}

static inline void set_place(float *row, int64_t k, int32_t place) {
    memcpy(row + k + 1, &place, sizeof place);
}

static void wait_for_all(Barrier *barrier, int threads) {
    if (threads == 1) return;
    const int round = atomic_load_explicit(&barrier->round, memory_order_acquire);
    if (atomic_fetch_add_explicit(&barrier->arrived, 1, memory_order_acq_rel) == threads - 1) {
        atomic_store_explicit(&barrier->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&barrier->round, round + 1, memory_order_release);
        return;
    }
    for (int spins = 0; atomic_load_explicit(&barrier->round, memory_order_acquire) == round; spins++)
        if (spins > SPINS) sched_yield();
}

static inline int owns(int32_t slot, int thread, int threads) {
    if (threads == 1) return 1;
    const uint32_t mixed = (uint32_t)(slot >> OWNED_BITS) * 0x9e3779b1u;
    return (int)(((uint64_t)mixed * (uint32_t)threads) >> 32) == thread;
}

static inline float adam_step(float gradient, float *restrict weight, float *restrict mean,
                              float *restrict square, const Adam *a) {
    gradient = gradient * a->rescale + a->decay * *weight;
    gradient = gradient > a->clip ? a->clip : gradient < -a->clip ? -a->clip : gradient;
    *mean = a->beta_1 * *mean + (1.0f - a->beta_1) * gradient;
    *square = a->beta_2 * *square + (1.0f - a->beta_2) * gradient * gradient;
    *weight -= a->rate * *mean / (sqrtf(*square) + a->epsilon);
    return *weight;
}

static Adam adam_of(const Model *model, int group, int64_t rows) {
    const double step = (double)model->steps + 1.0;
    const double correction = sqrt(1.0 - pow(model->beta_2, step)) / (1.0 - pow(model->beta_1, step));
    const Adam adam = {
        .rate = (float)(model->rate[group] * correction),
        .decay = (float)model->decay[group],
        .rescale = (float)(model->has_rescale ? model->rescale : 1.0 / (double)rows),
        .clip = model->clip >= 0.0 ? (float)model->clip : INFINITY,
        .beta_1 = (float)model->beta_1,
        .beta_2 = (float)model->beta_2,
        .epsilon = (float)model->epsilon,
    };
    return adam;
}

/* The score of one example; sums gets S. Constant k, where it is known, makes short vectors. */
static inline __attribute__((always_inline)) float score_of(
    float **segments, int64_t k, float bias, const int32_t *restrict slots,
    const float *restrict values, int64_t entries, float *restrict sums) {
    const int64_t stride = stride_of(k);
    float linear = bias, squares = 0.0f, pairs = 0.0f;
    memset(sums, 0, (size_t)k * sizeof(float));
    for (int64_t entry = 0; entry < entries; entry++) {
        const float *restrict row = row_of(segments, slots[entry], stride);
        const float x = values[entry];
        linear += row[k] * x;
        for (int64_t f = 0; f < k; f++) {
            const float part = row[f] * x;
            sums[f] += part;
            squares += part * part;
        }
    }
    for (int64_t f = 0; f < k; f++) pairs += sums[f] * sums[f];
    return linear + 0.5f * (pairs - squares);
}

/* log(1 + exp(score)) - label * score, without overflow. */
static inline float log_loss(float score, float label) {
    return fmaxf(score, 0.0f) - label * score + log1pf(expf(-fabsf(score)));
}

/* Fetches what the examples after this place will need. */
static inline __attribute__((always_inline)) void fetch_ahead(
    const Model *model, const Work *work, int64_t k, int64_t start, int64_t place, int64_t last) {
    if (place + 3 * AHEAD < last) {
        const int64_t example = work->order[start + place + 3 * AHEAD];
        __builtin_prefetch(work->ends + example);
        __builtin_prefetch(work->labels + example);
    }
    if (place + 2 * AHEAD < last) {
        const int64_t from = work->ends[work->order[start + place + 2 * AHEAD]];
        __builtin_prefetch(work->slots + from);
        __builtin_prefetch(work->values + from);
    }
    if (place + AHEAD < last) {
        const int64_t example = work->order[start + place + AHEAD];
        for (int64_t entry = work->ends[example]; entry < work->ends[example + 1]; entry++)
            __builtin_prefetch(row_of(model->segments, work->slots[entry], stride_of(k)), 1);
    }
}

static inline __attribute__((always_inline)) void score_examples(
    const Model *model, const Work *work, int64_t k, int64_t start, int64_t first, int64_t last) {
    for (int64_t place = first; place < last; place++) {
        fetch_ahead(model, work, k, start, place, last);
        const int64_t example = work->order[start + place];
        const int64_t from = work->ends[example], entries = work->ends[example + 1] - from;
        const float label = work->labels[example];
        const float score = score_of(model->segments, k, (float)model->bias, work->slots + from,
                                     work->values + from, entries, work->sums + place * k);
        work->scores[place] = score;
        if (model->is_logistic) {
            work->by_score[place] = 1.0f / (1.0f + expf(-score)) - label;
            work->losses[place] = log_loss(score, label);
        } else {
            work->by_score[place] = score - label;
            work->losses[place] = (score - label) * (score - label);
        }
    }
}

/* Sums the gradients of the slots this thread owns; returns how many occurred.
   gradients: (touched, k + 2) sums of c S_f, of c, of c x; c = derivative by the score times x. */
static inline __attribute__((always_inline)) int64_t sum_gradients(
    const Model *model, const Work *work, int64_t k, int64_t start, int64_t rows, int thread,
    int threads, int32_t *restrict touched, float *restrict gradients) {
    const int64_t stride = stride_of(k);
    int64_t count = 0;
    for (int64_t place = 0; place < rows; place++) {
        const int64_t example = work->order[start + place];
        const float *restrict sums = work->sums + place * k;
        const float by_score = work->by_score[place];
        for (int64_t entry = work->ends[example]; entry < work->ends[example + 1]; entry++) {
            const int32_t slot = work->slots[entry];
            if (!owns(slot, thread, threads)) continue;
            float *row = row_of(model->segments, slot, stride);
            int32_t where = place_of(row, k);
            if (where < 0) {
                where = (int32_t)count;
                set_place(row, k, where);
                __builtin_prefetch(row + LINE_FLOATS, 1);
                memset(gradients + count * (k + 2), 0, (size_t)(k + 2) * sizeof(float));
                touched[count++] = slot;
            }
            float *restrict sum = gradients + where * (k + 2);
            const float x = work->values[entry], c = by_score * x;
            for (int64_t f = 0; f < k; f++) sum[f] += c * sums[f];
            sum[k] += c;
            sum[k + 1] += c * x;
        }
    }
    return count;
}

/* The derivative by v_f is sum of c S_f, less v_f times the sum of c x. */
static inline __attribute__((always_inline)) void finish_gradient(const float *restrict row,
                                                                  int64_t k, float *restrict sum) {
    const float own = sum[k + 1];
    for (int64_t f = 0; f < k; f++) sum[f] -= row[f] * own;
}

static inline __attribute__((always_inline)) void update_row(
    float *restrict row, int64_t k, const float *restrict gradient, const Adam *factors,
    const Adam *linear, int use_linear) {
    float *restrict mean = row + k + 2, *restrict square = row + 2 * k + 3;
    for (int64_t f = 0; f < k; f++) adam_step(gradient[f], row + f, mean + f, square + f, factors);
    if (use_linear) adam_step(gradient[k], row + k, mean + k, square + k, linear);
}

static void summarise(const Work *work, int is_logistic, int64_t start, int64_t rows,
                      double *restrict out) {
    double loss = 0.0, absolute = 0.0, true_positive = 0.0, false_positive = 0.0, missed = 0.0;
    for (int64_t place = 0; place < rows; place++) {
        loss += work->losses[place];
        absolute += fabsf(work->by_score[place]);
        if (!is_logistic) continue;
        const int positive = work->labels[work->order[start + place]] >= 0.5f;
        const int called = work->scores[place] >= 0.0f;
        true_positive += (positive && called);
        false_positive += (!positive && called);
        missed += (positive && !called);
    }
    const double all[STATISTICS] = {(double)rows, loss, absolute,
                                    true_positive, false_positive, missed};
    memcpy(out, all, sizeof all);
}

static void update_bias(Model *model, double gradient, int64_t rows) {
    if (!model->use_bias) return;
    const Adam adam = adam_of(model, 0, rows);
    float bias = (float)model->bias, mean = (float)model->bias_mean, square = (float)model->bias_square;
    model->bias = adam_step((float)gradient, &bias, &mean, &square, &adam);
    model->bias_mean = mean;
    model->bias_square = square;
}

static double total(const float *restrict numbers, int64_t count) {
    double sum = 0.0;
    for (int64_t i = 0; i < count; i++) sum += numbers[i];
    return sum;
}

static inline __attribute__((always_inline)) void train_with(
    Model *model, Work *work, int64_t k, int64_t examples, int64_t batch_rows, int thread,
    int threads, int32_t *touched, float *gradients) {
    const int64_t stride = stride_of(k);
    for (int64_t start = 0, batch = 0; start < examples; start += batch_rows, batch++) {
        const int64_t rows = examples - start < batch_rows ? examples - start : batch_rows;
        score_examples(model, work, k, start, rows * thread / threads, rows * (thread + 1) / threads);
        const Adam linear = adam_of(model, 1, rows), factors = adam_of(model, 2, rows);
        wait_for_all(&work->barrier, threads);
        const int64_t count =
            sum_gradients(model, work, k, start, rows, thread, threads, touched, gradients);
        for (int64_t place = 0; place < count; place++) {
            float *row = row_of(model->segments, touched[place], stride);
            set_place(row, k, -1);
            finish_gradient(row, k, gradients + place * (k + 2));
            update_row(row, k, gradients + place * (k + 2), &factors, &linear, model->use_linear);
        }
        if (thread == 0) {
            summarise(work, model->is_logistic, start, rows, work->statistics + batch * STATISTICS);
            update_bias(model, total(work->by_score, rows), rows);
            model->steps++;
        }
        wait_for_all(&work->barrier, threads);
    }
}

#define FOR_EACH_SIZE(k, call)        \
    switch (k) {                      \
        case 4: call(4); break;       \
        case 8: call(8); break;       \
        case 16: call(16); break;     \
        case 32: call(32); break;     \
        case 64: call(64); break;     \
        case 128: call(128); break;   \
        default: call(k); break;      \
    }

/* Trains on the first `examples` of the order, mini-batch by mini-batch. Every thread 0 to
   threads - 1 must make this call. touched and gradients are the thread's own. */
void train_batches(Model *model, Work *work, int64_t examples, int64_t batch_rows, int32_t thread,
                   int32_t threads, int32_t *touched, float *gradients) {
#define CALL(size) \
    train_with(model, work, size, examples, batch_rows, thread, threads, touched, gradients)
    FOR_EACH_SIZE(model->factors, CALL)
#undef CALL
}

/* The summed gradient of one mini-batch, without an update; returns how many slots occurred.
   by_score of the work is left for the bias. */
int64_t collect_gradient(Model *model, Work *work, int64_t examples, int32_t *touched,
                         float *gradients) {
    const int64_t k = model->factors;
    score_examples(model, work, k, 0, 0, examples);
    summarise(work, model->is_logistic, 0, examples, work->statistics);
    const int64_t count = sum_gradients(model, work, k, 0, examples, 0, 1, touched, gradients);
    for (int64_t place = 0; place < count; place++) {
        float *row = row_of(model->segments, touched[place], stride_of(k));
        set_place(row, k, -1);
        finish_gradient(row, k, gradients + place * (k + 2));
    }
    return count;
}

/* One Adam step with gradients (count, k + 2) summed over `rows` examples. */
void apply_gradient(Model *model, const int32_t *slots, int64_t count, const float *gradients,
                    double bias_gradient, int64_t rows) {
    const int64_t k = model->factors;
    const Adam linear = adam_of(model, 1, rows), factors = adam_of(model, 2, rows);
    for (int64_t place = 0; place < count; place++)
        update_row(row_of(model->segments, slots[place], stride_of(k)), k,
                   gradients + place * (k + 2), &factors, &linear, model->use_linear);
    update_bias(model, bias_gradient, rows);
    model->steps++;
}

/* Gives each feature its slot, new ones in order of appearance; returns how many have one.
   slot_of: (feature_dim), slot + 1 or 0. features: the feature of each slot. The caller sees to it
   that features has room. */
int64_t assign_slots(const int32_t *columns, int64_t count, int32_t *slot_of, int32_t *features,
                     int64_t known, int32_t *slots) {
    for (int64_t i = 0; i < count; i++) {
        int32_t slot = slot_of[columns[i]];
        if (slot == 0) {
            features[known] = columns[i];
            slot = slot_of[columns[i]] = (int32_t)++known;
        }
        slots[i] = slot - 1;
    }
    return known;
}

static float normal_number(Random *random) {
    const double radius = sqrt(-2.0 * log(1.0 - random_uniform(random)));
    return (float)(radius * cos(6.283185307179586 * random_uniform(random)));
}

enum { NORMAL = 0, UNIFORM = 1 }; /* any other: constant */

static float initial(Random *random, int method, double amount) {
    if (method == NORMAL) return (float)amount * normal_number(random);
    if (method == UNIFORM) return (float)(amount * (2.0 * random_uniform(random) - 1.0));
    return (float)amount;
}

/* Starts the rows of slots first to last - 1. A feature's numbers depend on seed and feature only,
   not on when it first occurs. */
void start_rows(Model *model, const int32_t *features, int64_t first, int64_t last, uint64_t seed,
                const int32_t *methods, const double *amounts) {
    const int64_t k = model->factors, stride = stride_of(k);
    for (int64_t slot = first; slot < last; slot++) {
        float *row = row_of(model->segments, (int32_t)slot, stride);
        Random random = random_seeded(seed * 0x9e3779b97f4a7c15ULL + (uint64_t)features[slot]);
        memset(row, 0, (size_t)stride * sizeof(float));
        row[k] = model->use_linear ? initial(&random, methods[0], amounts[0]) : 0.0f;
        for (int64_t f = 0; f < k; f++) row[f] = initial(&random, methods[1], amounts[1]);
        set_place(row, k, -1);
    }
}

/* Scores of examples by plain arrays: factors (rows, k), linear (rows). Slots are rows of these. */
void predict_scores(const float *factors, const float *linear, double bias, int64_t k,
                    const int64_t *ends, const int32_t *slots, const float *values,
                    int64_t examples, float *sums, float *scores) {
    for (int64_t example = 0; example < examples; example++) {
        double score = bias, pairs = 0.0, squares = 0.0;
        memset(sums, 0, (size_t)k * sizeof(float));
        for (int64_t entry = ends[example]; entry < ends[example + 1]; entry++) {
            if (slots[entry] < 0) continue;
            const float *restrict row = factors + slots[entry] * k;
            const float x = values[entry];
            score += (double)linear[slots[entry]] * x;
            float own = 0.0f;
            for (int64_t f = 0; f < k; f++) {
                const float part = row[f] * x;
                sums[f] += part;
                own += part * part;
            }
            squares += own;
        }
        for (int64_t f = 0; f < k; f++) pairs += (double)sums[f] * sums[f];
        scores[example] = (float)(score + 0.5 * (pairs - squares));
    }
}
