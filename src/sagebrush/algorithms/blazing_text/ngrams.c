/* fastText's features: character n-grams of words and word n-grams of documents. */
#include "vocabulary.h"

#include <string.h>

typedef struct {
    const Vocabulary *vocabulary;
    int64_t buckets;
    int32_t min_char, max_char; /* max_char 0: no character n-grams */
    int32_t word_ngrams;
} Features;

typedef struct {
    int32_t *ids;
    int64_t count, room; /* writes beyond the room are counted, not made */
} Output;

static inline void put(Output *out, int64_t id) {
    if (out->count < out->room) out->ids[out->count] = (int32_t)id;
    out->count++;
}

/* The byte at a place of "<word>". */
static inline char wrapped(const char *word, int64_t length, int64_t at) {
    return at == 0 ? '<' : at == length + 1 ? '>' : word[at - 1];
}

static inline int continues(char byte) { return ((unsigned char)byte & 0xC0) == 0x80; }

/* Appends the n-grams of the word between its brackets; a character is a UTF-8 sequence. A bracket
   alone is none. */
static void put_character_ngrams(const Features *f, const char *word, int64_t length, Output *out) {
    const int64_t end = length + 2;
    for (int64_t i = 0; i < end; i++) {
        if (continues(wrapped(word, length, i))) continue;
        uint32_t hash = hash_start();
        for (int64_t j = i, n = 1; j < end && n <= f->max_char; n++) {
            do hash = hash_step(hash, wrapped(word, length, j++));
            while (j < end && continues(wrapped(word, length, j)));
            if (n >= f->min_char && !(n == 1 && (i == 0 || j == end)))
                put(out, f->vocabulary->word_count + hash % (uint64_t)f->buckets);
        }
    }
}

/* Rows of each word (its own number first, unless unknown, then its n-grams) one after the other;
   ends[i] is where the i-th word's end. Returns how many there are, which may exceed the room. */
int64_t word_rows(const Features *f, const char *texts, const int64_t *text_ends, int64_t count,
                  int32_t *rows, int64_t room, int64_t *ends) {
    Output out = {rows, 0, room};
    int64_t start = 0;
    for (int64_t i = 0; i < count; i++) {
        const char *word = texts + start;
        const int64_t length = text_ends[i] - start;
        uint32_t hash = hash_start();
        for (int64_t k = 0; k < length; k++) hash = hash_step(hash, word[k]);
        const int64_t id = vocabulary_find(f->vocabulary, word, length, hash);
        if (id >= 0 && id < f->vocabulary->word_count) put(&out, id);
        const int line_end = length == 4 && !memcmp(word, "</s>", 4);
        if (f->max_char > 0 && f->buckets > 0 && !line_end) put_character_ngrams(f, word, length, &out);
        ends[i] = out.count;
        start = text_ends[i];
    }
    return out.count;
}

/* h = h * 116049371 + next over the hashes of neighbouring words, taken as signed. */
static void put_word_ngrams(const Features *f, const uint32_t *hashes, int64_t count, Output *out) {
    if (f->buckets <= 0) return;
    for (int64_t i = 0; i < count; i++) {
        uint64_t hash = (uint64_t)(int64_t)(int32_t)hashes[i];
        for (int64_t j = i + 1; j < count && j < i + f->word_ngrams; j++) {
            hash = hash * 116049371 + (uint64_t)(int64_t)(int32_t)hashes[j];
            put(out, f->vocabulary->word_count + (int64_t)(hash % (uint64_t)f->buckets));
        }
    }
}

typedef struct {
    int32_t *features, *labels;
    int64_t *feature_ends, *label_ends;
    uint32_t *hashes; /* scratch: as many as a line has bytes */
    int64_t feature_room, document_room;
} Documents;

static void read_word(const Features *f, const char *word, int64_t length, uint32_t hash,
                      const Documents *d, int64_t *hash_count, Output *features, Output *labels) {
    const int64_t id = vocabulary_find(f->vocabulary, word, length, hash);
    const int64_t words = f->vocabulary->word_count;
    const int label = length >= 9 && !memcmp(word, "__label__", 9);
    if (id >= words) {
        put(labels, id - words);
        return;
    }
    if (id < 0 && label) return;
    if (id >= 0) put(features, id);
    const int line_end = length == 4 && !memcmp(word, "</s>", 4);
    if (f->max_char > 0 && f->buckets > 0 && !line_end) put_character_ngrams(f, word, length, features);
    d->hashes[(*hash_count)++] = hash;
}

/* Features and labels of each line; the last line may lack its newline. Stops before a line whose
   features do not fit. Returns how many lines were read, *consumed their bytes and *tokens their
   words, labels and line ends. `labels` has room for size numbers, `hashes` for size + 1. */
int64_t read_documents(const Features *f, const char *text, int64_t size, const Documents *d,
                       int64_t *consumed, int64_t *tokens) {
    int64_t documents = 0, at = 0, seen = 0;
    Output features = {d->features, 0, d->feature_room}, labels = {d->labels, 0, size};
    uint32_t line_end_hash = hash_start();
    for (int k = 0; k < 4; k++) line_end_hash = hash_step(line_end_hash, "</s>"[k]);
    *consumed = 0;
    *tokens = 0;
    while (at < size && documents < d->document_room) {
        int64_t hash_count = 0;
        while (at < size && text[at] != '\n') {
            if (separates(text[at])) {
                at++;
                continue;
            }
            const int64_t start = at;
            uint32_t hash = hash_start();
            for (; at < size && !separates(text[at]); at++) hash = hash_step(hash, text[at]);
            read_word(f, text + start, at - start, hash, d, &hash_count, &features, &labels);
            seen++;
        }
        read_word(f, "</s>", 4, line_end_hash, d, &hash_count, &features, &labels);
        seen++;
        if (f->word_ngrams > 1) put_word_ngrams(f, d->hashes, hash_count, &features);
        if (features.count > features.room) break;
        d->feature_ends[documents] = features.count;
        d->label_ends[documents++] = labels.count;
        at += at < size;
        *consumed = at;
        *tokens = seen;
    }
    return documents;
}
