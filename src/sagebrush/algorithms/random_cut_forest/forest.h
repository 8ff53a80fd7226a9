/* A random cut forest as flat arrays, shared by building and scoring. */
#ifndef SAGEBRUSH_FOREST_H
#define SAGEBRUSH_FOREST_H

#include <stdint.h>

/* Rows are padded with zeros to `width` floats, a multiple of 8: boxes and rows agree in the
   padding, so it adds nothing to any sum.

   A node's children are numbers of nodes of the same tree (>= 0, larger than its own) or of its
   leaves (~number, < 0). A tree without nodes is its leaf 0. */
typedef struct {
    int32_t dimension; /* rows with row[dimension] <= cut go left */
    float cut;
    int32_t left;
    int32_t right;
    float range; /* the sum of the box's sides */
} Node;

#endif
