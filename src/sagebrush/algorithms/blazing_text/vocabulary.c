/* Counts words and labels and turns text into their numbers. */
#include "vocabulary.h"

#include <stdlib.h>
#include <string.h>

#define OUT_OF_MEMORY (-1)
#define MAX_WORDS (1 << 24)
static const char LABEL[] = "__label__";
static const char LINE_END[] = "</s>";

static int is_label(const char *text, int64_t length) {
    return length >= 9 && memcmp(text, LABEL, 9) == 0;
}

static uint32_t hash_of(const char *text, int64_t length) {
    uint32_t hash = hash_start();
    for (int64_t i = 0; i < length; i++) hash = hash_step(hash, text[i]);
    return hash;
}

/* The lowest bits of FNV are its worst for short words. */
static inline uint64_t first_slot(const Vocabulary *v, uint32_t hash) {
    return (hash * 0x9e3779b97f4a7c15ULL >> 20) & (uint64_t)(v->slot_count - 1);
}

static uint64_t slot_of(const Vocabulary *v, const char *text, int64_t length, uint32_t hash) {
    uint64_t at = first_slot(v, hash);
    while (v->slots[at].entry >= 0) {
        if (v->slots[at].hash == hash) {
            const Entry *entry = v->entries + v->slots[at].entry;
            if (entry->length == length && !memcmp(v->arena + entry->text, text, (size_t)length)) break;
        }
        at = (at + 1) & (uint64_t)(v->slot_count - 1);
    }
    return at;
}

int64_t vocabulary_find(const Vocabulary *v, const char *text, int64_t length, uint32_t hash) {
    return v->slots[slot_of(v, text, length, hash)].entry;
}

static int build_slots(Vocabulary *v, int64_t slot_count) {
    Slot *slots = malloc((size_t)slot_count * sizeof(Slot));
    if (!slots) return OUT_OF_MEMORY;
    memset(slots, 0xff, (size_t)slot_count * sizeof(Slot));
    free(v->slots);
    v->slots = slots;
    v->slot_count = slot_count;
    for (int64_t i = 0; i < v->entry_count; i++) {
        uint64_t at = first_slot(v, v->entries[i].hash);
        while (slots[at].entry >= 0) at = (at + 1) & (uint64_t)(slot_count - 1);
        slots[at] = (Slot){v->entries[i].hash, (int32_t)i};
    }
    return 0;
}

void vocabulary_free(Vocabulary *v) {
    if (!v) return;
    free(v->entries);
    free(v->slots);
    free(v->arena);
    free(v);
}

Vocabulary *vocabulary_create(void) {
    Vocabulary *v = calloc(1, sizeof(Vocabulary));
    if (!v) return NULL;
    v->entry_room = 1024;
    v->arena_room = 1 << 14;
    v->entries = malloc((size_t)v->entry_room * sizeof(Entry));
    v->arena = malloc(v->arena_room);
    if (!v->entries || !v->arena || build_slots(v, 4096)) {
        vocabulary_free(v);
        return NULL;
    }
    return v;
}

static int make_room(Vocabulary *v, int64_t length) {
    if (v->entry_count == v->entry_room) {
        Entry *grown = realloc(v->entries, (size_t)v->entry_room * 2 * sizeof(Entry));
        if (!grown) return OUT_OF_MEMORY;
        v->entries = grown;
        v->entry_room *= 2;
    }
    uint64_t room = v->arena_room;
    while (v->arena_size + (uint64_t)length > room) room *= 2;
    if (room > v->arena_room) {
        char *grown = realloc(v->arena, room);
        if (!grown) return OUT_OF_MEMORY;
        v->arena = grown;
        v->arena_room = room;
    }
    return v->entry_count * 3 > v->slot_count * 2 ? build_slots(v, v->slot_count * 4) : 0;
}

static int drop_rare(Vocabulary *v, int64_t min_count);

static int add(Vocabulary *v, const char *text, int64_t length, uint32_t hash, int64_t count) {
    uint64_t at = slot_of(v, text, length, hash);
    if (v->slots[at].entry >= 0) {
        v->entries[v->slots[at].entry].count += count;
        return 0;
    }
    if (v->entry_count >= MAX_WORDS && drop_rare(v, ++v->rarest + 1)) return OUT_OF_MEMORY;
    if (make_room(v, length)) return OUT_OF_MEMORY;
    at = slot_of(v, text, length, hash);
    v->slots[at] = (Slot){hash, (int32_t)v->entry_count};
    memcpy(v->arena + v->arena_size, text, (size_t)length);
    v->entries[v->entry_count++] = (Entry){count, v->arena_size, (uint32_t)length, hash};
    v->arena_size += (uint64_t)length;
    return 0;
}

/* Counts the words of whole lines; with_line_ends counts each newline as the word </s>. Returns
   the number of tokens, or -1 when memory ran out. */
int64_t vocabulary_count(Vocabulary *v, const char *text, int64_t size, int with_line_ends) {
    int64_t tokens = 0, i = 0;
    const uint32_t line_end_hash = hash_of(LINE_END, 4);
    while (i < size) {
        if (separates(text[i])) {
            if (text[i++] != '\n' || !with_line_ends) continue;
            if (add(v, LINE_END, 4, line_end_hash, 1)) return OUT_OF_MEMORY;
            tokens++;
            continue;
        }
        const int64_t start = i;
        uint32_t hash = hash_start();
        for (; i < size && !separates(text[i]); i++) hash = hash_step(hash, text[i]);
        if (add(v, text + start, i - start, hash, 1)) return OUT_OF_MEMORY;
        tokens++;
    }
    v->token_count += tokens;
    return tokens;
}

typedef struct {
    Entry entry;
    int64_t order;
    int label;
} Ranked;

static int by_rank(const void *left, const void *right) {
    const Ranked *a = left, *b = right;
    if (a->label != b->label) return a->label - b->label;
    if (a->entry.count != b->entry.count) return a->entry.count < b->entry.count ? 1 : -1;
    return a->order < b->order ? -1 : 1;
}

/* Moves the texts of the entries that are left together. */
static int compact(Vocabulary *v) {
    char *arena = malloc(v->arena_room);
    if (!arena) return OUT_OF_MEMORY;
    uint64_t size = 0;
    for (int64_t i = 0; i < v->entry_count; i++) {
        Entry *entry = v->entries + i;
        memcpy(arena + size, v->arena + entry->text, entry->length);
        entry->text = size;
        size += entry->length;
    }
    free(v->arena);
    v->arena = arena;
    v->arena_size = size;
    return build_slots(v, v->slot_count);
}

static int drop_rare(Vocabulary *v, int64_t min_count) {
    int64_t kept = 0;
    for (int64_t i = 0; i < v->entry_count; i++) {
        const Entry entry = v->entries[i];
        const int label = is_label(v->arena + entry.text, entry.length);
        if (label || entry.count >= min_count) v->entries[kept++] = entry;
    }
    v->entry_count = kept;
    return compact(v);
}

/* Keeps labels and words of at least min_count; numbers words by falling frequency, then labels.
   Words are not told from labels unless with_labels. Returns 0, or -1 when memory ran out. */
int vocabulary_keep(Vocabulary *v, int64_t min_count, int with_labels) {
    Ranked *ranked = malloc((size_t)(v->entry_count + 1) * sizeof(Ranked));
    if (!ranked) return OUT_OF_MEMORY;
    int64_t kept = 0;
    v->word_count = 0;
    for (int64_t i = 0; i < v->entry_count; i++) {
        const Entry entry = v->entries[i];
        const int label = with_labels && is_label(v->arena + entry.text, entry.length);
        if (!label && entry.count < min_count) continue;
        ranked[kept++] = (Ranked){entry, i, label};
        v->word_count += !label;
    }
    qsort(ranked, (size_t)kept, sizeof(Ranked), by_rank);
    for (int64_t i = 0; i < kept; i++) v->entries[i] = ranked[i].entry;
    free(ranked);
    v->entry_count = kept;
    return compact(v);
}

int64_t vocabulary_size(const Vocabulary *v, int64_t *words, int64_t *tokens, int64_t *bytes) {
    *words = v->word_count;
    *tokens = v->token_count;
    *bytes = (int64_t)v->arena_size;
    return v->entry_count;
}

/* Texts one after the other, ends[i] being where the i-th one ends. */
void vocabulary_export(const Vocabulary *v, char *texts, int64_t *ends, int64_t *counts) {
    int64_t end = 0;
    for (int64_t i = 0; i < v->entry_count; i++) {
        const Entry *entry = v->entries + i;
        memcpy(texts + end, v->arena + entry->text, entry->length);
        end += entry->length;
        ends[i] = end;
        counts[i] = entry->count;
    }
}

/* Fills an empty vocabulary; returns 0, -1 when memory ran out, -2 if a text comes twice. */
int vocabulary_import(Vocabulary *v, const char *texts, const int64_t *ends, const int64_t *counts,
                      int64_t entries, int64_t words, int64_t tokens) {
    int64_t start = 0;
    for (int64_t i = 0; i < entries; i++) {
        const int64_t length = ends[i] - start;
        if (add(v, texts + start, length, hash_of(texts + start, length), counts[i])) return OUT_OF_MEMORY;
        if (v->entry_count != i + 1) return -2;
        start = ends[i];
    }
    v->word_count = words;
    v->token_count = tokens;
    return 0;
}

/* Numbers of the words, -1 for each newline; unknown words are left out. `ids` has room for size
   numbers. Returns how many were written; *tokens counts all words, known or not. */
int64_t vocabulary_encode(const Vocabulary *v, const char *text, int64_t size, int32_t *ids,
                          int64_t *tokens) {
    int64_t written = 0, seen = 0, i = 0;
    while (i < size) {
        if (separates(text[i])) {
            if (text[i++] == '\n') ids[written++] = -1;
            continue;
        }
        const int64_t start = i;
        uint32_t hash = hash_start();
        for (; i < size && !separates(text[i]); i++) hash = hash_step(hash, text[i]);
        const int64_t found = vocabulary_find(v, text + start, i - start, hash);
        if (found >= 0) ids[written++] = (int32_t)found;
        seen++;
    }
    *tokens = seen;
    return written;
}

/* The numbers of words given one after the other, -1 for unknown ones. */
void vocabulary_lookup(const Vocabulary *v, const char *texts, const int64_t *ends, int64_t count,
                       int64_t *found) {
    int64_t start = 0;
    for (int64_t i = 0; i < count; i++) {
        const int64_t length = ends[i] - start;
        found[i] = vocabulary_find(v, texts + start, length, hash_of(texts + start, length));
        start = ends[i];
    }
}
