/* The alias method's table, built in linear time (Vose 1991). */
#include "noise.h"

#include <stdlib.h>

/* `chances` are the outcomes' probabilities times their number, and are changed. Returns 0, or -1
   when memory ran out. */
int build_noise(double *chances, int64_t count, Alias *table) {
    int32_t *small = malloc((size_t)count * 2 * sizeof(int32_t));
    if (!small) return -1;
    int32_t *large = small + count;
    int64_t smalls = 0, larges = 0;
    for (int64_t k = 0; k < count; k++) {
        table[k] = (Alias){UINT32_MAX, (int32_t)k};
        if (chances[k] < 1.0) small[smalls++] = (int32_t)k;
        else large[larges++] = (int32_t)k;
    }
    while (smalls > 0 && larges > 0) {
        const int32_t less = small[--smalls], more = large[larges - 1];
        table[less] = (Alias){(uint32_t)(chances[less] * 4294967295.0), more};
        chances[more] -= 1.0 - chances[less];
        if (chances[more] < 1.0) {
            larges--;
            small[smalls++] = more;
        }
    }
    free(small);
    return 0;
}
