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

/* Vectors are passed between inlined functions only, so how they would be passed otherwise is no matter. */
#pragma GCC diagnostic ignored "-Wpsabi"

/* The same coefficient, and then the same sample, of LANES blocks: worked on at once with whatever instructions there are. */
typedef float Lanes __attribute__((vector_size(4 * LANES)));
typedef int32_t Integers __attribute__((vector_size(4 * LANES)));
typedef int16_t Shorts __attribute__((vector_size(2 * LANES)));

#define GROUPS (MOST_BLOCKS / LANES)

typedef struct {
    Lanes values[MOST_CORNER][GROUPS];
} Corners;

/* One side of n samples in place, `step` apart. */
ALWAYS_INLINE void transform_2(Lanes *x, int step)
{
    Lanes a = x[0], b = x[step];
    x[0] = a + b;
    x[step] = a - b;
}

ALWAYS_INLINE void transform_4(Lanes *x, int step)
{
    Lanes even = x[0] + x[2 * step], even_2 = x[0] - x[2 * step];
    Lanes one = x[step], three = x[3 * step];
    Lanes odd = COS_2 * one + COS_6 * three, odd_2 = COS_6 * one - COS_2 * three;
    x[0] = even + odd;
    x[step] = even_2 + odd_2;
    x[2 * step] = even_2 - odd_2;
    x[3 * step] = even - odd;
}

ALWAYS_INLINE void transform_8(Lanes *x, int step)
{
    Lanes sum = x[0] + x[4 * step], difference = x[0] - x[4 * step];
    Lanes two = x[2 * step], six = x[6 * step];
    Lanes slope = COS_2 * two + COS_6 * six, slope_2 = COS_6 * two - COS_2 * six;
    Lanes even[4] = { sum + slope, difference + slope_2, difference - slope_2, sum - slope };
    Lanes one = x[step], three = x[3 * step], five = x[5 * step], seven = x[7 * step];
    Lanes odd[4] = {
        COS_1 * one + COS_3 * three + COS_5 * five + COS_7 * seven,
        COS_3 * one - COS_7 * three - COS_1 * five - COS_5 * seven,
        COS_5 * one - COS_1 * three + COS_7 * five + COS_3 * seven,
        COS_7 * one - COS_5 * three + COS_3 * five - COS_1 * seven,
    };
    for (int k = 0; k < 4; k++) {
        x[k * step] = even[k] + odd[k];
        x[(7 - k) * step] = even[k] - odd[k];
    }
}

/* Coefficients of one field, weighted and folded; those of a second field are added. */
ALWAYS_INLINE void weigh(Corners *corners, const Way *way, const int16_t *values, int stride, uint32_t quantiser, int groups,
                         int add)
{
    for (int k = 0; k < way->taps_count; k++) {
        const Tap tap = way->taps[k];
        const int16_t *from = values + tap.position * stride;
        Lanes *to = corners->values[tap.slot];
        const float weight = tap.weight * (float)quantiser;
        const int more = add || k >= way->rows * way->columns;
        for (int g = 0; g < groups; g++) {
            Shorts shorts;
            memcpy(&shorts, from + g * LANES, sizeof shorts);
            Lanes weighed = weight * __builtin_convertvector(shorts, Lanes);
            to[g] = more ? to[g] + weighed : weighed;
        }
    }
}

/* Neighbours in a macroblock become one; their weights are halved already. Blocks are counted down first here. */
ALWAYS_INLINE void join(Corners *corners, const Way *way, int macroblocks)
{
    for (int k = 0; k < way->rows * way->columns; k++) {
        float x[MOST_BLOCKS];
        memcpy(x, corners->values[k], sizeof x);
        if (way->join_columns)
            for (int m = 0; m < macroblocks; m++) {
                x[2 * m] = x[4 * m] + x[4 * m + 2];
                x[2 * m + 1] = x[4 * m + 1] + x[4 * m + 3];
            }
        if (way->join_rows)
            for (int m = 0; m < macroblocks; m++)
                x[m] = x[2 * m] + x[2 * m + 1];
        memcpy(corners->values[k], x, sizeof x);
    }
}

/* Both sides of the blocks' corners, in place: frequencies to samples. */
ALWAYS_INLINE void transform(Corners *corners, int rows, int columns, int groups)
{
    for (int g = 0; g < groups; g++) {
        for (int u = 0; u < columns; u++) {
            Lanes *x = &corners->values[u][g];
            if (rows == 2)
                transform_2(x, columns * GROUPS);
            else if (rows == 4)
                transform_4(x, columns * GROUPS);
            else if (rows == 8)
                transform_8(x, columns * GROUPS);
        }
        for (int j = 0; j < rows; j++) {
            Lanes *x = &corners->values[j * columns][g];
            if (columns == 2)
                transform_2(x, GROUPS);
            else if (columns == 4)
                transform_4(x, GROUPS);
        }
    }
}

ALWAYS_INLINE Integers samples(const Lanes *from, const Range range)
{
    const Lanes least = range.least - (Lanes){ 0 }, most = range.most - (Lanes){ 0 };
    Lanes value = *from + range.middle;
    Integers below = value < least, above = value > most;
    value = (Lanes)(((Integers)value & ~(below | above)) | ((Integers)least & below) | ((Integers)most & above));
    return __builtin_convertvector(value, Integers);
}

/* A row of samples of each block: what the first 32 bits hold, and the next. */
typedef struct {
    Integers first[GROUPS], second[GROUPS];
} Words;

/* The row `j` of all blocks, `columns` samples of each, packed as they lie in memory. */
ALWAYS_INLINE void pack_row(Words *words, const Corners *corners, int j, int columns, int groups, const Range range)
{
    const Lanes(*x)[GROUPS] = &corners->values[j * columns];
    const int bits = range.wide ? 16 : 8;
    for (int g = 0; g < groups; g++) {
        Integers word = samples(&x[0][g], range);
        if (columns > 1)
            word |= samples(&x[1][g], range) << bits;
        if (columns == 4 && !range.wide)
            word |= samples(&x[2][g], range) << 16 | samples(&x[3][g], range) << 24;
        words->first[g] = word;
        if (columns == 4 && range.wide)
            words->second[g] = samples(&x[2][g], range) | samples(&x[3][g], range) << 16;
    }
}

#endif
