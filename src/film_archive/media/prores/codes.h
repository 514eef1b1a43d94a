/* Bits and variable-length codes of ProRes (SMPTE RDD 36, 7.1.1): a reader that never leaves its bytes, and codebooks.
 *
 * A code is a run of q zero bits, a one, and some bits more. Up to L zeros it is a Rice code with R bits, above them an
 * exponential Golomb code of order E; with L = 0 and E = R + 1 the two are one, the exp-Golomb code of order R. Number and
 * length follow from q alone, by a table of one word for each q: value = (the code's bits) + offset.
 */

#ifndef FILM_ARCHIVE_PRORES_CODES_H
#define FILM_ARCHIVE_PRORES_CODES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "bytes are loaded, and samples packed, as little-endian machines do"
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define RARELY(condition) __builtin_expect(!!(condition), 0)

/* Bits are held at the top of `window`, the most significant first. Behind the last byte there are zeros without end. */
typedef struct {
    uint64_t window;
    uint32_t valid;     /* bits in the window that count */
    int32_t place;      /* of the byte to load next, against the end: below 0 while there are any */
    const uint8_t *end;
} Bits;

ALWAYS_INLINE Bits bits_of(const uint8_t *data, size_t size)
{
    return (Bits){ .place = -(int32_t)size, .end = data + size };
}

ALWAYS_INLINE uint64_t eight_bytes(const Bits *bits)
{
    uint64_t word = 0;
    if (RARELY(bits->place > -8)) {
        for (int32_t place = bits->place; place < bits->place + 8; place++)
            word = word << 8 | (place < 0 ? bits->end[place] : 0);
        return word;
    }
    memcpy(&word, bits->end + bits->place, 8);
    return __builtin_bswap64(word);
}

/* At least 56 bits to go on with. */
ALWAYS_INLINE void refill(Bits *bits)
{
    bits->window |= eight_bytes(bits) >> bits->valid;
    bits->place += (int32_t)((63 - bits->valid) >> 3);
    bits->valid |= 56;
}

ALWAYS_INLINE void skip(Bits *bits, uint32_t count)
{
    bits->window <<= count;
    bits->valid -= count;
}

/* How many bits are left; negative when more were taken than there are. */
ALWAYS_INLINE int64_t bits_left(const Bits *bits)
{
    return (int64_t)bits->valid - (int64_t)bits->place * 8;
}

/* A codebook's word for q zeros: 64 · offset + length. Codes longer than `most` are none, and get a number that is out of
 * any range. */
#define NO_CODE (((int32_t)1 << 24) * 64 + 1)
#define LENGTH(L, R, E, q) ((q) <= (L) ? (q) + 1 + (R) : 2 * (q) - (L) + (E))
#define OFFSET(L, R, E, q) ((q) <= (L) ? ((q) - 1) * (1 << (R)) : ((L) + 1) * (1 << (R)) - (1 << (E)))
#define WORD(L, R, E, most, q) (LENGTH(L, R, E, q) <= (most) ? OFFSET(L, R, E, q) * 64 + LENGTH(L, R, E, q) : NO_CODE)
#define WORDS_4(L, R, E, most, q) WORD(L, R, E, most, q), WORD(L, R, E, most, (q) + 1), WORD(L, R, E, most, (q) + 2), \
    WORD(L, R, E, most, (q) + 3)
#define WORDS_16(L, R, E, most, q) WORDS_4(L, R, E, most, q), WORDS_4(L, R, E, most, (q) + 4), \
    WORDS_4(L, R, E, most, (q) + 8), WORDS_4(L, R, E, most, (q) + 12)
#define BOOK(L, R, E, most) WORDS_16(L, R, E, most, 0), WORDS_16(L, R, E, most, 16), WORDS_16(L, R, E, most, 32), \
    WORDS_16(L, R, E, most, 48)

/* The longest code of a run is 23 bits: it then says more than the 2047 that fit a slice. 31 bits is more than any level or
 * DC needs. Run, level and sign together fit one refill. */
#define RUN_BITS 23
#define LEVEL_BITS 31
#define OUT_OF_RANGE (1 << 20)

typedef int32_t Book[64];

/* By what went before: DC differences by the last code, runs and levels by the last run and
 * level. */
static const Book FIRST_DC = { BOOK(0, 5, 6, LEVEL_BITS) };
static const Book DC_BOOKS[7] = {
    { BOOK(0, 0, 1, LEVEL_BITS) },
    { BOOK(0, 1, 2, LEVEL_BITS) }, { BOOK(0, 1, 2, LEVEL_BITS) },
    { BOOK(1, 2, 3, LEVEL_BITS) }, { BOOK(1, 2, 3, LEVEL_BITS) },
    { BOOK(0, 3, 4, LEVEL_BITS) }, { BOOK(0, 3, 4, LEVEL_BITS) },
};
static const Book RUN_BOOKS[6] = {
    { BOOK(2, 0, 1, RUN_BITS) }, { BOOK(1, 0, 1, RUN_BITS) }, { BOOK(0, 0, 1, RUN_BITS) },
    { BOOK(1, 1, 2, RUN_BITS) }, { BOOK(0, 1, 2, RUN_BITS) }, { BOOK(0, 2, 3, RUN_BITS) },
};
static const uint8_t RUN_BOOK[16] = { 0, 0, 1, 1, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 5 };
static const Book LEVEL_BOOKS[6] = {
    { BOOK(2, 0, 2, LEVEL_BITS) }, { BOOK(1, 0, 1, LEVEL_BITS) }, { BOOK(2, 0, 1, LEVEL_BITS) },
    { BOOK(0, 0, 1, LEVEL_BITS) }, { BOOK(0, 1, 2, LEVEL_BITS) }, { BOOK(0, 2, 3, LEVEL_BITS) },
};
static const uint8_t LEVEL_BOOK[9] = { 0, 1, 2, 3, 4, 4, 4, 4, 5 }; /* by magnitude − 1 */

/* The next code's number, without its sign; OUT_OF_RANGE and above where there is none. Needs 31 valid bits. */
ALWAYS_INLINE uint32_t code(Bits *bits, const int32_t *book)
{
    int32_t word = book[__builtin_clzll(bits->window | 1)];
    uint32_t number = (uint32_t)(bits->window >> (-word & 63)) + (uint32_t)(word >> 6);
    skip(bits, word & 63);
    return number;
}

#endif
