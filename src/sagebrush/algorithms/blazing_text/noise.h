/* Draws in constant time from any distribution over words. */
#ifndef SAGEBRUSH_BLAZING_TEXT_NOISE_H
#define SAGEBRUSH_BLAZING_TEXT_NOISE_H

#include <stdint.h>

/* One outcome of the alias method: itself below the threshold, else the other one. */
typedef struct {
    uint32_t threshold;
    int32_t other;
} Alias;

#endif
