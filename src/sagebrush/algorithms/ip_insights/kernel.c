/* Embeddings of IP Insights: rows found by key, gathered, scored, and moved by Adam. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "../native/random.h"

#define EMPTY UINT64_MAX
#define MISSING (-1)

static inline uint64_t slot_of(uint64_t key, uint64_t mask) {
    uint64_t seed = key;
    return random_split(&seed) & mask;
}

/* Open addressing with linear steps; the table is never full. */
static inline int32_t find_row(uint64_t key, const uint64_t *keys, const int32_t *rows,
                               uint64_t mask) {
    for (uint64_t slot = slot_of(key, mask);; slot = (slot + 1) & mask) {
        if (keys[slot] == key) return rows[slot];
        if (keys[slot] == EMPTY) return MISSING;
    }
}

static inline void insert_row(uint64_t key, int32_t row, uint64_t *keys, int32_t *rows,
                              uint64_t mask) {
    uint64_t slot = slot_of(key, mask);
    while (keys[slot] != EMPTY) slot = (slot + 1) & mask;
    keys[slot] = key;
    rows[slot] = row;
}

void rebuild_table(const uint64_t *restrict row_keys, int64_t count, uint64_t *restrict keys,
                   int32_t *restrict rows, uint64_t mask) {
    for (int64_t row = 0; row < count; row++)
        insert_row(row_keys[row], (int32_t)row, keys, rows, mask);
}

/* The row that entities share that came after the last of `limit` rows was given away. */
static inline int32_t shared_row(uint32_t entity, int64_t limit) {
    return (int32_t)(((uint64_t)entity * (uint64_t)limit) >> 32);
}

void find_entities(const uint32_t *restrict entities, int64_t count,
                   const uint64_t *restrict keys, const int32_t *restrict rows, uint64_t mask,
                   int64_t used, int64_t limit, int32_t *restrict found) {
    for (int64_t index = 0; index < count; index++) {
        found[index] = find_row(entities[index], keys, rows, mask);
        if (found[index] == MISSING && used >= limit)
            found[index] = shared_row(entities[index], limit);
    }
}

/* Gives entities that have no row the next free ones while there are any; the rows in use. */
int64_t admit_entities(const uint32_t *restrict entities, int64_t count, uint64_t *restrict keys,
                       int32_t *restrict rows, uint64_t mask, uint64_t *restrict row_keys,
                       int64_t used, int64_t limit) {
    for (int64_t index = 0; index < count && used < limit; index++) {
        if (find_row(entities[index], keys, rows, mask) != MISSING) continue;
        insert_row(entities[index], (int32_t)used, keys, rows, mask);
        row_keys[used++] = entities[index];
    }
    return used;
}

static inline uint64_t prefix_key(uint32_t address, int32_t length) {
    const uint32_t prefix = length == 0 ? 0 : address >> (32 - length);
    return (uint64_t)length << 32 | prefix;
}

/* For each address the rows of its four octets (rows 0..1023), then of its prefixes from short to
   long as far as they are known: a prefix is known only if all shorter ones are. */
void find_prefixes(const uint32_t *restrict addresses, int64_t first, int64_t last,
                   const int32_t *restrict lengths, int64_t levels,
                   const uint64_t *restrict keys, const int32_t *restrict rows, uint64_t mask,
                   int32_t *restrict found) {
    for (int64_t index = first; index < last; index++) {
        const uint32_t address = addresses[index];
        int32_t *out = found + index * (4 + levels);
        for (int octet = 0; octet < 4; octet++)
            out[octet] = octet * 256 + (int32_t)(address >> (24 - 8 * octet) & 255);
        int known = 1;
        for (int64_t level = 0; level < levels; level++) {
            int32_t row = MISSING;
            if (known) row = find_row(prefix_key(address, lengths[level]), keys, rows, mask);
            known = row != MISSING;
            out[4 + level] = row;
        }
    }
}

/* Gives the addresses' prefixes rows, within each level's limit; the rows in use. */
int64_t admit_prefixes(const uint32_t *restrict addresses, int64_t count,
                       const int32_t *restrict lengths, int64_t levels,
                       int64_t *restrict level_counts, const int64_t *restrict level_limits,
                       uint64_t *restrict keys, int32_t *restrict rows, uint64_t mask,
                       uint64_t *restrict row_keys, int64_t used) {
    for (int64_t index = 0; index < count; index++) {
        for (int64_t level = 0; level < levels; level++) {
            const uint64_t key = prefix_key(addresses[index], lengths[level]);
            if (find_row(key, keys, rows, mask) != MISSING) continue;
            if (level_counts[level] >= level_limits[level]) break;
            level_counts[level]++;
            insert_row(key, (int32_t)used, keys, rows, mask);
            row_keys[used++] = key;
        }
    }
    return used;
}

/* Each row gets numbers uniform in +-scale that follow from its key alone. */
void initialise_rows(float *restrict weights, int64_t first, int64_t last, int64_t width,
                     const uint64_t *restrict row_keys, uint64_t seed, float scale) {
    for (int64_t row = first; row < last; row++) {
        uint64_t mixed = seed ^ (row_keys[row] + 1) * 0x9e3779b97f4a7c15ULL;
        Random random = random_seeded(random_split(&mixed));
        for (int64_t column = 0; column < width; column++)
            weights[row * width + column] =
                scale * (float)(2.0 * random_uniform(&random) - 1.0);
    }
}

/* out[i] = sum of the table's rows that entry i names. */
void gather_sums(const float *restrict table, int64_t width, const int32_t *restrict rows,
                 int64_t names, int64_t first, int64_t last, float *restrict out) {
    for (int64_t index = first; index < last; index++) {
        float *restrict sum = out + index * width;
        memset(sum, 0, (size_t)width * sizeof(float));
        for (int64_t name = 0; name < names; name++) {
            const int32_t row = rows[index * names + name];
            if (row == MISSING) continue;
            const float *restrict from = table + (int64_t)row * width;
            for (int64_t column = 0; column < width; column++) sum[column] += from[column];
        }
    }
}

/* What prediction needs of a model, for one pair at a time. */
typedef struct {
    const uint64_t *entity_keys, *prefix_keys;
    const int32_t *entity_rows, *prefix_rows;
    uint64_t entity_mask, prefix_mask;
    const float *entity_weights, *prefix_weights;
    int64_t entities_used, entity_limit;
    const int32_t *lengths;
    int64_t levels, width;
} Tables;

static inline void add_row(float *restrict sum, const float *restrict table, int64_t row,
                           int64_t width) {
    const float *restrict from = table + row * width;
    for (int64_t column = 0; column < width; column++) sum[column] += from[column];
}

/* The vectors of a packed pair, as find_entities, find_prefixes and gather_sums give them: out is
   the entity's, zero for one that is not known, then the address's before the encoder, and has
   room for a third. */
void embed_pair(const Tables *tables, uint64_t packed, double *restrict out) {
    const int64_t width = tables->width;
    const uint32_t entity = (uint32_t)(packed >> 32), address = (uint32_t)packed;
    int32_t found;
    find_entities(&entity, 1, tables->entity_keys, tables->entity_rows, tables->entity_mask,
                  tables->entities_used, tables->entity_limit, &found);
    if (found == MISSING) {
        memset(out, 0, (size_t)width * sizeof(double));
    } else {
        const float *restrict from = tables->entity_weights + (int64_t)found * width;
        for (int64_t column = 0; column < width; column++) out[column] = from[column];
    }
    float *restrict sum = (float *)(out + 2 * width);
    memset(sum, 0, (size_t)width * sizeof(float));
    for (int octet = 0; octet < 4; octet++)
        add_row(sum, tables->prefix_weights, octet * 256 + (address >> (24 - 8 * octet) & 255),
                width);
    for (int64_t level = 0; level < tables->levels; level++) {
        const int32_t row = find_row(prefix_key(address, tables->lengths[level]),
                                     tables->prefix_keys, tables->prefix_rows, tables->prefix_mask);
        if (row == MISSING) break;
        add_row(sum, tables->prefix_weights, row, width);
    }
    for (int64_t column = 0; column < width; column++) out[width + column] = sum[column];
}

static inline float dot(const float *restrict a, const float *restrict b, int64_t width) {
    float sum = 0.0f;
    for (int64_t column = 0; column < width; column++) sum += a[column] * b[column];
    return sum;
}

static inline void add_scaled(float *restrict out, const float *restrict from, float by,
                              int64_t width) {
    for (int64_t column = 0; column < width; column++) out[column] += by * from[column];
}

/* One sample: its residual p - y; adds its loss and whether it was told right. */
static inline float judge(float score, int real, double *restrict totals) {
    const float odds = expf(-fabsf(score));
    const float wrong = real ? -score : score;
    totals[0] += (wrong > 0.0f ? wrong : 0.0f) + log1pf(odds);
    totals[1] += real ? score > 0.0f : score <= 0.0f;
    const float probability = (score >= 0.0f ? 1.0f : odds) / (1.0f + odds);
    return probability - (float)real;
}

/* Scores addresses first..last-1 of pairs * (1 + random): the pairs' own, then one block of
   generated ones per random rate, in the pairs' order. An own address is also scored with the
   entity of pair partners[s * pairs + i] for each shuffle s. Writes the residual of sample
   (block, i) to residuals[block * pairs + i], blocks in the order own, random, shuffled, and the
   loss's gradient by each address's vector. totals: loss, right answers. */
void score_addresses(const float *restrict entity_table, const int32_t *restrict entity_rows,
                     const float *restrict vectors, int64_t width, int64_t pairs, int64_t random,
                     int64_t shuffled, const int32_t *restrict partners, int64_t first,
                     int64_t last, float *restrict residuals, float *restrict gradients,
                     double *restrict totals) {
    for (int64_t index = first; index < last; index++) {
        const float *restrict vector = vectors + index * width;
        float *restrict gradient = gradients + index * width;
        const int64_t pair = index % pairs;
        const float *own = entity_table + (int64_t)entity_rows[pair] * width;
        memset(gradient, 0, (size_t)width * sizeof(float));
        residuals[index] = judge(dot(own, vector, width), index < pairs, totals);
        add_scaled(gradient, own, residuals[index], width);
        if (index >= pairs) continue;
        for (int64_t shuffle = 0; shuffle < shuffled; shuffle++) {
            const int64_t sample = (1 + random + shuffle) * pairs + index;
            const int32_t partner = partners[shuffle * pairs + index];
            const float *other = entity_table + (int64_t)entity_rows[partner] * width;
            residuals[sample] = judge(dot(other, vector, width), 0, totals);
            add_scaled(gradient, other, residuals[sample], width);
        }
    }
}

/* Groups count * names row names by row: the distinct rows in order of appearance; for each the
   entries that name it are members[starts[j]..starts[j+1]-1]. `scratch` has a place for each row
   of the table and holds -1 before and after. Returns how many rows there are. */
int64_t group_rows(const int32_t *restrict rows, int64_t count, int64_t names,
                   int32_t *restrict scratch, int32_t *restrict distinct, int32_t *restrict starts,
                   int32_t *restrict members) {
    int64_t groups = 0;
    const int64_t total = count * names;
    for (int64_t at = 0; at < total; at++) {
        const int32_t row = rows[at];
        if (row == MISSING) continue;
        if (scratch[row] == MISSING) {
            scratch[row] = (int32_t)groups;
            distinct[groups] = row;
            starts[groups++] = 0;
        }
        starts[scratch[row]]++;
    }
    int32_t end = 0;
    for (int64_t group = 0; group < groups; group++) {
        end += starts[group];
        starts[group] = end;
    }
    starts[groups] = end;
    for (int64_t at = total - 1; at >= 0; at--)
        if (rows[at] != MISSING) members[--starts[scratch[rows[at]]]] = (int32_t)(at / names);
    for (int64_t group = 0; group < groups; group++) scratch[distinct[group]] = MISSING;
    return groups;
}

/* Each distinct entity's gradient: its pairs' samples of every kind. inverses[s * pairs + i] is
   the address that shuffle s paired with pair i's entity. */
void entity_gradients(const float *restrict vectors, int64_t width, int64_t pairs, int64_t random,
                      int64_t shuffled, const int32_t *restrict inverses,
                      const float *restrict residuals, const int32_t *restrict starts,
                      const int32_t *restrict members, int64_t first, int64_t last,
                      float *restrict gradients) {
    for (int64_t group = first; group < last; group++) {
        float *restrict gradient = gradients + group * width;
        memset(gradient, 0, (size_t)width * sizeof(float));
        for (int32_t at = starts[group]; at < starts[group + 1]; at++) {
            const int64_t pair = members[at];
            for (int64_t block = 0; block <= random; block++) {
                const int64_t sample = block * pairs + pair;
                add_scaled(gradient, vectors + sample * width, residuals[sample], width);
            }
            for (int64_t shuffle = 0; shuffle < shuffled; shuffle++) {
                const int64_t address = inverses[shuffle * pairs + pair];
                add_scaled(gradient, vectors + address * width,
                           residuals[(1 + random + shuffle) * pairs + address], width);
            }
        }
    }
}

/* gradients[j] = sum over the members of group j of their rows. */
void sum_members(const float *restrict rows, int64_t width, const int32_t *restrict starts,
                 const int32_t *restrict members, int64_t first, int64_t last,
                 float *restrict gradients) {
    for (int64_t group = first; group < last; group++) {
        float *restrict gradient = gradients + group * width;
        memset(gradient, 0, (size_t)width * sizeof(float));
        for (int32_t at = starts[group]; at < starts[group + 1]; at++)
            add_scaled(gradient, rows + (int64_t)members[at] * width, 1.0f, width);
    }
}

/* Adam (Kingma and Ba 2015) on the named rows alone, L2 term included. `rate` has the correction
   for the moments' start in it. */
void move_rows(float *restrict weights, float *restrict means, float *restrict squares,
               int64_t width, const int32_t *restrict rows, const float *restrict gradients,
               int64_t first, int64_t last, float rate, float decay, float beta1, float beta2,
               float epsilon) {
    for (int64_t index = first; index < last; index++) {
        const int64_t at = (int64_t)rows[index] * width;
        float *restrict weight = weights + at;
        float *restrict mean = means + at;
        float *restrict square = squares + at;
        const float *restrict gradient = gradients + index * width;
        for (int64_t column = 0; column < width; column++) {
            const float slope = gradient[column] + decay * weight[column];
            mean[column] = beta1 * mean[column] + (1.0f - beta1) * slope;
            square[column] = beta2 * square[column] + (1.0f - beta2) * slope * slope;
            weight[column] -= rate * mean[column] / (sqrtf(square[column]) + epsilon);
        }
    }
}
