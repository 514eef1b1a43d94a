/* A slice of ProRes (SMPTE RDD 36, 5.3 and 7.1): its header, and the quantised coefficients of its components, read only as
 * far as they are wanted.
 *
 * Coefficients are coded by scan position, each position for all blocks of the slice in turn, and are kept in that order:
 * position p of block b is at [p * blocks + b].
 */

#ifndef FILM_ARCHIVE_PRORES_SLICE_H
#define FILM_ARCHIVE_PRORES_SLICE_H

#include "codes.h"

#define MOST_BLOCKS 32    /* of a component in a slice: 8 macroblocks of 4 */
#define MOST_POSITIONS 32 /* that are ever decoded of a block's 64 */
#define STRETCH 16        /* macroblocks of a row whose slices are decoded together */
#define LANES 8           /* what the transform works on at a time; it may look so far behind the last block */

typedef struct {
    int start, end;      /* macroblocks, in their row */
    uint32_t quantiser;
    int damaged;
    int16_t *values[3];  /* quantised coefficients of Y, Cb, Cr */
} Slice;

/* A component of a slice that is to be decoded. */
typedef struct {
    Slice *slice;
    Bits bits;
    int blocks, positions;  /* how many positions are wanted of each block */
    int16_t *values;
} Component;

ALWAYS_INLINE uint32_t read_16(const uint8_t *data)
{
    return (uint32_t)data[0] << 8 | data[1];
}

ALWAYS_INLINE uint32_t read_32(const uint8_t *data)
{
    return read_16(data) << 16 | read_16(data + 2);
}

/* The scale by which a slice's coefficients were divided (7.3); 0 where its index is reserved. */
ALWAYS_INLINE uint32_t quantiser(uint32_t index)
{
    if (index < 1 || index > 224)
        return 0;
    return index <= 128 ? index : 128 + 4 * (index - 128);
}

/* The means of all blocks (7.1.1.3), each coded as the difference to the one before; a difference's sign is coded against
 * that of the one before it. */
typedef struct {
    Bits bits;
    uint32_t number, wrong, far;
    int32_t sign, mean;
} MeansLane;

ALWAYS_INLINE MeansLane begin_means(const Component *component)
{
    MeansLane lane = { .bits = component->bits };
    refill(&lane.bits);
    lane.wrong = code(&lane.bits, FIRST_DC);
    lane.mean = (int32_t)(lane.wrong >> 1) ^ -(int32_t)(lane.wrong & 1);
    lane.far = (uint32_t)lane.mean + 32768;
    lane.number = 5;
    component->values[0] = (int16_t)lane.mean;
    return lane;
}

ALWAYS_INLINE void next_mean(MeansLane *lane, int16_t *value)
{
    refill(&lane->bits);
    lane->number = code(&lane->bits, DC_BOOKS[lane->number < 6 ? lane->number : 6]);
    lane->wrong |= lane->number;
    lane->sign = (lane->sign ^ -(int32_t)(lane->number & 1)) & -(int32_t)(lane->number != 0);
    lane->mean += ((int32_t)((lane->number + 1) >> 1) ^ lane->sign) - lane->sign;
    lane->far |= (uint32_t)lane->mean + 32768;
    *value = (int16_t)lane->mean;
}

ALWAYS_INLINE void end_means(const MeansLane *lane, Component *component)
{
    component->bits = lane->bits;
    component->slice->damaged |= lane->wrong >= OUT_OF_RANGE || lane->far >= 65536 || bits_left(&lane->bits) < 0;
}

/* Runs of zeros and levels (7.1.1.4) up to the last wanted position. */
typedef struct {
    Bits bits;
    uint32_t left;   /* values from here to the last wanted one */
    uint32_t levels;
    int16_t *end;    /* behind the last wanted value */
    const int32_t *run_book, *level_book;
} DetailLane;

ALWAYS_INLINE DetailLane begin_detail(const Component *component)
{
    int32_t count = component->positions * component->blocks;
    return (DetailLane){ .bits = component->bits, .left = (uint32_t)(count - component->blocks),
                         .end = component->values + count, .run_book = RUN_BOOKS[2], .level_book = LEVEL_BOOKS[1] };
}

/* A run and a level. False when there are no more, and then either the last wanted is reached, or the end of the data (no
 * bit is left, or less than 32 that are all zero), or it is damaged. */
ALWAYS_INLINE int next_detail(DetailLane *lane, const Component *component)
{
    refill(&lane->bits);
    const int64_t bits = bits_left(&lane->bits);
    uint32_t run = code(&lane->bits, lane->run_book);
    if (RARELY(run >= lane->left)) {
        uint32_t unread = lane->left + (uint32_t)(component->blocks * (64 - component->positions));
        int good = lane->left == 0 || (run < OUT_OF_RANGE ? run < unread : bits < 32);
        component->slice->damaged |= !good || bits < 0 || lane->levels >> 15;
        return 0;
    }
    lane->left -= run;
    lane->run_book = RUN_BOOKS[RUN_BOOK[run < 15 ? run : 15]];
    uint32_t level = code(&lane->bits, lane->level_book);
    lane->levels |= level;
    lane->level_book = LEVEL_BOOKS[LEVEL_BOOK[level < 8 ? level : 8]];
    int16_t sign = (int16_t)((int64_t)lane->bits.window >> 63);
    skip(&lane->bits, 1);
    lane->end[-(ptrdiff_t)lane->left] = (int16_t)(((int16_t)(level + 1) ^ sign) - sign);
    lane->left--;
    return 1;
}

/* The means of all components; two at a time where they are alike, as a code has to wait for the one before it. */
ALWAYS_INLINE void decode_means(Component *components, int count)
{
    int k = 0;
    while (k < count) {
        Component *component = &components[k];
        MeansLane one = begin_means(component);
        if (k + 1 < count && component[1].blocks == component->blocks) {
            MeansLane two = begin_means(component + 1);
            for (int i = 1; i < component->blocks; i++) {
                next_mean(&one, &component->values[i]);
                next_mean(&two, &component[1].values[i]);
            }
            end_means(&two, component + 1);
            k++;
        } else {
            for (int i = 1; i < component->blocks; i++)
                next_mean(&one, &component->values[i]);
        }
        end_means(&one, component);
        k++;
    }
}

/* The next component of which more than means are wanted, NULL if there is none. */
ALWAYS_INLINE const Component *next_component(DetailLane *lane, const Component **next, const Component *end)
{
    while (*next < end && ((*next)->positions == 1 || (*next)->slice->damaged))
        ++*next;
    if (*next == end)
        return NULL;
    *lane = begin_detail(*next);
    return (*next)++;
}

/* What else is wanted of all components, again in two lanes. */
ALWAYS_INLINE void decode_details(const Component *components, int count)
{
    const Component *next = components, *end = components + count;
    DetailLane lane = { 0 }, lane_2 = { 0 };
    const Component *one = next_component(&lane, &next, end), *two = next_component(&lane_2, &next, end);
    while (one && two)
        for (;;) {
            if (!next_detail(&lane, one)) {
                one = next_component(&lane, &next, end);
                break;
            }
            if (!next_detail(&lane_2, two)) {
                two = next_component(&lane_2, &next, end);
                break;
            }
        }
    if (two) {
        one = two;
        lane = lane_2;
    }
    while (one && next_detail(&lane, one))
        ;
}

#endif
