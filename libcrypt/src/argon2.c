/* Argon2i and Argon2id, version 0x13, one lane after the other. see crypt/kdf.h
 *
 * Source: RFC 9106, 3.2 "Argon2 Operation", 3.3 "Variable-Length Hash Function H'", 3.4 "Indexing". */
#include <crypt/wipe.h>
#include <string.h>

#include "argon2_block.h"
#include "blake2b.h"
#include "kdf_progress.h"

#define VERSION         0x13u
#define SLICES          4u /* of a pass, at whose ends the lanes meet */
#define H0_BYTES        64u
#define BLOCKS_PER_STEP 1024u /* a millisecond or two */

/* Behind the blocks. */
struct scratch {
    struct crypt_argon2_block tmp, zero, input, addresses;
};

struct argon2 {
    const struct crypt_argon2 *cost;
    struct crypt_argon2_block *block; /* [lanes * n_lane] */
    struct scratch *scratch;
    uint32_t n_lane, n_segment; /* blocks in a lane, and in a quarter of it */
    uint32_t n_unsaid;
    struct crypt_kdf_progress progress;
};

struct position {
    uint32_t pass, slice, lane, index; /* index: in the segment */
};

static uint32_t segment_blocks(uint32_t kib, uint32_t lanes) { return kib / (SLICES * lanes); }

size_t crypt_argon2_memory_bytes(uint32_t kib, uint32_t lanes) {
    if (lanes == 0 || lanes > CRYPT_ARGON2_LANES_MAX || kib < 8 * lanes || kib > CRYPT_ARGON2_KIB_MAX) return 0;
    size_t n_blocks = (size_t)SLICES * lanes * segment_blocks(kib, lanes);
    return n_blocks * sizeof(struct crypt_argon2_block) + sizeof(struct scratch);
}

static void update_number(struct crypt_blake2b *b, size_t n) {
    uint32_t word = (uint32_t)n; /* little-endian, as the machine is */
    crypt_blake2b_update(b, &word, sizeof word);
}

static void update_string(struct crypt_blake2b *b, const void *p, size_t n_bytes) {
    update_number(b, n_bytes);
    if (n_bytes) crypt_blake2b_update(b, p, n_bytes);
}

/* 3.2, step 1 */
static void first_hash(const struct crypt_kdf *k, const struct crypt_argon2 *cost, uint8_t out[H0_BYTES]) {
    struct crypt_blake2b b;
    crypt_blake2b_init(&b, H0_BYTES);
    update_number(&b, cost->lanes);
    update_number(&b, k->out_bytes);
    update_number(&b, cost->kib);
    update_number(&b, cost->passes);
    update_number(&b, VERSION);
    update_number(&b, cost->type);
    update_string(&b, k->password, k->password_bytes);
    update_string(&b, k->salt, k->salt_bytes);
    update_string(&b, cost->secret, cost->secret_bytes);
    update_string(&b, cost->associated, cost->associated_bytes);
    crypt_blake2b_out(&b, out);
}

/* 3.3, of data [n_bytes] to out [out_bytes] */
static void long_hash(const void *data, size_t n_bytes, uint8_t *out, size_t out_bytes) {
    struct crypt_blake2b b;
    uint8_t v[CRYPT_BLAKE2B_BYTES_MAX];
    crypt_blake2b_init(&b, out_bytes < sizeof v ? out_bytes : sizeof v);
    update_number(&b, out_bytes);
    crypt_blake2b_update(&b, data, n_bytes);
    while (out_bytes > sizeof v) {
        crypt_blake2b_out(&b, v);
        memcpy(out, v, sizeof v / 2);
        out += sizeof v / 2;
        out_bytes -= sizeof v / 2;
        crypt_blake2b_init(&b, out_bytes < sizeof v ? out_bytes : sizeof v);
        crypt_blake2b_update(&b, v, sizeof v);
    }
    crypt_blake2b_out(&b, out);
    crypt_wipe(v, sizeof v);
}

/* 3.2, steps 3 and 4: the first two blocks of every lane */
static void first_blocks(struct argon2 *a, const struct crypt_kdf *k) {
    struct {
        uint8_t h0[H0_BYTES];
        uint32_t column, lane;
    } seed;
    first_hash(k, a->cost, seed.h0);
    for (seed.lane = 0; seed.lane < a->cost->lanes; seed.lane++)
        for (seed.column = 0; seed.column < 2; seed.column++) {
            struct crypt_argon2_block *b = &a->block[(size_t)seed.lane * a->n_lane + seed.column];
            long_hash(&seed, sizeof seed, (uint8_t *)b->v, sizeof b->v);
        }
    crypt_wipe(&seed, sizeof seed);
}

/* 3.4.1.2 "Argon2i": the next 128 addresses of a segment, which depend on no secret */
static void next_addresses(struct scratch *s) {
    s->input.v[6]++;
    crypt_argon2_compress(&s->addresses, &s->zero, &s->input, &s->tmp, false);
    crypt_argon2_compress(&s->addresses, &s->zero, &s->addresses, &s->tmp, false);
}

static void first_addresses(struct argon2 *a, const struct position *at) {
    struct crypt_argon2_block *input = &a->scratch->input;
    memset(input, 0, sizeof *input);
    input->v[0] = at->pass;
    input->v[1] = at->lane;
    input->v[2] = at->slice;
    input->v[3] = (uint64_t)a->cost->lanes * a->n_lane;
    input->v[4] = a->cost->passes;
    input->v[5] = a->cost->type;
    next_addresses(a->scratch);
}

/* 3.4.2 "Mapping J_1 and J_2 to Reference Block Index [l][z]" */
static const struct crypt_argon2_block *reference(const struct argon2 *a, const struct position *at, uint64_t j) {
    bool first_slice = at->pass == 0 && at->slice == 0;
    uint32_t lane = first_slice ? at->lane : (uint32_t)(j >> 32) % a->cost->lanes;
    uint32_t n_done = at->pass == 0 ? at->slice * a->n_segment : a->n_lane - a->n_segment; /* whole segments' */
    uint32_t n_choice = lane == at->lane ? n_done + at->index - 1 : n_done - (at->index == 0);
    uint64_t x = (j & UINT32_MAX) * (j & UINT32_MAX) >> 32;
    uint32_t z = n_choice - 1 - (uint32_t)(n_choice * x >> 32);
    uint32_t start = at->pass == 0 ? 0 : (at->slice + 1) * a->n_segment;
    return &a->block[(size_t)lane * a->n_lane + (start + z) % a->n_lane];
}

static bool fill_segment(struct argon2 *a, struct position at) {
    bool blind = a->cost->type == CRYPT_ARGON2I || (at.pass == 0 && at.slice < SLICES / 2);
    struct crypt_argon2_block *lane = a->block + (size_t)at.lane * a->n_lane;
    at.index = at.pass == 0 && at.slice == 0 ? 2 : 0;
    if (blind) first_addresses(a, &at);
    for (; at.index < a->n_segment; at.index++) {
        uint32_t column = at.slice * a->n_segment + at.index;
        const struct crypt_argon2_block *previous = &lane[(column ? column : a->n_lane) - 1];
        if (blind && at.index % 128 == 0 && at.index > 0) next_addresses(a->scratch);
        uint64_t j = blind ? a->scratch->addresses.v[at.index % 128] : previous->v[0];
        crypt_argon2_compress(&lane[column], previous, reference(a, &at, j), &a->scratch->tmp, at.pass > 0);
        if (++a->n_unsaid < BLOCKS_PER_STEP) continue;
        if (!crypt_kdf_progress_add(&a->progress, a->n_unsaid)) return false;
        a->n_unsaid = 0;
    }
    return true;
}

/* 3.2, steps 5 and 6 */
static bool fill(struct argon2 *a) {
    a->n_unsaid = 2 * a->cost->lanes;
    for (uint32_t pass = 0; pass < a->cost->passes; pass++)
        for (uint32_t slice = 0; slice < SLICES; slice++)
            for (uint32_t lane = 0; lane < a->cost->lanes; lane++)
                if (!fill_segment(a, (struct position){pass, slice, lane, 0})) return false;
    return a->n_unsaid == 0 || crypt_kdf_progress_add(&a->progress, a->n_unsaid);
}

/* 3.2, steps 7 and 8 */
static void tag(struct argon2 *a, const struct crypt_kdf *k) {
    struct crypt_argon2_block *last = &a->block[a->n_lane - 1];
    for (uint32_t lane = 1; lane < a->cost->lanes; lane++)
        for (unsigned i = 0; i < 128; i++) last->v[i] ^= a->block[(size_t)lane * a->n_lane + a->n_lane - 1].v[i];
    long_hash(last->v, sizeof last->v, k->out, k->out_bytes);
}

static bool within_limits(const struct crypt_kdf *k, const struct crypt_argon2 *cost) {
    return (cost->type == CRYPT_ARGON2I || cost->type == CRYPT_ARGON2ID) && cost->passes > 0 &&
           crypt_argon2_memory_bytes(cost->kib, cost->lanes) > 0 && k->out_bytes >= CRYPT_ARGON2_OUT_MIN &&
           k->out_bytes <= CRYPT_ARGON2_OUT_MAX && k->salt_bytes >= CRYPT_ARGON2_SALT_MIN &&
           k->salt_bytes <= UINT32_MAX && k->password_bytes <= UINT32_MAX && cost->secret_bytes <= UINT32_MAX &&
           cost->associated_bytes <= UINT32_MAX;
}

/* Not inlined, so that its frame too is wiped. */
__attribute__((noinline)) static int derive(const struct crypt_kdf *k, const struct crypt_argon2 *cost, void *memory,
                                            size_t memory_bytes) {
    if (!within_limits(k, cost)) return CRYPT_E_KDF_LIMITS;
    size_t n_bytes = crypt_argon2_memory_bytes(cost->kib, cost->lanes);
    if (memory_bytes < n_bytes) return CRYPT_E_MEMORY;

    uint32_t n_segment = segment_blocks(cost->kib, cost->lanes), n_lane = SLICES * n_segment;
    struct crypt_argon2_block *block = memory;
    struct argon2 a = {.cost = cost,
                       .block = block,
                       .scratch = (struct scratch *)&block[(size_t)cost->lanes * n_lane],
                       .n_lane = n_lane,
                       .n_segment = n_segment,
                       .progress = crypt_kdf_progress_init(k, (uint64_t)cost->passes * cost->lanes * n_lane)};
    memset(a.scratch, 0, sizeof *a.scratch);
    first_blocks(&a, k);
    bool whole = fill(&a);
    if (whole) tag(&a, k);
    crypt_wipe(memory, n_bytes);
    return whole ? 0 : CRYPT_E_CANCELLED;
}

int crypt_argon2(const struct crypt_kdf *k, const struct crypt_argon2 *cost, void *memory, size_t memory_bytes) {
    int r = derive(k, cost, memory, memory_bytes);
    crypt_wipe_stack();
    if (r) crypt_wipe(k->out, k->out_bytes);
    return r;
}
