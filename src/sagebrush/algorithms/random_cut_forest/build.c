/* Builds robust random cut trees (Guha, Mishra, Roy, Schrijvers 2016, definition 1): a cut's
   dimension is drawn in proportion to the side of the bounding box, its place uniformly. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "../native/random.h"
#include "forest.h"

/* A part of the tree that is still to be built: rows order[first..last), and whose child it is. */
typedef struct {
    int32_t first, last;
    int32_t *link;
} Part;

static void bound(const float *restrict rows, int64_t width, const int32_t *order, int32_t count,
                  float *restrict low, float *restrict high) {
    const float *row = rows + order[0] * width;
    memcpy(low, row, (size_t)width * sizeof(float));
    memcpy(high, row, (size_t)width * sizeof(float));
    for (int32_t k = 1; k < count; k++) {
        row = rows + order[k] * width;
        for (int64_t i = 0; i < width; i++) {
            low[i] = row[i] < low[i] ? row[i] : low[i];
            high[i] = row[i] > high[i] ? row[i] : high[i];
        }
    }
}

static double range_of(const float *restrict low, const float *restrict high, int64_t width) {
    double range = 0.0;
    for (int64_t i = 0; i < width; i++) {
        const double side = (double)high[i] - (double)low[i];
        /* Kept from being summed up as all of high less all of low, where small sides are lost. */
        range += side > 0.0 ? side : 0.0;
    }
    return range;
}

static void choose_cut(Node *node, const float *low, const float *high, int64_t width,
                       double range, Random *random) {
    double rest = random_uniform(random) * range;
    double place = 0.0;
    for (int64_t i = 0; i < width; i++) {
        const double side = (double)high[i] - (double)low[i];
        if (!(side > 0.0)) continue;
        node->dimension = (int32_t)i;
        place = (double)low[i] + (rest < side ? rest : side);
        if (rest < side) break;
        rest -= side;
    }
    const float lowest = low[node->dimension], highest = high[node->dimension];
    const float cut = (float)place;
    /* Rounding must not leave one side without rows. */
    node->cut = cut >= highest ? nextafterf(highest, lowest) : cut < lowest ? lowest : cut;
}

/* The rows on the left of the cut come first; returns how many they are. */
static int32_t divide(const float *rows, int64_t width, const Node *node, int32_t *order,
                      int32_t count) {
    int32_t left = 0;
    for (int32_t k = 0; k < count; k++) {
        const int32_t row = order[k];
        if (rows[row * width + node->dimension] <= node->cut) {
            order[k] = order[left];
            order[left++] = row;
        }
    }
    return left;
}

/* One tree of `count` >= 1 rows. `nodes` and `boxes` have room for count - 1 of them, `leaves` and
   `masses` for count; a box is `width` lower bounds, then `width` upper ones. `order` has room for
   count numbers, `stack` for count + 1 parts, `spare` for 2 * width floats. found[0] and found[1]
   become the numbers of nodes and leaves. Equal rows share a leaf. */
void build_tree(const float *rows, int64_t count, int64_t width, uint64_t seed, Node *nodes,
                float *boxes, float *leaves, int32_t *masses, int32_t *order, void *stack,
                float *spare, int64_t *found) {
    Random random = random_seeded(seed);
    Part *parts = stack;
    int32_t node_count = 0, leaf_count = 0, root;
    int64_t waiting = 1;
    for (int32_t k = 0; k < count; k++) order[k] = k;
    parts[0] = (Part){0, (int32_t)count, &root};
    while (waiting > 0) {
        const Part part = parts[--waiting];
        const int32_t size = part.last - part.first;
        float *box = size > 1 && node_count < count - 1 ? boxes + 2 * width * node_count : spare;
        bound(rows, width, order + part.first, size, box, box + width);
        const double range = size > 1 ? range_of(box, box + width, width) : 0.0;
        if (!(range > 0.0)) {
            memcpy(leaves + leaf_count * width, rows + order[part.first] * width,
                   (size_t)width * sizeof(float));
            masses[leaf_count] = size;
            *part.link = ~leaf_count++;
            continue;
        }
        Node *node = nodes + node_count;
        node->range = (float)range;
        choose_cut(node, box, box + width, width, range, &random);
        *part.link = node_count++;
        const int32_t middle =
            part.first + divide(rows, width, node, order + part.first, size);
        parts[waiting++] = (Part){middle, part.last, &node->right};
        parts[waiting++] = (Part){part.first, middle, &node->left};
    }
    found[0] = node_count;
    found[1] = leaf_count;
}
