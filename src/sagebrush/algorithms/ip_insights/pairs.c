/* Lines of "entity, IPv4 address" to hashed entities and 32-bit addresses. */
#include <stdint.h>
#include <string.h>

enum { FIELD_MISSING = -1, FIELD_UNCLOSED = -2 };

typedef struct {
    uint64_t state;
} Hash;

/* FNV-1a (Fowler, Noll, Vo), finished with the mixer of splitmix64 so that all bits are good. */
static inline Hash hash_begin(void) { return (Hash){0xcbf29ce484222325ULL}; }

static inline void hash_byte(Hash *hash, uint8_t byte) {
    hash->state = (hash->state ^ byte) * 0x100000001b3ULL;
}

static inline uint32_t hash_end(const Hash *hash) {
    uint64_t mixed = hash->state;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
    return (uint32_t)(mixed >> 32);
}

static inline int is_space(uint8_t byte) { return byte == ' ' || byte == '\t' || byte == '\r'; }

/* Decimal-dot notation and nothing else: four numbers 0..255 without leading zeros. */
static int parse_address(const uint8_t *text, int64_t length, uint32_t *address) {
    uint32_t value = 0;
    int64_t at = 0;
    for (int octet = 0; octet < 4; octet++) {
        if (octet > 0 && (at >= length || text[at++] != '.')) return 0;
        const int64_t first = at;
        uint32_t number = 0;
        while (at < length && at - first < 3 && text[at] >= '0' && text[at] <= '9')
            number = number * 10 + (uint32_t)(text[at++] - '0');
        const int64_t digits = at - first;
        if (digits == 0 || number > 255 || (digits > 1 && text[first] == '0')) return 0;
        value = value << 8 | number;
    }
    *address = value;
    return at == length;
}

/* Skips a quoted field that begins at `at`; the index after its closing quote. */
static int64_t quoted_end(const uint8_t *text, int64_t at, int64_t end) {
    for (at++; at < end; at++) {
        if (text[at] != '"') continue;
        if (at + 1 < end && text[at + 1] == '"') at++;
        else return at + 1;
    }
    return FIELD_UNCLOSED;
}

typedef struct {
    int64_t first, last; /* the field's bytes, without what surrounds them */
    int64_t next;        /* where the next field begins, FIELD_MISSING after the last one */
    int quoted;
} Field;

static int read_field(const uint8_t *text, int64_t at, int64_t end, Field *field) {
    while (at < end && is_space(text[at])) at++;
    field->quoted = at < end && text[at] == '"';
    field->first = at;
    if (field->quoted) {
        const int64_t after = quoted_end(text, at, end);
        if (after < 0) return 0;
        field->first = at + 1;
        field->last = after - 1;
        at = after;
        while (at < end && is_space(text[at])) at++;
        if (at < end && text[at] != ',') return 0;
    } else {
        const uint8_t *comma = at < end ? memchr(text + at, ',', (size_t)(end - at)) : NULL;
        at = comma ? comma - text : end;
        field->last = at;
        while (field->last > field->first && is_space(text[field->last - 1])) field->last--;
    }
    field->next = at < end ? at + 1 : FIELD_MISSING;
    return 1;
}

static uint32_t hash_field(const uint8_t *text, const Field *field) {
    Hash hash = hash_begin();
    for (int64_t at = field->first; at < field->last; at++) {
        hash_byte(&hash, text[at]);
        if (field->quoted && text[at] == '"') at++;
    }
    return hash_end(&hash);
}

/* Report of a block: lines seen, pairs written, lines dropped for their address, the first of
   these with its offset and length, the first line that is no pair with its number of fields
   (0 where a quote is out of place). Lines count from 0; -1 where there is none. */
enum { LINES, PAIRS, DROPPED, DROPPED_LINE, DROPPED_AT, DROPPED_BYTES, RAGGED_LINE, RAGGED_FIELDS };

static int64_t count_fields(const uint8_t *text, int64_t at, int64_t end) {
    Field field;
    for (int64_t fields = 1;; fields++) {
        if (!read_field(text, at, end, &field)) return 0;
        if (field.next == FIELD_MISSING) return fields;
        at = field.next;
    }
}

/* Stops at the first line that is no pair; the outputs need room for as many pairs as lines. */
void parse_pairs(const uint8_t *restrict text, int64_t length, uint32_t *restrict entities,
 uint32_t *restrict addresses, int64_t *restrict report) {
    int64_t line = -1, pairs = 0;
    report[DROPPED] = 0;
    report[DROPPED_LINE] = report[RAGGED_LINE] = -1;
    for (int64_t at = 0; at < length;) {
        const uint8_t *found = memchr(text + at, '\n', (size_t)(length - at));
        const int64_t next = found ? found - text + 1 : length;
        int64_t end = found ? next - 1 : length, begin = at;
        at = next;
        line++;
        while (begin < end && is_space(text[begin])) begin++;
        while (end > begin && is_space(text[end - 1])) end--;
        if (begin == end) continue;
        Field entity, address;
        if (!read_field(text, begin, end, &entity) || entity.next == FIELD_MISSING ||
            !read_field(text, entity.next, end, &address) || address.next != FIELD_MISSING) {
            report[RAGGED_LINE] = line;
            report[RAGGED_FIELDS] = count_fields(text, begin, end);
            break;
        }
        if (!parse_address(text + address.first, address.last - address.first,
                           addresses + pairs)) {
            if (report[DROPPED]++ == 0) {
                report[DROPPED_LINE] = line;
                report[DROPPED_AT] = address.first;
                report[DROPPED_BYTES] = address.last - address.first;
            }
            continue;
        }
        entities[pairs++] = hash_field(text, &entity);
    }
    report[LINES] = line + 1;
    report[PAIRS] = pairs;
}

/* The packed pair of a text that is one line and a pair; UINT64_MAX for any other text, and for
   the one pair of that number. */
uint64_t read_pair(const uint8_t *text, int64_t length) {
    const uint8_t *found = memchr(text, '\n', (size_t)length);
    if (found && found - text != length - 1) return UINT64_MAX;
    uint32_t entity, address;
    int64_t report[RAGGED_FIELDS + 1];
    parse_pairs(text, length, &entity, &address, report);
    return report[PAIRS] == 1 ? (uint64_t)entity << 32 | address : UINT64_MAX;
}

uint32_t hash_entity(const uint8_t *text, int64_t length) {
    Hash hash = hash_begin();
    for (int64_t at = 0; at < length; at++) hash_byte(&hash, text[at]);
    return hash_end(&hash);
}

/* The entities that lie one after the other in `text`, each ending at its offset. */
void hash_entities(const uint8_t *restrict text, const int64_t *restrict ends, int64_t count,
                   uint32_t *restrict entities) {
    int64_t at = 0;
    for (int64_t index = 0; index < count; index++) {
        Hash hash = hash_begin();
        for (; at < ends[index]; at++) hash_byte(&hash, text[at]);
        entities[index] = hash_end(&hash);
    }
}
