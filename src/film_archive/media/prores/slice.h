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
#define LANES 8           /* what the transform works on at a time; it may look so far behind the last block */

typedef struct {
    int16_t values[MOST_POSITIONS * MOST_BLOCKS + LANES];
} Coefficients;

/* One component of a slice that is to be decoded. */
typedef struct {
    const uint8_t *data;
    int32_t size;
    int32_t blocks;
    int32_t positions; /* wanted of each block */
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
 * that of the one before it. False if damaged. */
ALWAYS_INLINE int decode_means(Bits *bits, const Component *component)
{
    refill(bits);
    uint32_t number = code(bits, FIRST_DC), wrong = number;
    int32_t mean = (int32_t)(number >> 1) ^ -(int32_t)(number & 1);
    uint32_t far = (uint32_t)mean + 32768;
    component->values[0] = (int16_t)mean;
    number = 5;
    int32_t sign = 0;
    for (int32_t i = 1; i < component->blocks; i++) {
        refill(bits);
        number = code(bits, DC_BOOKS[number < 6 ? number : 6]);
        wrong |= number;
        sign = number ? sign ^ -(int32_t)(number & 1) : 0;
        mean += ((int32_t)((number + 1) >> 1) ^ sign) - sign;
        far |= (uint32_t)mean + 32768;
        component->values[i] = (int16_t)mean;
    }
    return wrong < OUT_OF_RANGE && far < 65536 && bits_left(bits) >= 0;
}

/* Runs of zeros and levels (7.1.1.4) up to the last wanted position. False if damaged. */
ALWAYS_INLINE int decode_detail(Bits *bits, const Component *component)
{
    const uint32_t limit = (uint32_t)(component->positions * component->blocks);
    uint32_t place = (uint32_t)component->blocks, levels = 0;
    const int32_t *run_book = RUN_BOOKS[2], *level_book = LEVEL_BOOKS[1];
    for (;;) {
        refill(bits);
        int64_t left = bits_left(bits);
        uint32_t run = code(bits, run_book);
        if (RARELY(run >= limit - place)) {
            if (levels >> 15 || left < 0)
                return 0;
            if (place == limit)
                return 1;
            if (run < OUT_OF_RANGE)
                return run < (uint32_t)component->blocks * 64 - place;
            return left < 32; /* then they are all zero, and padding */
        }
        place += run;
        run_book = RUN_BOOKS[RUN_BOOK[run < 15 ? run : 15]];
        uint32_t level = code(bits, level_book);
        levels |= level;
        level_book = LEVEL_BOOKS[LEVEL_BOOK[level < 8 ? level : 8]];
        int16_t sign = (int16_t)((int64_t)bits->window >> 63);
        skip(bits, 1);
        component->values[place++] = (int16_t)(((int16_t)(level + 1) ^ sign) - sign);
    }
}

ALWAYS_INLINE int decode_component(const Component *component)
{
    Bits bits = { .data = component->data, .size = component->size };
    if (component->positions > 1)
        memset(component->values + component->blocks, 0,
               (size_t)((component->positions - 1) * component->blocks) * sizeof(int16_t));
    return decode_means(&bits, component) && (component->positions == 1 || decode_detail(&bits, component));
}

#endif
