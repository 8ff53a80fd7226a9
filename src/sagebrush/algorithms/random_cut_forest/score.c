/* Scores rows by their expected inverse depth in each tree, had they been of its sample. */
#include <math.h>
#include <string.h>

#include "forest.h"

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

static int is_equal(const float *restrict a, const float *restrict b, int64_t width) {
    int differ = 0;
    for (int64_t i = 0; i < width; i++) differ |= a[i] != b[i];
    return !differ;
}

/* By how much the box's sides would have to grow, in total, to hold the row. */
static inline __attribute__((always_inline)) float growth(const float *restrict row,
                                                          const float *restrict box,
                                                          int64_t width) {
    float sum = 0.0f;
    for (int64_t i = 0; i < width; i++) {
        const float below = box[i] - row[i], above = row[i] - box[width + i];
        const float outside = below > above ? below : above;
        sum += outside > 0.0f ? outside : 0.0f;
    }
    return sum;
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
        const int32_t row = order[k];
        const int equal = is_equal(visit->rows + row * visit->width, point, visit->width);
        visit->values[row] = equal ? seen : unseen;
        order[separated] = row;
        separated += !equal;
    }
    return separated;
}

/* Above a node, rows inside its box cannot be separated any more: they leave the order. Returns
   how many stay. */
static inline __attribute__((always_inline)) int32_t separate(
    const Visit *visit, const float *box, float range, float unseen, int32_t *restrict order,
    int32_t count, int64_t width) {
    int32_t outside = 0;
    for (int32_t k = 0; k < count; k++) {
        const int32_t row = order[k];
        const float grown = growth(visit->rows + row * width, box, width);
        /* An infinite growth separates for sure. */
        const float kept = range / (range + grown);
        visit->values[row] = unseen + kept * (visit->values[row] - unseen);
        order[outside] = row;
        outside += grown > 0.0f;
    }
    return outside;
}

static int32_t separate_any(const Visit *visit, int32_t node, int32_t depth, int32_t *order,
                            int32_t count) {
    const float *box = visit->boxes + 2 * visit->width * node;
    const float range = visit->nodes[node].range, unseen = 1.0f / (float)(depth + 1);
    switch (visit->width) {
        case 4: return separate(visit, box, range, unseen, order, count, 4);
        case 8: return separate(visit, box, range, unseen, order, count, 8);
        case 16: return separate(visit, box, range, unseen, order, count, 16);
        default: return separate(visit, box, range, unseen, order, count, visit->width);
    }
}

/* Rows left of the cut come first; returns how many they are. Free of branches that depend on the
   data: those would be mispredicted every other time. */
static int32_t divide(const Visit *visit, const Node *node, int32_t *restrict order,
                      int32_t count) {
    const float *column = visit->rows + node->dimension;
    int32_t *restrict spare = visit->spare;
    int32_t left = 0, right = 0;
    for (int32_t k = 0; k < count; k++) {
        const int32_t row = order[k];
        const int32_t goes_left = column[row * visit->width] <= node->cut;
        order[left] = row;
        spare[right] = row;
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
   sample. `order`, `spare` and `values` have room for `count` entries, count > 0. */
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
