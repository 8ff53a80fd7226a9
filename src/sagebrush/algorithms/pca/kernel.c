/* The scatter matrix of rows that stream by: sum over rows of (x - shift)(x - shift)'.
 *
 * Rows are taken PIECE at a time. A piece is shifted, rounded to float and laid out in panels of
 * WIDE columns, one after the other, so that the innermost loops read memory in order. Each pair of
 * panels (i <= j) then yields a WIDE x WIDE tile in registers, TALL rows of it at a time, which is
 * added to the tile's sum in double: float rounding is bounded by a piece, whatever the number of
 * rows. Only tiles of the upper triangle exist; they lie one after the other, row by row.
 *
 * Threads either take different rows and sums of their own, or the same rows and different ranges
 * of panels of one sum.
 */

#include <stdint.h>
#include <string.h>

#define WIDE 16
#define PIECE 256
/* One vector more than the rows need keeps panels off the same sets of the cache. */
#define PANEL ((PIECE + 1) * WIDE)

#if defined(__AVX512F__)
#define TALL 16
#elif defined(__AVX2__)
#define TALL 4
#else
#define TALL 2
#endif

typedef float vector __attribute__((vector_size(4 * WIDE), aligned(4)));

/* How many floats of work space a call for `panels` panels needs. */
int64_t scatter_work_floats(int64_t panels)
{
    return panels * PANEL;
}

/* The number of a tile among those of the upper triangle. */
static inline int64_t tile_number(int64_t panels, int64_t i, int64_t j)
{
    return i * panels - i * (i - 1) / 2 + (j - i);
}

/* Lays out one piece: panels from `first` on; columns past the last are zero. Adds column sums. */
#define DEFINE_PACK(NAME, NUMBER)                                                                  \
    static void NAME(const NUMBER *restrict rows, int64_t count, int64_t columns,                  \
                     const NUMBER *restrict shift, int64_t first, int64_t panels,                  \
                     float *restrict work)                                                         \
    {                                                                                              \
        const int64_t full = columns / WIDE;                                                       \
        for (int64_t row = 0; row < count; row++) {                                                \
            const NUMBER *restrict source = rows + row * columns;                                  \
            for (int64_t panel = first; panel < full; panel++) {                                   \
                float *restrict target = work + (panel - first) * PANEL + row * WIDE;              \
                for (int column = 0; column < WIDE; column++)                                      \
                    target[column] =                                                               \
                        (float)(source[panel * WIDE + column] - shift[panel * WIDE + column]);     \
            }                                                                                      \
            if (full < panels) {                                                                   \
                float *restrict target = work + (full - first) * PANEL + row * WIDE;               \
                for (int64_t column = full * WIDE; column < panels * WIDE; column++)               \
                    target[column - full * WIDE] =                                                 \
                        column < columns ? (float)(source[column] - shift[column]) : 0.0f;         \
            }                                                                                      \
        }                                                                                          \
    }

DEFINE_PACK(pack_float, float)
DEFINE_PACK(pack_double, double)

static void add_column_sums(const float *restrict work, int64_t count, int64_t panels,
                            double *restrict sums)
{
    for (int64_t panel = 0; panel < panels; panel++) {
        vector total = {0};
        for (int64_t row = 0; row < count; row++) {
            vector values;
            memcpy(&values, work + panel * PANEL + row * WIDE, sizeof values);
            total += values;
        }
        for (int column = 0; column < WIDE; column++)
            sums[panel * WIDE + column] += (double)total[column];
    }
}

/* Adds the products of one panel's TALL columns and another's WIDE columns to a tile's rows. */
static inline void add_tile_rows(const float *restrict tall, const float *restrict wide,
                                 int64_t count, double *restrict tile)
{
    vector products[TALL];
    for (int line = 0; line < TALL; line++)
        products[line] = (vector){0};
    for (int64_t row = 0; row < count; row++) {
        vector values;
        memcpy(&values, wide + row * WIDE, sizeof values);
#pragma GCC unroll 16
        for (int line = 0; line < TALL; line++)
            products[line] += tall[row * WIDE + line] * values;
    }
    for (int line = 0; line < TALL; line++)
        for (int column = 0; column < WIDE; column++)
            tile[line * WIDE + column] += (double)products[line][column];
}

/* Adds a piece's tiles (i, j), begin <= i < end, i <= j; `work` begins with panel `begin`. */
static void add_piece(const float *restrict work, int64_t count, int64_t panels, int64_t begin,
                      int64_t end, double *restrict tiles)
{
    for (int64_t i = begin; i < end; i++) {
        const float *left = work + (i - begin) * PANEL;
        for (int64_t j = i; j < panels; j++) {
            const float *right = work + (j - begin) * PANEL;
            double *tile = tiles + tile_number(panels, i, j) * WIDE * WIDE;
            for (int part = 0; part < WIDE; part += TALL)
                add_tile_rows(left + part, right, count, tile + part * WIDE);
        }
    }
}

/* Adds `count` rows of `columns` numbers to the tiles whose first panel is in [begin, end), and to
 * those panels' column sums. `tiles` holds the whole upper triangle, `sums` all columns and zeros
 * up to a whole panel, `work` scatter_work_floats(panels - begin) floats. */
#define DEFINE_ADD(NAME, PACK, NUMBER)                                                             \
    void NAME(const NUMBER *restrict rows, int64_t count, int64_t columns,                         \
              const NUMBER *restrict shift, int64_t begin, int64_t end, float *restrict work,      \
              double *restrict tiles, double *restrict sums)                                       \
    {                                                                                              \
        const int64_t panels = (columns + WIDE - 1) / WIDE;                                        \
        for (int64_t row = 0; row < count; row += PIECE) {                                         \
            const int64_t taken = count - row < PIECE ? count - row : PIECE;                       \
            PACK(rows + row * columns, taken, columns, shift, begin, panels, work);                \
            add_column_sums(work, taken, end - begin, sums + begin * WIDE);                        \
            add_piece(work, taken, panels, begin, end, tiles);                                     \
        }                                                                                          \
    }

DEFINE_ADD(scatter_add_float, pack_float, float)
DEFINE_ADD(scatter_add_double, pack_double, double)

/* Writes the tiles as a whole symmetric (columns, columns) matrix. */
void scatter_unpack(const double *restrict tiles, int64_t columns, double *restrict matrix)
{
    const int64_t panels = (columns + WIDE - 1) / WIDE;
    for (int64_t i = 0; i < panels; i++)
        for (int64_t j = i; j < panels; j++) {
            const double *tile = tiles + tile_number(panels, i, j) * WIDE * WIDE;
            for (int64_t row = i * WIDE; row < (i + 1) * WIDE && row < columns; row++)
                for (int64_t column = j * WIDE; column < (j + 1) * WIDE && column < columns;
                     column++) {
                    const double value = tile[(row - i * WIDE) * WIDE + column - j * WIDE];
                    matrix[row * columns + column] = value;
                    matrix[column * columns + row] = value;
                }
        }
}
