/* Words and their numbers: a hash table over an arena of bytes. */
#ifndef SAGEBRUSH_BLAZING_TEXT_VOCABULARY_H
#define SAGEBRUSH_BLAZING_TEXT_VOCABULARY_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    int64_t count;
    uint64_t text; /* where its bytes begin in the arena */
    uint32_t length;
    uint32_t hash;
} Entry;

/* A slot holds the word's whole hash, so that few probes look at the entry itself. */
typedef struct {
    uint32_t hash;
    int32_t entry; /* -1: free */
} Slot;

typedef struct {
    Entry *entries;
    Slot *slots;
    char *arena;
    int64_t entry_count, entry_room;
    int64_t slot_count; /* a power of two */
    uint64_t arena_size, arena_room;
    int64_t word_count; /* after vocabulary_keep or _import: labels come behind the words */
    int64_t token_count;
    int64_t rarest; /* words at most this frequent were dropped to bound the table */
} Vocabulary;

/* fastText's hash: FNV-1a over bytes taken as signed. */
static inline uint32_t hash_start(void) { return 2166136261u; }

static inline uint32_t hash_step(uint32_t hash, char byte) {
    return (hash ^ (uint32_t)(int8_t)byte) * 16777619u;
}

/* What separates words: space, the control characters \t \n \v \f \r, and zero. */
static inline int separates(char byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r') || byte == 0;
}

int64_t vocabulary_find(const Vocabulary *v, const char *text, int64_t length, uint32_t hash);

#endif
