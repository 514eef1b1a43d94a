/* Coefficients to samples that are means of boxes (SMPTE RDD 36, 7.3 to 7.5, at a reduced size).
 *
 * A side of 8 becomes n samples, each the mean of β = 8/n. The mean of the cosine of frequency u over the boxes is again a
 * cosine, of n points, weakened by a(u) = sin(βuπ/16) / (β sin(uπ/16)): for u < n of the frequency u, and above of
 * 2n − u and so on, as frequencies fold that are too high for n samples. So the inverse transform of n points, of
 * coefficients that were weakened and folded so, gives the means of what was decoded; all constant factors go into what a
 * coefficient counts. With n = 1 only the block's mean is left, and the result is exact.
 */

#ifndef FILM_ARCHIVE_PRORES_TRANSFORM_H
#define FILM_ARCHIVE_PRORES_TRANSFORM_H

#include "slice.h"

#define MOST_ROWS 8    /* of samples out of a block */
#define MOST_COLUMNS 4
#define MOST_CORNER (MOST_ROWS * MOST_COLUMNS)

/* cos(kπ/16) */
#define COS_1 0.98078528040323043f
#define COS_2 0.92387953251128674f
#define COS_3 0.83146961230254524f
#define COS_5 0.55557023301960218f
#define COS_6 0.38268343236508977f
#define COS_7 0.19509032201612825f

/* What becomes of frequency u on the way to n samples: ½C(u)a(u) for the frequency into which it folds, with the cosine in
 * it where that has the same size for all samples (0 and n/2). */
typedef struct {
    float factor;
    int frequency;
} Fold;

static const Fold FOLDS[4][8] = {
    /* n = 1 */ { { 0.35355339059327376f, 0 } },
    /* n = 2 */ { { 0.35355339059327376f, 0 }, { 0.32036448654967945f, 1 }, { 0, 0 }, { -0.11249685030499585f, 1 }, { 0, 0 },
                  { 0.07516798985607478f, 1 }, { 0, 0 }, { -0.06372483926574427f, 1 } },
    /* n = 4 */ { { 0.35355339059327376f, 0 }, { 0.49039264020161522f, 1 }, { 0.32664074121909413f, 2 },
                  { 0.41573480615127262f, 3 }, { 0, 0 }, { -0.27778511650980111f, 3 }, { -0.13529902503654925f, 2 },
                  { -0.09754516100806413f, 1 } },
    /* n = 8 */ { { 0.35355339059327376f, 0 }, { 0.5f, 1 }, { 0.5f, 2 }, { 0.5f, 3 }, { 0.35355339059327376f, 4 },
                  { 0.5f, 5 }, { 0.5f, 6 }, { 0.5f, 7 } },
};

/* A scan position, into which coefficient of the small transform it goes ([row-frequency · columns + column-frequency]),
 * and what it counts, but for the quantiser. */
typedef struct {
    float weight;
    int position, slot;
} Tap;

/* How a component becomes samples; the same for all slices of a frame. */
typedef struct {
    int blocks_per_mb, positions;  /* in the slices, and how many positions of each are decoded */
    int rows, columns;             /* of samples out of a block: 1, 2, 4, 8 and 1, 2, 4 */
    int join_rows, join_columns;   /* the two blocks of a macroblock that lie so give one row or column between them */
    int down, across;              /* blocks of a macroblock that give samples of their own */
    int step, row_step, column_step; /* such a block's number: of the macroblock, down, across */
    int taps_count;
    Tap taps[MOST_POSITIONS];      /* first one for each slot, in order; then what folds into them */
    uint8_t *plane;
    ptrdiff_t line_size;
    int width, height;             /* of the plane */
} Way;

/* Samples of 16 or 8 bits: the grey level and half a step for rounding, and the range that leaves out what marks timing. */
typedef struct {
    int wide;
    float middle, least, most;
} Range;

typedef struct {
    float values[MOST_CORNER][MOST_BLOCKS];
} Corners;

/* One side of n samples in place, over LANES blocks; `step` apart. */
ALWAYS_INLINE void transform_2(float *x, int step, int i)
{
    float a = x[i], b = x[step + i];
    x[i] = a + b;
    x[step + i] = a - b;
}

ALWAYS_INLINE void transform_4(float *x, int step, int i)
{
    float even = x[i] + x[2 * step + i], even_2 = x[i] - x[2 * step + i];
    float one = x[step + i], three = x[3 * step + i];
    float odd = COS_2 * one + COS_6 * three, odd_2 = COS_6 * one - COS_2 * three;
    x[i] = even + odd;
    x[step + i] = even_2 + odd_2;
    x[2 * step + i] = even_2 - odd_2;
    x[3 * step + i] = even - odd;
}

ALWAYS_INLINE void transform_8(float *x, int step, int i)
{
    float sum = x[i] + x[4 * step + i], difference = x[i] - x[4 * step + i];
    float two = x[2 * step + i], six = x[6 * step + i];
    float slope = COS_2 * two + COS_6 * six, slope_2 = COS_6 * two - COS_2 * six;
    float even[4] = { sum + slope, difference + slope_2, difference - slope_2, sum - slope };
    float one = x[step + i], three = x[3 * step + i], five = x[5 * step + i], seven = x[7 * step + i];
    float odd[4] = {
        COS_1 * one + COS_3 * three + COS_5 * five + COS_7 * seven,
        COS_3 * one - COS_7 * three - COS_1 * five - COS_5 * seven,
        COS_5 * one - COS_1 * three + COS_7 * five + COS_3 * seven,
        COS_7 * one - COS_5 * three + COS_3 * five - COS_1 * seven,
    };
    for (int k = 0; k < 4; k++) {
        x[k * step + i] = even[k] + odd[k];
        x[(7 - k) * step + i] = even[k] - odd[k];
    }
}

/* Coefficients of one field, weighted and folded; those of a second field are added. `blocks` is a multiple of LANES. */
ALWAYS_INLINE void weigh(Corners *corners, const Way *way, const int16_t *values, int stride, uint32_t quantiser, int blocks,
                         int add)
{
    for (int k = 0; k < way->taps_count; k++) {
        const Tap tap = way->taps[k];
        const int16_t *restrict from = values + tap.position * stride;
        float *restrict to = corners->values[tap.slot], weight = tap.weight * (float)quantiser;
        if (add || k >= way->rows * way->columns)
            for (int i = 0; i < (blocks & -LANES); i++)
                to[i] += weight * from[i];
        else
            for (int i = 0; i < (blocks & -LANES); i++)
                to[i] = weight * from[i];
    }
}

/* Neighbours in a macroblock become one; their weights are halved already. Blocks are counted down first here. */
ALWAYS_INLINE void join(Corners *corners, const Way *way, int macroblocks)
{
    for (int k = 0; k < way->rows * way->columns; k++) {
        float *x = corners->values[k];
        if (way->join_columns)
            for (int m = 0; m < macroblocks; m++) {
                x[2 * m] = x[4 * m] + x[4 * m + 2];
                x[2 * m + 1] = x[4 * m + 1] + x[4 * m + 3];
            }
        if (way->join_rows)
            for (int m = 0; m < macroblocks; m++)
                x[m] = x[2 * m] + x[2 * m + 1];
    }
}

/* Both sides of the blocks' corners, in place: frequencies to samples. */
ALWAYS_INLINE void transform(Corners *corners, int rows, int columns, int blocks)
{
    for (int u = 0; u < columns && rows > 1; u++)
        for (int i = 0; i < (blocks & -LANES); i++) {
            float *x = corners->values[u];
            if (rows == 2)
                transform_2(x, columns * MOST_BLOCKS, i);
            else if (rows == 4)
                transform_4(x, columns * MOST_BLOCKS, i);
            else
                transform_8(x, columns * MOST_BLOCKS, i);
        }
    for (int j = 0; j < rows && columns > 1; j++)
        for (int i = 0; i < (blocks & -LANES); i++) {
            float *x = corners->values[j * columns];
            if (columns == 2)
                transform_2(x, MOST_BLOCKS, i);
            else
                transform_4(x, MOST_BLOCKS, i);
        }
}

ALWAYS_INLINE uint32_t sample(float value, const Range range)
{
    value += range.middle;
    value = value > range.least ? value : range.least;
    value = value < range.most ? value : range.most;
    return (uint32_t)(int32_t)value;
}

/* A row of samples of each block: what the first 32 bits hold, and the next. */
typedef struct {
    uint32_t first[MOST_BLOCKS], second[MOST_BLOCKS];
} Words;

/* The row `j` of all blocks, `columns` samples of each, packed as they lie in memory. */
ALWAYS_INLINE void pack_row(Words *words, const Corners *corners, int j, int columns, int blocks, const Range range)
{
    const int bits = range.wide ? 16 : 8;
    const float (*restrict x)[MOST_BLOCKS] = &corners->values[j * columns];
    uint32_t *restrict first = words->first, *restrict second = words->second;
    for (int i = 0; i < (blocks & -LANES); i++) {
        uint32_t word = sample(x[0][i], range);
        if (columns > 1)
            word |= sample(x[1][i], range) << bits;
        if (columns == 4 && !range.wide)
            word |= sample(x[2][i], range) << 16 | sample(x[3][i], range) << 24;
        first[i] = word;
        if (columns == 4 && range.wide)
            second[i] = sample(x[2][i], range) | sample(x[3][i], range) << 16;
    }
}

#endif
