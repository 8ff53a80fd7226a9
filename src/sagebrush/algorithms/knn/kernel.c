/* Exhaustive search for the k rows with the highest scores x.y + bias(y), for many queries x.
 *
 * With bias(y) = -|y|^2 / 2 those are the nearest rows, with 0 those of the largest inner product.
 * The rows y are laid out in panels of WIDE rows, feature by feature, the queries in groups of
 * TALL; the innermost loop multiplies a group with a panel into registers as a matrix product does.
 * A score is looked at again only if it beats the k-th best of its query so far, which after the
 * first rows is rare; the k best are a heap with the worst on top. Rows are scanned in runs that
 * stay in the cache while all groups pass over them. A query's result does not depend on the
 * others of its group.
 */

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define WIDE 16
/* Floats of a run of panels: half a megabyte of a second-level cache. */
#define RUN_FLOATS (1 << 17)

#if defined(__AVX512F__)
#define TALL 16
#elif defined(__AVX2__)
#define TALL 4
#else
#define TALL 2
#endif

typedef float vector __attribute__((vector_size(4 * WIDE), aligned(4)));

/* How many queries a group has. */
int64_t nearest_group(void)
{
    return TALL;
}

/* Lays out `count` rows, less `shift`, in panels: features x WIDE floats each, then the bias of
 * each row. Places beyond the last row get zeros and a bias no row is worse than. */
void nearest_pack(const float *restrict rows, int64_t count, int64_t features,
                  const float *restrict shift, int64_t by_distance, float *restrict panels,
                  float *restrict bias)
{
    for (int64_t first = 0; first < count; first += WIDE) {
        float *restrict panel = panels + first * features;
        for (int64_t lane = 0; lane < WIDE; lane++) {
            const int inside = first + lane < count;
            double square = 0.0;
            for (int64_t feature = 0; feature < features; feature++) {
                float value = 0.0f;
                if (inside)
                    value = rows[(first + lane) * features + feature] - shift[feature];
                panel[feature * WIDE + lane] = value;
                square += (double)value * value;
            }
            bias[first + lane] = !inside ? -INFINITY : by_distance ? (float)(-0.5 * square) : 0.0f;
        }
    }
}

/* One bit for each score above the limit. */
static inline unsigned above(const vector *restrict scores, float limit)
{
#if defined(__AVX512F__)
    return _mm512_cmp_ps_mask(_mm512_loadu_ps((const float *)scores), _mm512_set1_ps(limit), _CMP_GT_OQ);
#elif defined(__AVX2__)
    const __m256 limits = _mm256_set1_ps(limit);
    const __m256 low = _mm256_loadu_ps((const float *)scores);
    const __m256 high = _mm256_loadu_ps((const float *)scores + 8);
    return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(low, limits, _CMP_GT_OQ)) |
           (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(high, limits, _CMP_GT_OQ)) << 8;
#else
    unsigned bits = 0;
    for (int lane = 0; lane < WIDE; lane++)
        bits |= (unsigned)((*scores)[lane] > limit) << lane;
    return bits;
#endif
}

/* Puts a score and its row in place of the worst of a heap of k. */
static void replace_worst(float *restrict scores, int64_t *restrict places, int64_t k, float score,
                          int64_t place)
{
    int64_t hole = 0;
    for (;;) {
        int64_t child = 2 * hole + 1;
        if (child >= k)
            break;
        if (child + 1 < k && scores[child + 1] < scores[child])
            child++;
        if (score <= scores[child])
            break;
        scores[hole] = scores[child];
        places[hole] = places[child];
        hole = child;
    }
    scores[hole] = score;
    places[hole] = place;
}

static inline __attribute__((always_inline)) void
scan_panel(const float *restrict group, const int tall, const float *restrict panel,
           const float *restrict bias, int64_t features, int64_t first_place, int64_t k,
           float *restrict scores, int64_t *restrict places)
{
    vector products[TALL], base;
    memcpy(&base, bias, sizeof base);
    for (int line = 0; line < tall; line++)
        products[line] = (vector){0};
    for (int64_t feature = 0; feature < features; feature++) {
        vector values;
        memcpy(&values, panel + feature * WIDE, sizeof values);
#pragma GCC unroll 16
        for (int line = 0; line < tall; line++)
            products[line] += group[feature * TALL + line] * values;
    }
    for (int line = 0; line < tall; line++) {
        const vector found = products[line] + base;
        unsigned better = above(&found, scores[line * k]);
        while (better) {
            const int lane = __builtin_ctz(better);
            better &= better - 1;
            if (found[lane] > scores[line * k])
                replace_worst(scores + line * k, places + line * k, k, found[lane],
                              first_place + lane);
        }
    }
}

/* Scans all panels for `queries` queries in groups, features x TALL floats each. `scores` and
 * `places` are (whole groups of queries, k), scores -infinity and places -1 to begin with; a row of
 * them becomes a heap of the k best. Rows are counted from `first_place` on. */
void nearest_scan(const float *restrict panels, const float *restrict bias, int64_t panel_count,
                  int64_t first_place, int64_t features, const float *restrict groups,
                  int64_t queries, int64_t k, float *restrict scores, int64_t *restrict places)
{
    int64_t run = RUN_FLOATS / (features * WIDE);
    run = run < 1 ? 1 : run;
    for (int64_t begin = 0; begin < panel_count; begin += run) {
        const int64_t end = begin + run < panel_count ? begin + run : panel_count;
        for (int64_t query = 0; query < queries; query += TALL) {
            const float *group = groups + query * features;
            float *best = scores + query * k;
            int64_t *where = places + query * k;
            for (int64_t number = begin; number < end; number++) {
                const float *panel = panels + number * features * WIDE;
                const int64_t place = first_place + number * WIDE;
                if (queries - query == 1)
                    scan_panel(group, 1, panel, bias + number * WIDE, features, place, k, best,
                               where);
                else
                    scan_panel(group, TALL, panel, bias + number * WIDE, features, place, k, best,
                               where);
            }
        }
    }
}

/* Squared distances of each query, (queries, features) less the panels' shift, to its places. */
void nearest_distances(const float *restrict panels, int64_t features,
                       const float *restrict queries, int64_t count, int64_t k,
                       const int64_t *restrict places, float *restrict distances)
{
    for (int64_t query = 0; query < count; query++)
        for (int64_t rank = 0; rank < k; rank++) {
            const int64_t place = places[query * k + rank];
            const float *row = panels + place / WIDE * WIDE * features + place % WIDE;
            float square = 0.0f;
            for (int64_t feature = 0; feature < features; feature++) {
                const float difference = queries[query * features + feature] - row[feature * WIDE];
                square += difference * difference;
            }
            distances[query * k + rank] = square;
        }
}
