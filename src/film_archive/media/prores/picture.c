/* ProRes frames at a half, a quarter or an eighth of their size (SMPTE RDD 36): headers, and the way of slices to lines.
 *
 * All of a frame's numbers are untrusted. Nothing is allocated: a slice at a time goes through buffers of fixed size.
 */

#include "picture.h"

#include "slice.h"
#include "transform.h"

/* Scan position → 8 · row-frequency + column-frequency (7.2), as far as anything is decoded. */
static const uint8_t PROGRESSIVE_SCAN[MOST_POSITIONS] = {
    0, 1, 8, 9, 2, 3, 10, 11, 16, 17, 24, 25, 18, 19, 26, 27, 4, 5, 12, 20, 13, 6, 7, 14, 21, 28, 29, 22, 15, 23, 30, 31,
};
static const uint8_t INTERLACED_SCAN[MOST_POSITIONS] = {
    0, 8, 1, 9, 16, 24, 17, 25, 2, 10, 3, 11, 18, 26, 19, 27, 32, 40, 33, 34, 41, 48, 56, 49, 42, 35, 43, 50, 57, 58, 51, 59,
};

/* At an eighth, two lines out of each of a field's blocks need the first two row-frequencies; with the fourth, which this
 * many positions reach, they come 5 dB nearer. */
#define INTERLACED_EIGHTH 6

typedef struct {
    int interlaced, bottom_first, chroma_444, alpha;
    int width_in_mb;
    uint8_t matrices[2][64]; /* of luma and chroma */
    const uint8_t *pictures; /* behind the header */
    size_t size;
    Way ways[3];
    Range range;
} Frame;

/* A picture: the whole frame, or one of its fields. */
typedef struct {
    const uint8_t *data;
    size_t size;         /* bytes that are there */
    size_t next;         /* the picture behind this one */
    uint32_t log2_slice; /* macroblocks in a slice, but at the right edge */
    int rows;            /* of macroblocks */
    const uint8_t *table;
    size_t place;        /* of the slice that the table tells of next */
    /* the stretch at hand */
    Slice slices[STRETCH];
    int count;
    int16_t values[3][STRETCH * 4 * MOST_POSITIONS + LANES];
} Picture;

/* The frame header (5.1). */
static int read_header(Frame *frame, const ProresRequest *request)
{
    const uint8_t *data = request->data;
    if (request->size < 28)
        return PRORES_TRUNCATED;
    if (memcmp(data + 4, "icpf", 4) != 0)
        return PRORES_NO_FRAME;
    size_t header = read_16(data + 8);
    int luma = data[27] >> 1 & 1, chroma = data[27] & 1;
    if (header < 20 + 64u * (luma + chroma))
        return PRORES_CONTRADICTION;
    if (header > request->size - 8)
        return PRORES_TRUNCATED;
    if (data[11] > 1)
        return PRORES_VERSION;
    int chroma_format = data[20] >> 6, interlace = data[20] >> 2 & 3, alpha = data[25] & 15;
    if (chroma_format < 2 || interlace == 3 || alpha > 2)
        return PRORES_RESERVED;
    if (read_16(data + 16) != request->width || read_16(data + 18) != request->height)
        return PRORES_OTHER_SIZE;
    frame->chroma_444 = chroma_format == 3;
    frame->interlaced = interlace != 0;
    frame->bottom_first = interlace == 2;
    frame->alpha = alpha != 0;
    frame->width_in_mb = (int)(request->width + 15) / 16;
    memset(frame->matrices, 4, sizeof frame->matrices);
    if (luma) {
        memcpy(frame->matrices[0], data + 28, 64);
        memcpy(frame->matrices[1], data + 28, 64);
    }
    if (chroma)
        memcpy(frame->matrices[1], data + 28 + 64 * luma, 64);
    frame->pictures = data + 8 + header;
    frame->size = request->size - 8 - header;
    return PRORES_DONE;
}

static int log_2(int number)
{
    return 31 - __builtin_clz((unsigned)number);
}

/* What becomes of a component's blocks: how many samples they give, from which coefficients, counting how much. */
static void plan_way(Way *way, const Frame *frame, const ProresRequest *request, int component)
{
    const unsigned shift_x = component ? request->shift_x : 0, shift_y = component ? request->shift_y : 0;
    const unsigned side = 8 / request->reduction;
    const int wide_blocks = component == 0 || frame->chroma_444;
    /* Halves of a sample where two neighbours give one. A field's lines are two of the frame's apart. */
    int half_rows = (int)(2 * side << frame->interlaced >> shift_y);
    int half_columns = (int)(2 * side >> (wide_blocks ? shift_x : 0));
    way->join_rows = half_rows == 1;
    way->join_columns = half_columns == 1;
    way->rows = way->join_rows ? 1 : half_rows / 2;
    way->columns = way->join_columns ? 1 : half_columns / 2;
    way->blocks_per_mb = wide_blocks ? 4 : 2;
    way->down = way->join_rows ? 1 : 2;
    way->across = wide_blocks && !way->join_columns ? 2 : 1;
    way->step = way->down * way->across;
    way->row_step = component == 0 ? 2 : 1; /* luma is coded in rows of blocks, 4:4:4 chroma in columns */
    way->column_step = component == 0 ? 1 : way->down;
    const uint8_t *scan = frame->interlaced ? INTERLACED_SCAN : PROGRESSIVE_SCAN;
    float scale = (float)(1 << (request->bits - 8)) / 16; /* 2^(bits − 9) of a value's range, an eighth of the product (7.3) */
    if (frame->interlaced)
        scale /= 2;
    if (way->join_rows)
        scale /= 2;
    if (way->join_columns)
        scale /= 2;
    way->positions = frame->interlaced && way->rows == 2 && way->columns == 1 ? INTERLACED_EIGHTH : 1;
    for (int k = 0; k < MOST_POSITIONS; k++)
        if (scan[k] / 8 < way->rows && scan[k] % 8 < way->columns && way->positions <= k)
            way->positions = k + 1;
    way->taps_count = way->rows * way->columns;
    for (int k = 0; k < way->positions; k++) {
        int v = scan[k] / 8, u = scan[k] % 8;
        Fold row = FOLDS[log_2(way->rows)][v], column = FOLDS[log_2(way->columns)][u];
        int slot = row.frequency * way->columns + column.frequency;
        int own = v < way->rows && u < way->columns;
        if (own || (row.factor != 0 && column.factor != 0))
            way->taps[own ? slot : way->taps_count++] = (Tap){
                .weight = scale * frame->matrices[component != 0][scan[k]] * row.factor * column.factor,
                .position = k,
                .slot = slot,
            };
    }
    way->plane = request->planes[component];
    way->line_size = request->line_sizes[component];
    unsigned width = (request->width + request->reduction - 1) / request->reduction;
    unsigned height = (request->height + request->reduction - 1) / request->reduction;
    way->width = (int)(width + (1u << shift_x) - 1) >> shift_x;
    way->height = (int)(height + (1u << shift_y) - 1) >> shift_y;
}

static size_t slices_in_row(int width_in_mb, uint32_t log2_slice)
{
    return (size_t)(width_in_mb >> log2_slice) + (size_t)__builtin_popcount((unsigned)width_in_mb & ((1u << log2_slice) - 1));
}

/* Whether a picture of so many rows would fill its bytes to the last. */
static int fits(const Picture *picture, size_t header, size_t slices, size_t declared)
{
    if (header + 2 * slices > picture->size)
        return 0;
    size_t size = header + 2 * slices;
    for (size_t i = 0; i < slices; i++)
        size += read_16(picture->data + header + 2 * i);
    return size == declared;
}

/* A picture header and the slice table (5.2). Some coders write `other_rows` of slices for a bottom field; a last row too
 * many has none of the field's lines and is left unread. */
static int read_picture(Picture *picture, const Frame *frame, const uint8_t *data, size_t size, int rows, int other_rows)
{
    if (size < 8)
        return PRORES_TRUNCATED;
    size_t header = data[0] >> 3, declared = read_32(data + 1);
    if (header < 8 || header > declared)
        return PRORES_CONTRADICTION;
    picture->data = data;
    picture->size = declared < size ? declared : size;
    picture->next = declared;
    picture->log2_slice = data[7] >> 4 & 3;
    size_t per_row = slices_in_row(frame->width_in_mb, picture->log2_slice), slices = per_row * (size_t)rows;
    if (other_rows != rows && !fits(picture, header, slices, declared) &&
        fits(picture, header, per_row * (size_t)other_rows, declared))
        slices = per_row * (size_t)other_rows;
    if (header + 2 * slices > declared)
        return PRORES_CONTRADICTION;
    if (header + 2 * slices > size)
        return PRORES_TRUNCATED;
    picture->rows = rows;
    picture->table = data + header;
    picture->place = header + 2 * slices;
    return PRORES_DONE;
}

/* The header of the next slice (5.3), and where its components are. False if damaged. */
ALWAYS_INLINE int read_slice(Picture *picture, const Frame *frame, Slice *slice, Component *components)
{
    size_t size = read_16(picture->table), place = picture->place;
    picture->table += 2;
    picture->place += size;
    if (picture->place < picture->size)
        __builtin_prefetch(picture->data + picture->place);
    if (size < 6 || picture->place > picture->size)
        return 0;
    const uint8_t *data = picture->data + place;
    size_t header = data[0] >> 3, left = size - header;
    if (header < (frame->alpha ? 8 : 6) || header > size)
        return 0;
    slice->quantiser = quantiser(data[1]);
    size_t sizes[3] = { read_16(data + 2), read_16(data + 4), 0 };
    if (!slice->quantiser || sizes[0] == 0 || sizes[0] + sizes[1] > left)
        return 0;
    sizes[2] = header >= 8 ? read_16(data + 6) : left - sizes[0] - sizes[1];
    if (sizes[0] + sizes[1] + sizes[2] > left)
        return 0;
    data += header;
    for (int i = 0; i < 3; i++) {
        const Way *way = &frame->ways[i];
        __builtin_prefetch(data);
        __builtin_prefetch(data + 64);
        components[i] = (Component){ .slice = slice, .bits = bits_of(data, sizes[i]), .positions = way->positions,
                                     .blocks = (slice->end - slice->start) * way->blocks_per_mb, .values = slice->values[i] };
        data += sizes[i];
    }
    if (sizes[1] + sizes[2] == 0) /* no colour */
        components[1].blocks = components[2].blocks = 0;
    return 1;
}

/* Decode the slices of a stretch of macroblocks in a row, in all pictures. Returns how many are damaged. */
ALWAYS_INLINE uint32_t decode_stretch(const Frame *frame, Picture *pictures, int row, int start, int end)
{
    Component found[2 * STRETCH][3], components[2 * STRETCH * 3];
    int count = 0, ordered = 0;
    uint32_t bad = 0;
    for (int p = 0; p <= frame->interlaced; p++) {
        Picture *picture = &pictures[p];
        picture->count = 0;
        for (int size, at = start; at < end; at += size) {
            size = 1 << picture->log2_slice;
            while (size > frame->width_in_mb - at)
                size /= 2;
            Slice *slice = &picture->slices[picture->count++];
            *slice = (Slice){ .start = at, .end = at + size, .damaged = 1 };
            for (int i = 0; i < 3; i++)
                slice->values[i] =
                    picture->values[i] + (at - start) * frame->ways[i].blocks_per_mb * frame->ways[i].positions;
            if (row < picture->rows && picture->data && read_slice(picture, frame, slice, found[count])) {
                slice->damaged = 0;
                count++;
            }
        }
    }
    for (int i = 0; i < 3; i++) {
        for (int p = 0; p <= frame->interlaced; p++)
            memset(pictures[p].values[i], 0,
                   (size_t)((end - start) * frame->ways[i].blocks_per_mb * frame->ways[i].positions) * sizeof(int16_t));
        for (int k = 0; k < count; k++)
            if (found[k][i].blocks)
                components[ordered++] = found[k][i];
    }
    decode_means(components, ordered);
    decode_details(components, ordered);
    for (int p = 0; p <= frame->interlaced; p++)
        for (int k = 0; k < pictures[p].count && row < pictures[p].rows; k++)
            bad += pictures[p].slices[k].damaged != 0;
    return bad;
}

/* Samples of so many bytes in a row of blocks to a line, which takes no more than `room` bytes. */
ALWAYS_INLINE void write_line(uint8_t *line, const Words *words, const Way *way, int first, int macroblocks, size_t size,
                              size_t room)
{
    uint8_t *to = line;
    for (int m = 0; m < macroblocks; m++)
        for (int c = 0; c < way->across; c++) {
            int block = first + m * way->step + c * way->column_step;
            int32_t pair[2] = { 0 };
            memcpy(&pair[0], (const char *)words->first + 4 * block, 4);
            if (size > 4)
                memcpy(&pair[1], (const char *)words->second + 4 * block, 4);
            if (RARELY(room < size)) {
                memcpy(to, pair, room);
                return;
            }
            memcpy(to, pair, size);
            to += size;
            room -= size;
        }
}

ALWAYS_INLINE void write_tile(Corners *corners, const Way *way, int rows, int columns, int wide, Range range, int row,
                              int start, int macroblocks)
{
    const int x = start * way->across * columns, y = row * way->down * rows;
    const int groups = (macroblocks * way->step + LANES - 1) / LANES;
    const size_t bytes = wide ? 2 : 1;
    if (x >= way->width)
        return;
    range.wide = wide;
    transform(corners, rows, columns, groups);
    for (int j = 0; j < rows; j++) {
        Words words;
        pack_row(&words, corners, j, columns, groups, range);
        for (int r = 0; r < way->down; r++) {
            int line = y + r * rows + j;
            if (line < way->height)
                write_line(way->plane + line * way->line_size + (size_t)x * bytes, &words, way, r * way->row_step,
                           macroblocks, (size_t)columns * bytes, (size_t)(way->width - x) * bytes);
        }
    }
}

/* The macroblocks that both fields' (or the one picture's) slices have in common, to all planes. */
ALWAYS_INLINE void show(const Frame *frame, const Slice *first, const Slice *second, int row, int start, int end)
{
    const int macroblocks = end - start;
    const Slice *fields[2] = { first->damaged ? second : first, second->damaged ? first : second };
    for (int i = 0; i < 3; i++) {
        const Way *way = &frame->ways[i];
        const int count = way->rows * way->columns;
        const int groups = (macroblocks * way->blocks_per_mb + LANES - 1) / LANES;
        Corners corners;
        if (fields[0]->damaged) /* both: mid-grey */
            memset(&corners, 0, (size_t)count * sizeof corners.values[0]);
        for (int f = 0; f <= frame->interlaced && !fields[f]->damaged; f++) {
            const Slice *slice = fields[f];
            weigh(&corners, way, slice->values[i] + (start - slice->start) * way->blocks_per_mb,
                  (slice->end - slice->start) * way->blocks_per_mb, slice->quantiser, groups, f);
        }
        if (way->join_rows || way->join_columns)
            join(&corners, way, macroblocks);
#define TILE(ROWS, COLUMNS) \
    case ROWS * 8 + COLUMNS: \
        if (frame->range.wide) \
            write_tile(&corners, way, ROWS, COLUMNS, 1, frame->range, row, start, macroblocks); \
        else \
            write_tile(&corners, way, ROWS, COLUMNS, 0, frame->range, row, start, macroblocks); \
        break;
        switch (way->rows * 8 + way->columns) {
            TILE(1, 1) TILE(1, 2) TILE(2, 1) TILE(2, 2) TILE(2, 4) TILE(4, 1) TILE(4, 2) TILE(4, 4) TILE(8, 2) TILE(8, 4)
        }
    }
}

/* All rows of macroblocks; returns how many slices were damaged. */
ALWAYS_INLINE uint32_t decode_rows(const Frame *frame, Picture *pictures)
{
    uint32_t bad = 0;
    const Picture *last = &pictures[frame->interlaced];
    const int rows = last->rows > pictures->rows ? last->rows : pictures->rows;
    for (int row = 0; row < rows; row++)
        for (int start = 0, end; start < frame->width_in_mb; start = end) {
            end = start + STRETCH < frame->width_in_mb ? start + STRETCH : frame->width_in_mb;
            bad += decode_stretch(frame, pictures, row, start, end);
            const Slice *first = pictures->slices, *second = last->slices;
            for (int from = start, to; from < end; from = to) {
                to = first->end < second->end ? first->end : second->end;
                show(frame, first, second, row, from, to);
                first += first->end == to;
                second += second->end == to;
            }
        }
    return bad;
}

static uint32_t decode_plain(const Frame *frame, Picture *pictures)
{
    return decode_rows(frame, pictures);
}

#if defined(__x86_64__)
#ifdef __clang__ /* whose older versions can't ask for lzcnt */
#define MORE "avx2,bmi,bmi2"
#define HAS_LZCNT 1
#else
#define MORE "avx2,bmi,bmi2,lzcnt"
#define HAS_LZCNT __builtin_cpu_supports("lzcnt")
#endif
__attribute__((target(MORE))) static uint32_t decode_avx2(const Frame *frame, Picture *pictures)
{
    return decode_rows(frame, pictures);
}

static int has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") && HAS_LZCNT;
}
#else
static uint32_t decode_avx2(const Frame *frame, Picture *pictures)
{
    return decode_rows(frame, pictures);
}

static int has_avx2(void)
{
    return 0;
}
#endif

const char *prores_instructions(void)
{
    return has_avx2() ? "AVX2" : "plain";
}

int prores_reduce(const ProresRequest *request, uint32_t *slices, uint32_t *bad, int plain)
{
    Frame frame;
    Picture pictures[2];
    int status = read_header(&frame, request);
    if (status != PRORES_DONE)
        return status;
    if (!frame.chroma_444 && request->shift_x == 0)
        return PRORES_NO_CHROMA;
    for (int i = 0; i < 3; i++)
        plan_way(&frame.ways[i], &frame, request, i);
    const float step = (float)(1 << (request->bits - 8));
    frame.range = (Range){ .wide = request->bits > 8, .middle = 128 * step + 0.5f, .least = request->bits > 8 ? 4 : 1,
                           .most = 256 * step - (request->bits > 8 ? 5 : 2) + 0.5f };
    memset(pictures, 0, sizeof pictures);
    size_t place = 0;
    *slices = 0;
    for (int i = 0; i <= frame.interlaced; i++) {
        /* An odd number of lines leaves the top field one more. */
        int height = (int)request->height, rows = (height + 15) / 16, other_rows = rows;
        if (frame.interlaced) {
            int bottom = i != frame.bottom_first;
            other_rows = (height + 31) / 32;
            rows = ((bottom ? height / 2 : (height + 1) / 2) + 15) / 16;
        }
        status = PRORES_TRUNCATED;
        if (place <= frame.size)
            status = read_picture(&pictures[i], &frame, frame.pictures + place, frame.size - place, rows, other_rows);
        if (status != PRORES_DONE) {
            if (i == 0)
                return status;
            pictures[1] = (Picture){ .log2_slice = pictures[0].log2_slice, .rows = rows };
        }
        place += pictures[i].next;
        *slices += (uint32_t)slices_in_row(frame.width_in_mb, pictures[i].log2_slice) * (uint32_t)pictures[i].rows;
    }
    *bad = plain || !has_avx2() ? decode_plain(&frame, pictures) : decode_avx2(&frame, pictures);
    return PRORES_DONE;
}
