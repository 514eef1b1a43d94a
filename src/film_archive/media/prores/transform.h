/* Coefficients to samples that are means of boxes (SMPTE RDD 36, 7.3 to 7.5, at a reduced size).
 *
 * The mean of the cosine of frequency u over each of n boxes that make up a block's side is the n-point cosine, weakened by
 * a = sin(βuπ/16) / (β sin(uπ/16)), β = 8/n. So the inverse transform of n points, with its coefficients weakened so, gives
 * the means of what those coefficients stand for; for n = 1 that is the block's mean and exact. Frequencies from n on are
 * left out. All constant factors go into the scale of a coefficient.
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

/* What becomes of frequency u on the way to n samples: [log2 n][u]. ½C(u)a(u), with the cosine in it where it has the same
 * size for all samples: u = 0; u = n/2. */
static const float FACTORS[4][8] = {
    { 0.35355339059327376f },
    { 0.35355339059327376f, 0.32036448654967945f },
    { 0.35355339059327376f, 0.49039264020161522f, 0.32664074121909413f, 0.41573480615127262f },
    { 0.35355339059327376f, 0.5f, 0.5f, 0.5f, 0.35355339059327376f, 0.5f, 0.5f, 0.5f },
};

/* How a component becomes samples; the same for all slices of a frame. */
typedef struct {
    int blocks_per_mb, positions;  /* in the slices, and how many positions of each are decoded */
    int rows, columns;             /* of samples out of a block: 1, 2, 4, 8 and 1, 2, 4 */
    int join_rows, join_columns;   /* the two blocks of a macroblock that lie so give one row or column between them */
    int down, across;              /* blocks of a macroblock that give samples of their own */
    int step, row_step, column_step; /* such a block's number: of the macroblock, down, across */
    uint8_t at[MOST_CORNER];       /* scan position of row-frequency v and column-frequency u: [v * columns + u] */
    float scale[MOST_CORNER];      /* what a quantised coefficient counts in the result's values, but for the quantiser */
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

/* Coefficients of one field to float and weighted; those of a second field are added. `blocks` is a multiple of LANES. */
ALWAYS_INLINE void weigh(Corners *corners, int count, const int16_t *values, int stride, const uint8_t *at,
                         const float *weights, int blocks, int add)
{
    for (int k = 0; k < count; k++) {
        const int16_t *restrict from = values + at[k] * stride;
        float *restrict to = corners->values[k], weight = weights[k];
        for (int i = 0; i < (blocks & -LANES); i++)
            to[i] = add ? to[i] + weight * from[i] : weight * from[i];
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
