/* Throws bytes at the reduced-resolution decoder of ProRes. Built and run by tools/fuzz_prores.py, with sanitizers.
 *
 * Of an input the first two bytes choose what is asked for, the rest is the packet. It is decoded from memory of exactly its
 * size into planes of exactly theirs, so the sanitizer sees a byte too many. Beyond that, whatever the input: all samples of
 * a picture that comes out are written, lie in range and are the same with all instructions and with plain ones; nothing
 * behind a line is touched.
 *
 * With clang it is a libFuzzer target. Elsewhere (WITHOUT_LIBFUZZER) a loop of its own changes seeds at random:
 * fuzz SECONDS EXECUTIONS RANDOM_SEED FILE…
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "picture.h"

#define MOST_PIXELS (1u << 20) /* what is asked for; headers may claim more */

static void *room(size_t size)
{
    void *memory = calloc(size ? size : 1, 1);
    if (!memory)
        abort();
    return memory;
}

static void require(int condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "does not hold: %s\n", what);
        abort();
    }
}

typedef struct {
    ProresRequest request;
    size_t sizes[3];
    unsigned widths[3], heights[3];
} Job;

static void make_planes(Job *job, unsigned padding)
{
    ProresRequest *request = &job->request;
    unsigned bytes = request->bits > 8 ? 2 : 1;
    for (int i = 0; i < 3; i++) {
        unsigned width = (request->width - 1) / request->reduction + 1, height = (request->height - 1) / request->reduction + 1;
        job->widths[i] = i && request->shift_x ? (width + 1) / 2 : width;
        job->heights[i] = i && request->shift_y ? (height + 1) / 2 : height;
        request->line_sizes[i] = (ptrdiff_t)(job->widths[i] * bytes + padding);
        job->sizes[i] = (size_t)request->line_sizes[i] * (job->heights[i] - 1) + job->widths[i] * bytes;
        request->planes[i] = room(job->sizes[i]);
    }
}

static void check_planes(const Job *job)
{
    const ProresRequest *request = &job->request;
    unsigned least = request->bits > 8 ? 4 : 1, most = (1u << request->bits) - least - 1;
    for (int i = 0; i < 3; i++)
        for (size_t y = 0; y < job->heights[i]; y++) {
            const uint8_t *line = request->planes[i] + y * (size_t)request->line_sizes[i];
            size_t written = job->widths[i] * (request->bits > 8 ? 2u : 1u);
            for (size_t x = 0; x < job->widths[i]; x++) {
                uint16_t sample = line[x];
                if (request->bits > 8)
                    memcpy(&sample, line + 2 * x, 2);
                require(sample >= least && sample <= most, "samples are written and in range");
            }
            for (size_t x = written; y + 1 < job->heights[i] && x < (size_t)request->line_sizes[i]; x++)
                require(line[x] == 0, "nothing behind a line is touched");
        }
}

static void decode(const uint8_t *choice, const uint8_t *packet, size_t size)
{
    static const unsigned depths[4] = { 8, 10, 12, 8 };
    Job jobs[2];
    int status[2];
    uint32_t slices[2] = { 0, 0 }, bad[2] = { 0, 0 };
    unsigned width = 16, height = 16;
    if (size >= 20) {
        width = (unsigned)packet[16] << 8 | packet[17];
        height = (unsigned)packet[18] << 8 | packet[19];
    }
    if (width < 1 || height < 1 || width * height > MOST_PIXELS)
        width = height = 16;
    uint8_t *exact = room(size);
    if (size)
        memcpy(exact, packet, size);
    for (int plain = 0; plain < 2; plain++) {
        Job *job = &jobs[plain];
        unsigned shifts = choice[0] >> 4 & 3;
        job->request = (ProresRequest){ .data = exact, .size = size, .width = width, .height = height,
                                        .reduction = 2u << (choice[0] & 3) % 3, .bits = depths[choice[0] >> 2 & 3],
                                        .shift_x = shifts > 0, .shift_y = shifts > 1 };
        make_planes(job, choice[1] & 7);
        status[plain] = prores_reduce(&job->request, &slices[plain], &bad[plain], plain);
        require(status[plain] >= PRORES_DONE && status[plain] <= PRORES_NO_CHROMA, "the status is known");
        require(bad[plain] <= slices[plain], "no more slices are bad than there are");
        if (status[plain] == PRORES_DONE)
            check_planes(job);
    }
    require(status[0] == status[1] && slices[0] == slices[1] && bad[0] == bad[1], "all instructions tell the same");
    for (int i = 0; i < 3; i++) {
        require(memcmp(jobs[0].request.planes[i], jobs[1].request.planes[i], jobs[0].sizes[i]) == 0,
                "all instructions give the same picture");
        free(jobs[0].request.planes[i]);
        free(jobs[1].request.planes[i]);
    }
    free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= 2)
        decode(data, data + 2, size - 2);
    return 0;
}

#ifdef WITHOUT_LIBFUZZER

#define MOST_SEEDS 4096
#define MOST_SIZE (1u << 20)

static uint64_t state;

/* xorshift64* (Vigna 2016) */
static uint64_t any(uint64_t below)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (state * 2685821657736338717ull >> 16) % below;
}

static uint8_t *load(const char *name, size_t *size)
{
    FILE *file = fopen(name, "rb");
    uint8_t *data = room(MOST_SIZE);
    if (!file) {
        perror(name);
        exit(2);
    }
    *size = fread(data, 1, MOST_SIZE, file);
    fclose(file);
    return data;
}

/* One change: of a bit, a byte, a number, the length, or a stretch that moves. Headers and tables are meant more often. */
static size_t change(uint8_t *data, size_t size)
{
    if (size < 40)
        return size;
    size_t near_start = size < 200 ? size : 200;
    size_t place = any(3) ? any(size) : any(near_start);
    switch (any(8)) {
    case 0:
    case 1:
    case 2:
        data[place] ^= (uint8_t)(1u << any(8));
        return size;
    case 3:
        data[place] = (uint8_t)any(256);
        return size;
    case 4:
        data[place] = any(2) ? 0xff : 0;
        return size;
    case 5: {
        size_t length = any(16) + 1;
        if (place + length > size)
            return size;
        memset(data + place, any(2) ? 0 : (int)any(256), length);
        return size;
    }
    case 6:
        return any(4) ? size : place;
    default: {
        size_t from = any(size), length = any(64) + 1;
        if (from + length > size || place + length > size)
            return size;
        memmove(data + place, data + from, length);
        return size;
    }
    }
}

int main(int count, char **arguments)
{
    static uint8_t *seeds[MOST_SEEDS];
    static size_t sizes[MOST_SEEDS];
    if (count < 5 || count - 4 > MOST_SEEDS) {
        fprintf(stderr, "fuzz SECONDS EXECUTIONS RANDOM_SEED FILE...\n");
        return 2;
    }
    const time_t end = time(NULL) + atol(arguments[1]);
    const unsigned long long most = strtoull(arguments[2], NULL, 10);
    state = strtoull(arguments[3], NULL, 10) * 2 + 1;
    const size_t files = (size_t)count - 4;
    for (size_t i = 0; i < files; i++)
        seeds[i] = load(arguments[4 + i], &sizes[i]);
    uint8_t *data = room(MOST_SIZE);
    unsigned long long done = 0;
    for (; done < most && (done % 256 || time(NULL) < end); done++) {
        size_t seed = any(files), size = sizes[seed];
        memcpy(data, seeds[seed], size);
        data[0] = (uint8_t)any(256);
        data[1] = (uint8_t)any(256);
        for (uint64_t changes = done < files ? 0 : 1 + any(6); changes > 0; changes--)
            size = change(data, size);
        LLVMFuzzerTestOneInput(data, size);
        if (done % 1000000 == 999999)
            fprintf(stderr, "%llu executions\n", done + 1);
    }
    for (size_t i = 0; i < files; i++)
        free(seeds[i]);
    free(data);
    printf("%llu executions, no finding\n", done);
    return 0;
}

#endif
