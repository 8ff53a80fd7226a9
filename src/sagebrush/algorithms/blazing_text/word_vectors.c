/* Skip-gram, CBOW and batched skip-gram with negative sampling: one pass over numbered words. */
#include "../native/random.h"
#include "noise.h"
#include "vectors.h"

#include <stdlib.h>

#define MAX_SENTENCE 1000
#define TILE 6
#define REDRAWS 4

enum { SKIPGRAM, CBOW, BATCH_SKIPGRAM };

typedef struct {
    float *input;        /* (words + buckets, stride), 64-byte aligned */
    float *output;       /* (words, stride), 64-byte aligned */
    const uint64_t *keep; /* chance of each word to stay, times 2^63 */
    const Alias *noise;
    const int64_t *row_ends; /* rows of each word, or NULL: its own alone */
    const int32_t *rows;
    int64_t words;
    int64_t stride; /* floats, a multiple of 16 */
    int32_t mode, window, negatives, batch_size;
} WordVectors;

typedef struct {
    float *hidden, *change; /* a row each */
    const float **inputs;   /* batch_size rows */
    float **outputs;        /* 1 + negatives rows, for the current window and for the next */
    float *errors;          /* batch_size * (1 + negatives), padded to a vector */
    int32_t *drawn;
    Random random;
} Scratch;

INLINE void dots(const int n, const float *x, float *const *y, int64_t stride, float *out) {
    Vector total[TILE] = {{0}};
    for (int64_t k = 0; k < stride; k += WIDTH) {
        const Vector a = *(const Vector *)(x + k);
        for (int j = 0; j < n; j++) total[j] += a * *(const Vector *)(y[j] + k);
    }
    for (int j = 0; j < n; j++) out[j] = sum_of(total[j]);
}

INLINE void dots_of_two(const int n, const float *x0, const float *x1, float *const *y,
                        int64_t stride, float *out0, float *out1) {
    Vector first[TILE] = {{0}}, second[TILE] = {{0}};
    for (int64_t k = 0; k < stride; k += WIDTH) {
        const Vector a = *(const Vector *)(x0 + k), b = *(const Vector *)(x1 + k);
        for (int j = 0; j < n; j++) {
            const Vector c = *(const Vector *)(y[j] + k);
            first[j] += a * c;
            second[j] += b * c;
        }
    }
    for (int j = 0; j < n; j++) {
        out0[j] = sum_of(first[j]);
        out1[j] = sum_of(second[j]);
    }
}

INLINE void scores_tile(const int n, const float *const *x, int inputs, float *const *y,
                        int64_t stride, float *out, int row) {
    int i = 0;
    for (; i + 1 < inputs; i += 2)
        dots_of_two(n, x[i], x[i + 1], y, stride, out + i * row, out + (i + 1) * row);
    if (i < inputs) dots(n, x[i], y, stride, out + i * row);
}

/* out[i][j] = x[i] . y[j] */
static void scores(const float *const *x, int inputs, float *const *y, int outputs, int64_t stride,
                   float *out) {
    int j = 0;
    for (; j + TILE <= outputs; j += TILE)
        scores_tile(TILE, x, inputs, y + j, stride, out + j, outputs);
    switch (outputs - j) {
    case 5: scores_tile(5, x, inputs, y + j, stride, out + j, outputs); break;
    case 4: scores_tile(4, x, inputs, y + j, stride, out + j, outputs); break;
    case 3: scores_tile(3, x, inputs, y + j, stride, out + j, outputs); break;
    case 2: scores_tile(2, x, inputs, y + j, stride, out + j, outputs); break;
    case 1: scores_tile(1, x, inputs, y + j, stride, out + j, outputs); break;
    default: break;
    }
}

/* The gradient step on scores: errors[i][j] = rate * ([j == 0] - sigmoid). */
static void errors_of_scores(float *errors, int inputs, int outputs, float rate) {
    const int count = inputs * outputs;
    for (int k = 0; k < count; k += WIDTH) {
        Vector *at = (Vector *)(errors + k);
        *at = sigmoid(*at) * splat(-rate);
    }
    for (int i = 0; i < inputs; i++) errors[i * outputs] += rate;
}

/* For outputs of one tile: x[i] += sum_j errors[i][j] y[j] and y[j] += sum_i errors[i][j] x[i], the
   old values on the right. A row that comes twice is changed twice, one after the other. */
INLINE void update_tile(const int n, const float *const *x, int inputs, float *const *y,
                        int64_t stride, const float *errors) {
    for (int64_t k = 0; k < stride; k += WIDTH) {
        Vector old[TILE], change[TILE] = {{0}};
        for (int j = 0; j < n; j++) old[j] = *(const Vector *)(y[j] + k);
        for (int i = 0; i < inputs; i++) {
            Vector *at = (Vector *)(x[i] + k);
            const Vector a = *at;
            Vector b = a;
            for (int j = 0; j < n; j++) {
                const Vector e = splat(errors[i * n + j]);
                b += e * old[j];
                change[j] += e * a;
            }
            *at = b;
        }
        for (int j = 0; j < n; j++) *(Vector *)(y[j] + k) += change[j];
    }
}

/* The same for any number of outputs; the inputs' changes wait until all outputs are done. */
static void update_many(const float *const *x, int inputs, float *const *y, int outputs,
                        int64_t stride, const float *errors, float *waiting) {
    for (int64_t k = 0; k < stride; k += WIDTH) {
        Vector *sums = (Vector *)waiting;
        for (int i = 0; i < inputs; i++) sums[i] = splat(0);
        for (int j = 0; j < outputs; j++) {
            const Vector old = *(const Vector *)(y[j] + k);
            Vector change = splat(0);
            for (int i = 0; i < inputs; i++) {
                const Vector e = splat(errors[i * outputs + j]);
                sums[i] += e * old;
                change += e * *(const Vector *)(x[i] + k);
            }
            *(Vector *)(y[j] + k) += change;
        }
        for (int i = 0; i < inputs; i++) *(Vector *)(x[i] + k) += sums[i];
    }
}

/* One step for a small matrix of inputs and outputs, of which the first is the true one. */
static void step(const float *const *x, int inputs, float *const *y, int outputs, int64_t stride,
                 float rate, float *errors, float *waiting) {
    scores(x, inputs, y, outputs, stride, errors);
    errors_of_scores(errors, inputs, outputs, rate);
    switch (outputs) {
    case 6: update_tile(6, x, inputs, y, stride, errors); break;
    case 5: update_tile(5, x, inputs, y, stride, errors); break;
    case 4: update_tile(4, x, inputs, y, stride, errors); break;
    case 3: update_tile(3, x, inputs, y, stride, errors); break;
    case 2: update_tile(2, x, inputs, y, stride, errors); break;
    case 1: update_tile(1, x, inputs, y, stride, errors); break;
    default: update_many(x, inputs, y, outputs, stride, errors, waiting); break;
    }
}

INLINE int64_t draw(const WordVectors *m, Random *random) {
    const uint64_t bits = random_bits(random);
    const int64_t at = (int64_t)(((bits >> 32) * (uint64_t)m->words) >> 32);
    return (uint32_t)bits < m->noise[at].threshold ? at : m->noise[at].other;
}

/* Draws words that are not the target and fetches their rows ahead of use; returns how many. */
static int draw_negatives(const WordVectors *m, Scratch *s, int32_t target, int32_t *drawn) {
    int count = 0;
    for (int k = 0; k < m->negatives; k++) {
        int64_t word = draw(m, &s->random);
        for (int again = 0; word == target && again < REDRAWS; again++) word = draw(m, &s->random);
        if (word == target) continue;
        prefetch_row(m->output + word * m->stride, m->stride);
        drawn[count++] = (int32_t)word;
    }
    return count;
}

static int outputs_of(const WordVectors *m, Scratch *s, int32_t target, const int32_t *drawn, int count) {
    s->outputs[0] = m->output + (int64_t)target * m->stride;
    for (int k = 0; k < count; k++) s->outputs[k + 1] = m->output + (int64_t)drawn[k] * m->stride;
    return count + 1;
}

typedef struct {
    const int32_t *words;
    int64_t length;
} Sentence;

/* The window around a place: half widths are uniform in 1..window, which weighs near words more. */
INLINE void window_at(const WordVectors *m, Scratch *s, Sentence sentence, int64_t place,
                      int64_t *low, int64_t *high) {
    const int64_t half = 1 + (int64_t)random_below(&s->random, (uint64_t)m->window);
    *low = place > half ? place - half : 0;
    *high = place + half + 1 < sentence.length ? place + half + 1 : sentence.length;
}

static void prefetch_word(const WordVectors *m, Sentence sentence, int64_t place) {
    if (place >= sentence.length) return;
    const int64_t at = (int64_t)sentence.words[place] * m->stride;
    prefetch_row(m->input + at, m->stride);
    prefetch_row(m->output + at, m->stride);
}

/* The words of a window share their negatives (Ji et al. 2016): a product of small matrices. */
static void batch_skipgram(const WordVectors *m, Scratch *s, Sentence sentence, float rate) {
    int32_t *now = s->drawn, *next = s->drawn + m->negatives;
    int count = draw_negatives(m, s, sentence.words[0], now);
    for (int64_t place = 0; place < sentence.length; place++) {
        int64_t low, high;
        window_at(m, s, sentence, place, &low, &high);
        prefetch_word(m, sentence, place + m->window + 1);
        int next_count = 0;
        if (place + 1 < sentence.length)
            next_count = draw_negatives(m, s, sentence.words[place + 1], next);
        const int outputs = outputs_of(m, s, sentence.words[place], now, count);
        int inputs = 0;
        for (int64_t at = low; at < high; at++) {
            if (at == place) continue;
            s->inputs[inputs++] = m->input + (int64_t)sentence.words[at] * m->stride;
            if (inputs == m->batch_size || at + 1 == high || (at + 2 == high && at + 1 == place)) {
                step(s->inputs, inputs, s->outputs, outputs, m->stride, rate, s->errors, s->change);
                inputs = 0;
            }
        }
        int32_t *used = now;
        now = next;
        next = used;
        count = next_count;
    }
}

INLINE void rows_of(const WordVectors *m, int32_t word, const int32_t **rows, int64_t *count,
                    int32_t *own) {
    *own = word;
    *rows = own;
    *count = 1;
    if (m->row_ends) {
        const int64_t start = word ? m->row_ends[word - 1] : 0;
        *rows = m->rows + start;
        *count = m->row_ends[word] - start;
    }
}

INLINE void add_row(float *restrict to, const float *restrict from, int64_t stride) {
    for (int64_t k = 0; k < stride; k += WIDTH) *(Vector *)(to + k) += *(const Vector *)(from + k);
}

/* Adds the word's rows to the sum; returns how many there are. */
static int64_t gather(const WordVectors *m, int32_t word, float *sum) {
    const int32_t *rows;
    int64_t count;
    int32_t own;
    rows_of(m, word, &rows, &count, &own);
    for (int64_t k = 0; k < count; k++) add_row(sum, m->input + rows[k] * m->stride, m->stride);
    return count;
}

static void scatter(const WordVectors *m, int32_t word, const float *change) {
    const int32_t *rows;
    int64_t count;
    int32_t own;
    rows_of(m, word, &rows, &count, &own);
    for (int64_t k = 0; k < count; k++) add_row(m->input + rows[k] * m->stride, change, m->stride);
}

static void scale(float *row, int64_t stride, float by) {
    for (int64_t k = 0; k < stride; k += WIDTH) *(Vector *)(row + k) *= splat(by);
}

/* One step with the hidden row as the only input; its change stays in `hidden`. */
static void step_hidden(const WordVectors *m, Scratch *s, int32_t target, const int32_t *drawn,
                        int count, float *hidden, float rate) {
    const int outputs = outputs_of(m, s, target, drawn, count);
    const float *inputs[1] = {hidden};
    step(inputs, 1, s->outputs, outputs, m->stride, rate, s->errors, s->change + m->stride);
}

/* A word predicts each word around it. The mean of a word's rows changes by what each of its rows
   changes by, so that the rows wait until the window is done. */
static void skipgram(const WordVectors *m, Scratch *s, Sentence sentence, float rate) {
    int32_t *now = s->drawn, *next = s->drawn + m->negatives;
    const size_t row_bytes = (size_t)m->stride * sizeof(float);
    for (int64_t place = 0; place < sentence.length; place++) {
        int64_t low, high;
        window_at(m, s, sentence, place, &low, &high);
        prefetch_word(m, sentence, place + m->window + 1);
        const int32_t word = sentence.words[place];
        float *hidden = m->input + (int64_t)word * m->stride;
        if (m->row_ends) {
            hidden = s->hidden;
            memset(hidden, 0, row_bytes);
            scale(hidden, m->stride, 1.0f / (float)gather(m, word, hidden));
            memcpy(s->change, hidden, row_bytes);
        }
        int64_t at = low + (low == place);
        int count = at < high ? draw_negatives(m, s, sentence.words[at], now) : 0;
        while (at < high) {
            int64_t following = at + 1 + (at + 1 == place);
            int next_count = 0;
            if (following < high) next_count = draw_negatives(m, s, sentence.words[following], next);
            step_hidden(m, s, sentence.words[at], now, count, hidden, rate);
            int32_t *used = now;
            now = next;
            next = used;
            count = next_count;
            at = following;
        }
        if (m->row_ends) {
            for (int64_t k = 0; k < m->stride; k++) s->change[k] = hidden[k] - s->change[k];
            scatter(m, word, s->change);
        }
    }
}

/* The mean of the rows around a word predicts it; each of them gets the whole change. */
static void cbow(const WordVectors *m, Scratch *s, Sentence sentence, float rate) {
    int32_t *now = s->drawn, *next = s->drawn + m->negatives;
    const size_t row_bytes = (size_t)m->stride * sizeof(float);
    int count = draw_negatives(m, s, sentence.words[0], now);
    for (int64_t place = 0; place < sentence.length; place++) {
        int64_t low, high, rows = 0;
        window_at(m, s, sentence, place, &low, &high);
        prefetch_word(m, sentence, place + m->window + 1);
        int next_count = 0;
        if (place + 1 < sentence.length)
            next_count = draw_negatives(m, s, sentence.words[place + 1], next);
        memset(s->hidden, 0, row_bytes);
        for (int64_t at = low; at < high; at++)
            if (at != place) rows += gather(m, sentence.words[at], s->hidden);
        if (rows > 0) {
            scale(s->hidden, m->stride, 1.0f / (float)rows);
            memcpy(s->change, s->hidden, row_bytes);
            step_hidden(m, s, sentence.words[place], now, count, s->hidden, rate);
            for (int64_t k = 0; k < m->stride; k++) s->change[k] = s->hidden[k] - s->change[k];
            for (int64_t at = low; at < high; at++)
                if (at != place) scatter(m, sentence.words[at], s->change);
        }
        int32_t *used = now;
        now = next;
        next = used;
        count = next_count;
    }
}

static size_t padded(size_t bytes) { return (bytes + 63) & ~(size_t)63; }

/* All scratch memory in one aligned piece, freed by free(*piece). */
static int prepare(const WordVectors *m, Scratch *s, uint64_t seed, void **piece) {
    const size_t row = padded((size_t)m->stride * sizeof(float));
    const size_t outputs = (size_t)m->negatives + 1, inputs = (size_t)m->batch_size;
    const size_t errors = padded((inputs * outputs + WIDTH) * sizeof(float));
    const size_t waiting = padded(inputs * sizeof(Vector));
    const size_t sizes[] = {row, row + waiting, errors, padded(inputs * sizeof(float *)),
                            padded(outputs * sizeof(float *)), padded(outputs * 2 * sizeof(int32_t))};
    size_t total = 0;
    for (int k = 0; k < 6; k++) total += sizes[k];
    char *at = *piece = aligned_alloc(64, total);
    if (!at) return -1;
    memset(at, 0, total);
    s->hidden = (float *)at;
    s->change = (float *)(at += sizes[0]);
    s->errors = (float *)(at += sizes[1]);
    s->inputs = (const float **)(at += sizes[2]);
    s->outputs = (float **)(at += sizes[3]);
    s->drawn = (int32_t *)(at + sizes[4]);
    s->random = random_seeded(seed);
    return 0;
}

static void train_sentence(const WordVectors *m, Scratch *s, Sentence sentence, float rate) {
    if (sentence.length < 2) return;
    if (m->mode == BATCH_SKIPGRAM) batch_skipgram(m, s, sentence, rate);
    else if (m->mode == SKIPGRAM) skipgram(m, s, sentence, rate);
    else cbow(m, s, sentence, rate);
}

/* Trains on numbered words, -1 ending a sentence; the learning rate falls from `rate` by
   `rate_step` with each word. Frequent words are left out at random first. Returns how many words
   were trained on, or -1 when memory ran out. */
int64_t train_words(const WordVectors *m, const int32_t *ids, int64_t count, float rate,
                    float rate_step, float min_rate, uint64_t seed) {
    Scratch scratch;
    void *piece;
    if (prepare(m, &scratch, seed, &piece)) return -1;
    int32_t kept[MAX_SENTENCE];
    int64_t length = 0, trained = 0, seen = 0;
    for (int64_t k = 0; k <= count; k++) {
        const int32_t word = k < count ? ids[k] : -1;
        if (word >= 0) {
            seen++;
            if ((random_bits(&scratch.random) >> 1) < m->keep[word]) kept[length++] = word;
        }
        if (word < 0 || length == MAX_SENTENCE) {
            const float falling = rate - rate_step * (float)seen;
            const Sentence sentence = {kept, length};
            train_sentence(m, &scratch, sentence, falling > min_rate ? falling : min_rate);
            trained += length;
            length = 0;
        }
    }
    free(piece);
    return trained;
}
