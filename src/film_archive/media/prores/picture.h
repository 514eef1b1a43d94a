/* The interface of the reduced-resolution decoder of ProRes: plain C, without Python and without heap. */

#ifndef FILM_ARCHIVE_PRORES_PICTURE_H
#define FILM_ARCHIVE_PRORES_PICTURE_H

#include <stddef.h>
#include <stdint.h>

enum {
    PRORES_DONE = 0,
    PRORES_TRUNCATED = 1,     /* ends within a header or a slice table */
    PRORES_NO_FRAME = 2,      /* no "icpf" */
    PRORES_CONTRADICTION = 3, /* sizes in headers */
    PRORES_OTHER_SIZE = 4,    /* than the caller expects */
    PRORES_RESERVED = 5,      /* chroma format, interlace mode or alpha type */
    PRORES_VERSION = 6,
    PRORES_NO_CHROMA = 7,     /* 4:4:4 asked of 4:2:2 */
};

typedef struct {
    const uint8_t *data;
    size_t size;
    unsigned width, height;       /* of the full picture, 1 to 65535 */
    unsigned reduction;           /* 2, 4 or 8 */
    unsigned bits;                /* of a sample: 8 to bytes, 10 or 12 to native 16-bit words */
    unsigned shift_x, shift_y;    /* chroma's size in the result: 1 is half, rounded up */
    uint8_t *planes[3];           /* room for ceil(size / reduction) lines and samples, chroma as above */
    ptrdiff_t line_sizes[3];      /* bytes from line to line */
} ProresRequest;

/* Decode a frame; returns one of the above. `slices` and `bad` are written on PRORES_DONE: of all slices, how many could
 * not be decoded. `plain` forbids instructions that not every processor has. */
int prores_reduce(const ProresRequest *request, uint32_t *slices, uint32_t *bad, int plain);

/* The instructions that are used where they are not forbidden. */
const char *prores_instructions(void);

#endif
