/* Scores rows by their expected inverse depth in each tree, had they been of its sample. */
#ifdef __AVX2__
#include <immintrin.h>
#endif
#include <math.h>
#include <string.h>

#include "forest.h"

#define ALWAYS_INLINE __attribute__((always_inline))

/* One tree and the rows under way in it. `values` holds each row's expected inverse depth below
   the node that is being looked at. */
typedef struct {
    const Node *nodes;
    const float *boxes;
    const float *leaves;
    const int32_t *masses;
    const float *rows;
    int64_t width;
    float tree_mass;
    int32_t *order;
    int32_t *spare;
    float *values;
} Visit;

/* A node's bounding box: lower bounds, then upper ones; the sum of its sides; what a row scores
   that is separated right above it. */
typedef struct {
    const float *sides;
    float range;
    float unseen;
} Box;

static int is_equal(const float *restrict a, const float *restrict b, int64_t width) {
    int differ = 0;
    for (int64_t i = 0; i < width; i++) differ |= a[i] != b[i];
    return !differ;
}

/* At a leaf a row ends either as one of the leaf's copies or separated from it. Returns how many
   rows were separated; they come first in the order. */
static int32_t end_at_leaf(const Visit *visit, int32_t leaf, int32_t depth, int32_t *order,
                           int32_t count) {
    const float *point = visit->leaves + leaf * visit->width;
    const float mass = (float)visit->masses[leaf];
    const float seen = (1.0f - mass / (2.0f * visit->tree_mass)) /
                       ((float)depth + log2f(mass + 1.0f));
    const float unseen = 1.0f / (float)(depth + 1);
    int32_t separated = 0;
    for (int32_t k = 0; k < count; k++) {
        const int32_t number = order[k];
        const float *row = visit->rows + number * visit->width;
        /* Most rows differ in the first value already. */
        const int equal = row[0] == point[0] && is_equal(row, point, visit->width);
        visit->values[number] = equal ? seen : unseen;
        order[separated] = number;
        separated += !equal;
    }
    return separated;
}

#ifdef __AVX2__

/* The sums of neighbouring pairs within each half, as hadd has them, in fewer operations. */
static inline __m256 pairs(__m256 a, __m256 b) {
    return _mm256_add_ps(_mm256_shuffle_ps(a, b, 0x88), _mm256_shuffle_ps(a, b, 0xdd));
}

/* By how much the box's sides would have to grow, in total, to hold the row. */
static inline ALWAYS_INLINE float growth(const float *row, const float *box, int64_t width) {
    __m256 sums = _mm256_setzero_ps();
    for (int64_t i = 0; i < width; i += 8) {
        const __m256 x = _mm256_loadu_ps(row + i);
        const __m256 below = _mm256_sub_ps(_mm256_loadu_ps(box + i), x);
        const __m256 above = _mm256_sub_ps(x, _mm256_loadu_ps(box + width + i));
        const __m256 outside = _mm256_max_ps(below, above);
        sums = _mm256_add_ps(sums, _mm256_max_ps(outside, _mm256_setzero_ps()));
    }
    /* In the order of growth_of_8: a row scores the same whatever rows come with it. */
    sums = pairs(sums, sums);
    sums = pairs(sums, sums);
    return _mm256_cvtss_f32(sums) + _mm_cvtss_f32(_mm256_extractf128_ps(sums, 1));
}

/* The growth for eight rows; the box is read once for all of them. */
static inline ALWAYS_INLINE __m256 growth_of_8(const float *rows, const int32_t *numbers,
                                               const float *box, int64_t width) {
    __m256 sums[8];
    int64_t offsets[8];
    for (int j = 0; j < 8; j++) {
        sums[j] = _mm256_setzero_ps();
        offsets[j] = numbers[j] * width;
    }
    for (int64_t i = 0; i < width; i += 8) {
        const __m256 low = _mm256_loadu_ps(box + i), high = _mm256_loadu_ps(box + width + i);
        for (int j = 0; j < 8; j++) {
            const __m256 row = _mm256_loadu_ps(rows + offsets[j] + i);
            const __m256 outside =
                _mm256_max_ps(_mm256_sub_ps(low, row), _mm256_sub_ps(row, high));
            sums[j] = _mm256_add_ps(sums[j], _mm256_max_ps(outside, _mm256_setzero_ps()));
        }
    }
    const __m256 a = pairs(pairs(sums[0], sums[1]), pairs(sums[2], sums[3]));
    const __m256 b = pairs(pairs(sums[4], sums[5]), pairs(sums[6], sums[7]));
    return _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
}

/* `separate` for eight rows, which stand before `outside` or at it in the order. */
static inline ALWAYS_INLINE int32_t separate_8(const Visit *visit, const Box *box,
                                               const int32_t *order, int32_t *outside,
                                               int64_t width) {
    int32_t numbers[8];
    float found[8];
    for (int j = 0; j < 8; j++) numbers[j] = order[j];
    const __m256i lanes = _mm256_loadu_si256((const __m256i *)order);
    const __m256 grown = growth_of_8(visit->rows, numbers, box->sides, width);
    const __m256 range = _mm256_set1_ps(box->range), unseen = _mm256_set1_ps(box->unseen);
    const __m256 kept = _mm256_div_ps(range, _mm256_add_ps(range, grown));
    const __m256 values = _mm256_i32gather_ps(visit->values, lanes, 4);
    _mm256_storeu_ps(found, _mm256_fmadd_ps(kept, _mm256_sub_ps(values, unseen), unseen));
    for (int j = 0; j < 8; j++) visit->values[numbers[j]] = found[j];
#ifdef __AVX512VL__
    const __mmask8 stays = _mm256_cmp_ps_mask(grown, _mm256_setzero_ps(), _CMP_GT_OQ);
    _mm256_storeu_si256((__m256i *)outside, _mm256_maskz_compress_epi32(stays, lanes));
    return __builtin_popcount(stays);
#else
    const int stays = _mm256_movemask_ps(_mm256_cmp_ps(grown, _mm256_setzero_ps(), _CMP_GT_OQ));
    int32_t kept_rows = 0;
    for (int j = 0; j < 8; j++) {
        outside[kept_rows] = numbers[j];
        kept_rows += stays >> j & 1;
    }
    return kept_rows;
#endif
}

#else

static inline float growth(const float *restrict row, const float *restrict box, int64_t width) {
    float sum = 0.0f;
    for (int64_t i = 0; i < width; i++) {
        const float below = box[i] - row[i], above = row[i] - box[width + i];
        const float outside = below > above ? below : above;
        sum += outside > 0.0f ? outside : 0.0f;
    }
    return sum;
}

#endif

/* Above a node, rows inside its box cannot be separated any more: they leave the order. Returns
   how many stay. */
static inline ALWAYS_INLINE int32_t separate(const Visit *visit, const Box *box, int32_t *order,
                                             int32_t count, int64_t width) {
    int32_t outside = 0, k = 0;
#ifdef __AVX2__
    for (; k + 8 <= count; k += 8)
        outside += separate_8(visit, box, order + k, order + outside, width);
#endif
    for (; k < count; k++) {
        const int32_t number = order[k];
        const float grown = growth(visit->rows + number * width, box->sides, width);
        /* An infinite growth separates for sure. */
        const float kept = box->range / (box->range + grown);
        visit->values[number] = box->unseen + kept * (visit->values[number] - box->unseen);
        order[outside] = number;
        outside += grown > 0.0f;
    }
    return outside;
}

/* The common widths are compiled on their own. */
static int32_t separate_any(const Visit *visit, int32_t node, int32_t depth, int32_t *order,
                            int32_t count) {
    const Box box = {
        .sides = visit->boxes + 2 * visit->width * node,
        .range = visit->nodes[node].range,
        .unseen = 1.0f / (float)(depth + 1),
    };
    switch (visit->width) {
        case 8: return separate(visit, &box, order, count, 8);
        case 16: return separate(visit, &box, order, count, 16);
        default: return separate(visit, &box, order, count, visit->width);
    }
}

/* Rows left of the cut come first; returns how many they are. Free of branches that depend on the
   data: those would be mispredicted every other time. */
static int32_t divide(const Visit *visit, const Node *node, int32_t *order, int32_t count) {
    const float *column = visit->rows + node->dimension;
    int32_t *spare = visit->spare;
    int32_t left = 0, right = 0, k = 0;
#ifdef __AVX512F__
    const __m512i stride = _mm512_set1_epi32((int)visit->width);
    const __m512 cuts = _mm512_set1_ps(node->cut);
    for (; k + 16 <= count; k += 16) {
        const __m512i numbers = _mm512_loadu_si512(order + k);
        const __m512i places = _mm512_mullo_epi32(numbers, stride);
        const __m512 values = _mm512_i32gather_ps(places, column, 4);
        const __mmask16 goes_left = _mm512_cmp_ps_mask(values, cuts, _CMP_LE_OQ);
        const __mmask16 goes_right = (__mmask16)~goes_left;
        /* What is written beyond the row numbers' end was read already or lies in the slack. */
        _mm512_storeu_si512(order + left, _mm512_maskz_compress_epi32(goes_left, numbers));
        _mm512_storeu_si512(spare + right, _mm512_maskz_compress_epi32(goes_right, numbers));
        left += __builtin_popcount(goes_left);
        right += __builtin_popcount(goes_right);
    }
#endif
    for (; k < count; k++) {
        const int32_t number = order[k];
        const int32_t goes_left = column[number * visit->width] <= node->cut;
        order[left] = number;
        spare[right] = number;
        left += goes_left;
        right += !goes_left;
    }
    memcpy(order + left, spare, (size_t)right * sizeof(int32_t));
    return left;
}

/* Descends with all rows at once and rises again. Returns how many rows of the order are outside
   the node's box; they come first. */
static int32_t descend(const Visit *visit, int32_t child, int32_t depth, int32_t *order,
                       int32_t count) {
    if (count == 0) return 0;
    if (child < 0) return end_at_leaf(visit, ~child, depth, order, count);
    const Node *node = visit->nodes + child;
    const int32_t middle = divide(visit, node, order, count);
    const int32_t left = descend(visit, node->left, depth + 1, order, middle);
    const int32_t right = descend(visit, node->right, depth + 1, order + middle, count - middle);
    if (left + right == 0) return 0;
    memmove(order + left, order + middle, (size_t)right * sizeof(int32_t));
    return separate_any(visit, child, depth, order, left + right);
}

/* Adds to scores[i] the score of row i in each of `trees` trees. Tree t has the nodes
   node_starts[t]..node_starts[t + 1], the leaves leaf_starts[t].. and tree_masses[t] rows of the
   sample. `order`, `spare` and `values` have room for `count` entries, count > 0, and `spare`
   for 16 more; count * width < 2^31. */
void score_rows(const Node *nodes, const float *boxes, const float *leaves, const int32_t *masses,
                const int64_t *node_starts, const int64_t *leaf_starts, const int32_t *tree_masses,
                int64_t trees, int64_t width, const float *rows, int64_t count, double *scores,
                int32_t *order, int32_t *spare, float *values) {
    for (int64_t tree = 0; tree < trees; tree++) {
        const int64_t first_node = node_starts[tree], first_leaf = leaf_starts[tree];
        const float mass = (float)tree_masses[tree];
        const Visit visit = {
            .nodes = nodes + first_node,
            .boxes = boxes + 2 * width * first_node,
            .leaves = leaves + width * first_leaf,
            .masses = masses + first_leaf,
            .rows = rows,
            .width = width,
            .tree_mass = mass,
            .order = order,
            .spare = spare,
            .values = values,
        };
        for (int32_t k = 0; k < count; k++) order[k] = k;
        descend(&visit, node_starts[tree + 1] > first_node ? 0 : ~0, 0, order, (int32_t)count);
        const float scale = log2f(mass + 1.0f);
        for (int64_t k = 0; k < count; k++) scores[k] += (double)(scale * values[k]);
    }
}
