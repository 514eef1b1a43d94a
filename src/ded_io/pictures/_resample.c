/* Scaling a picture by taps, with what stands before it (unpacking, one curve a channel) and behind it (a matrix, rounding
   to half floats) in the same pass: a line is unpacked once, and nothing but the result is ever as large as the picture.

   Pixels are vectors of four floats, of which three are used. The plain version is in resample.py. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef float Pixel __attribute__((vector_size(16)));
typedef uint32_t Bits __attribute__((vector_size(16)));

enum { TEN_BIG, TEN_LITTLE, BYTES, WORDS, SWAPPED_WORDS, FLOATS, KINDS };
enum { TO_FLOAT, TO_HALF };

typedef struct {
    const unsigned char *source;
    Py_ssize_t line;       /* bytes from one line of the source to the next */
    Py_ssize_t channels;   /* samples of a pixel of the source; the first three are red, green and blue */
    Py_ssize_t width, height;
    int kind;
    const float *curves;   /* red, green, blue: `entries` values each; unused for FLOATS */
    Py_ssize_t entries;
    const int32_t *rows, *columns;
    const float *row_weights, *column_weights;
    Py_ssize_t row_taps, column_taps, new_width, new_height;
    const float *matrix;   /* three rows of four: what a channel takes of red, green, blue, and its offset */
    unsigned char *target;
    Py_ssize_t target_line;
    int target_kind;
} Work;

static Py_ssize_t sample_bytes(int kind)
{
    return kind == BYTES ? 1 : kind == FLOATS ? 4 : 2;
}

static Py_ssize_t pixel_bytes(const Work *work)
{
    return work->kind <= TEN_LITTLE ? 4 : work->channels * sample_bytes(work->kind);
}

/* One line of the source as pixels. */
static void unpack(const Work *work, const unsigned char *line, Pixel *pixels)
{
    const float *red = work->curves, *green = red + work->entries, *blue = green + work->entries;
    const Py_ssize_t width = work->width, channels = work->channels;
    switch (work->kind) {
    case TEN_BIG:
    case TEN_LITTLE: {
        const int big = work->kind == TEN_BIG;
        for (Py_ssize_t x = 0; x < width; x++) {
            const unsigned char *byte = line + 4 * x;
            uint32_t word = big ? (uint32_t)byte[0] << 24 | (uint32_t)byte[1] << 16 | (uint32_t)byte[2] << 8 | byte[3]
                                : (uint32_t)byte[3] << 24 | (uint32_t)byte[2] << 16 | (uint32_t)byte[1] << 8 | byte[0];
            pixels[x] = (Pixel){ red[word >> 22], green[word >> 12 & 1023], blue[word >> 2 & 1023], 0 };
        }
        break;
    }
    case BYTES:
        for (Py_ssize_t x = 0; x < width; x++, line += channels)
            pixels[x] = (Pixel){ red[line[0]], green[line[1]], blue[line[2]], 0 };
        break;
    case WORDS:
    case SWAPPED_WORDS:
        for (Py_ssize_t x = 0; x < width; x++, line += 2 * channels) {
            uint16_t sample[3];
            memcpy(sample, line, 6);
            if (work->kind == SWAPPED_WORDS)
                for (int i = 0; i < 3; i++)
                    sample[i] = (uint16_t)(sample[i] >> 8 | sample[i] << 8);
            pixels[x] = (Pixel){ red[sample[0]], green[sample[1]], blue[sample[2]], 0 };
        }
        break;
    case FLOATS:
        for (Py_ssize_t x = 0; x < width; x++, line += 4 * channels) {
            float sample[3];
            memcpy(sample, line, 12);
            pixels[x] = (Pixel){ sample[0], sample[1], sample[2], 0 };
        }
        break;
    }
}

/* A new line out of the old ones above and below it. */
static void weigh_lines(Pixel *sum, Pixel *const *lines, const float *weights, Py_ssize_t taps, Py_ssize_t width)
{
    Py_ssize_t x = 0;
    for (; x + 4 <= width; x += 4) {
        Pixel a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 };
        for (Py_ssize_t t = 0; t < taps; t++) {
            const Pixel *line = lines[t] + x;
            const float w = weights[t];
            const Pixel weight = { w, w, w, w };
            a += line[0] * weight;
            b += line[1] * weight;
            c += line[2] * weight;
            d += line[3] * weight;
        }
        sum[x] = a, sum[x + 1] = b, sum[x + 2] = c, sum[x + 3] = d;
    }
    for (; x < width; x++) {
        Pixel a = { 0 };
        for (Py_ssize_t t = 0; t < taps; t++) {
            const float w = weights[t];
            a += lines[t][x] * (Pixel){ w, w, w, w };
        }
        sum[x] = a;
    }
}

/* IEEE 754 half precision, rounded to nearest even, in the low 16 bits of each lane. */
static Bits half_bits(Pixel value)
{
    Bits bits, tiny_bits;
    memcpy(&bits, &value, 16);
    const Bits sign = bits & 0x80000000u;
    bits ^= sign;
    const Bits huge = (Bits)(bits >= (143u << 23)), not_number = (Bits)(bits > (255u << 23));
    const Bits small = (Bits)(bits < (113u << 23));
    Pixel tiny;
    memcpy(&tiny, &bits, 16);
    const uint32_t magic = 126u << 23; /* 0.5: what is added to it loses the digits that a subnormal half lacks */
    tiny += 0.5f;
    memcpy(&tiny_bits, &tiny, 16);
    tiny_bits -= magic;
    Bits normal = (bits + 0xC8000FFFu + (bits >> 13 & 1)) >> 13;
    Bits result = (huge & (0x7C00u | (not_number & 0x0200u))) | (~huge & ((small & tiny_bits) | (~small & normal)));
    return result | sign >> 16;
}

static void write_line(const Work *work, const Pixel *line, unsigned char *target)
{
    const float *m = work->matrix;
    const Pixel red = { m[0], m[4], m[8], 0 }, green = { m[1], m[5], m[9], 0 }, blue = { m[2], m[6], m[10], 0 };
    const Pixel offset = { m[3], m[7], m[11], 0 };
    const Py_ssize_t taps = work->column_taps;
    for (Py_ssize_t x = 0; x < work->new_width; x++) {
        const Pixel *old = line + work->columns[x];
        const float *weights = work->column_weights + x * taps;
        Pixel p = { 0 };
        for (Py_ssize_t t = 0; t < taps; t++) {
            const float w = weights[t];
            p += old[t] * (Pixel){ w, w, w, w };
        }
        const float r = p[0], g = p[1], b = p[2];
        p = red * (Pixel){ r, r, r, r } + green * (Pixel){ g, g, g, g } + blue * (Pixel){ b, b, b, b } + offset;
        if (work->target_kind == TO_FLOAT) {
            memcpy(target + 12 * x, &p, 12);
        } else {
            const Bits bits = half_bits(p);
            const uint16_t sample[3] = { (uint16_t)bits[0], (uint16_t)bits[1], (uint16_t)bits[2] };
            memcpy(target + 6 * x, sample, 6);
        }
    }
}

/* 0, or -1 where there is no memory. */
static int resample(const Work *work)
{
    const Py_ssize_t kept = work->row_taps, width = work->width;
    Pixel *memory = NULL, **lines = malloc((size_t)kept * sizeof *lines);
    Py_ssize_t unpacked = 0; /* lines of the source before this one are in the ring, or were */
    if (!lines || posix_memalign((void **)&memory, 64, (size_t)(kept + 1) * (size_t)width * sizeof *memory)) {
        free(lines);
        return -1;
    }
    Pixel *sum = memory + kept * width;
    for (Py_ssize_t y = 0; y < work->new_height; y++) {
        const Py_ssize_t first = work->rows[y];
        const float *weights = work->row_weights + y * kept;
        if (unpacked < first)
            unpacked = first; /* lines that no new one needs are passed over */
        for (; unpacked < first + kept; unpacked++)
            unpack(work, work->source + unpacked * work->line, memory + unpacked % kept * width);
        for (Py_ssize_t t = 0; t < kept; t++)
            lines[t] = memory + (first + t) % kept * width;
        const Pixel *line = lines[0];
        if (kept > 1 || weights[0] != 1.0f) {
            weigh_lines(sum, lines, weights, kept, width);
            line = sum;
        }
        write_line(work, line, work->target + y * work->target_line);
    }
    free(memory);
    free(lines);
    return 0;
}

static int in_range(const int32_t *first, Py_ssize_t count, Py_ssize_t taps, Py_ssize_t old, int rising)
{
    for (Py_ssize_t i = 0; i < count; i++)
        if (first[i] < 0 || first[i] > old - taps || (rising && i && first[i] < first[i - 1]))
            return 0;
    return 1;
}

static int fits(Work *work, const Py_buffer *views, Py_ssize_t offset, Py_ssize_t target_offset)
{
    const Py_buffer *source = &views[0], *curves = &views[1], *rows = &views[2], *row_weights = &views[3];
    const Py_buffer *columns = &views[4], *column_weights = &views[5], *matrix = &views[6], *target = &views[7];
    if (work->kind < 0 || work->kind >= KINDS || work->target_kind < TO_FLOAT || work->target_kind > TO_HALF)
        return 0;
    if (work->width < 1 || work->height < 1 || work->width > 1 << 20 || work->height > 1 << 20 || work->channels < 3 ||
        work->channels > 1024 || offset < 0 || target_offset < 0)
        return 0;
    const Py_ssize_t line_bytes = work->width * pixel_bytes(work);
    if (work->line < line_bytes || source->len < offset || source->len - offset < line_bytes ||
        (work->height > 1 && (source->len - offset - line_bytes) / (work->height - 1) < work->line))
        return 0;
    static const int entries[] = { 1024, 1024, 256, 65536, 65536, 0 };
    work->entries = entries[work->kind];
    if (curves->len < 12 * work->entries || matrix->len < 48)
        return 0;
    work->new_height = rows->len / 4;
    work->new_width = columns->len / 4;
    if (work->new_height < 1 || work->new_width < 1 || work->new_height > 1 << 20 || work->new_width > 1 << 20)
        return 0;
    work->row_taps = row_weights->len / 4 / work->new_height;
    work->column_taps = column_weights->len / 4 / work->new_width;
    if (work->row_taps < 1 || work->column_taps < 1 || work->row_taps > work->height || work->column_taps > work->width)
        return 0;
    if (!in_range(rows->buf, work->new_height, work->row_taps, work->height, 1) ||
        !in_range(columns->buf, work->new_width, work->column_taps, work->width, 0))
        return 0;
    const Py_ssize_t new_bytes = work->new_width * (work->target_kind == TO_HALF ? 6 : 12);
    return work->target_line >= new_bytes && target->len >= target_offset && target->len - target_offset >= new_bytes &&
           (work->new_height == 1 || (target->len - target_offset - new_bytes) / (work->new_height - 1) >= work->target_line);
}

static PyObject *py_resample(PyObject *module, PyObject *arguments)
{
    (void)module;
    Work work = { 0 };
    Py_buffer views[8];
    Py_ssize_t offset, target_offset;
    PyObject *result = NULL;
    if (!PyArg_ParseTuple(arguments, "y*nninnny*y*y*y*y*y*w*nni:resample", &views[0], &offset, &work.line, &work.kind,
                          &work.channels, &work.width, &work.height, &views[1], &views[2], &views[3], &views[4], &views[5],
                          &views[6], &views[7], &target_offset, &work.target_line, &work.target_kind))
        return NULL;
    if (!fits(&work, views, offset, target_offset)) {
        PyErr_SetString(PyExc_ValueError, "the buffers, sizes and taps do not fit together");
    } else {
        int status;
        work.source = (const unsigned char *)views[0].buf + offset;
        work.curves = views[1].buf;
        work.rows = views[2].buf;
        work.row_weights = views[3].buf;
        work.columns = views[4].buf;
        work.column_weights = views[5].buf;
        work.matrix = views[6].buf;
        work.target = (unsigned char *)views[7].buf + target_offset;
        Py_BEGIN_ALLOW_THREADS
        status = resample(&work);
        Py_END_ALLOW_THREADS
        result = status ? PyErr_NoMemory() : Py_NewRef(Py_None);
    }
    for (int i = 0; i < 8; i++)
        PyBuffer_Release(&views[i]);
    return result;
}

static PyMethodDef methods[] = {
    { "resample", py_resample, METH_VARARGS, "Scale a picture into a buffer; see ded_io.pictures.resample." },
    { NULL, NULL, 0, NULL },
};

static PyModuleDef_Slot slots[] = {
#ifdef Py_mod_multiple_interpreters
    { Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED },
#endif
    { 0, NULL },
};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_resample", "Scaling pictures, fused with their colours.", 0, methods, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__resample(void)
{
    return PyModuleDef_Init(&module);
}
