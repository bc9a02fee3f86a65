/* Decode and emulate whatever bytes come, against a guest whose memory and ports answer or fault as further bytes say.
 */
#include <stdlib.h>
#include <string.h>
#include <vmm/insn.h>

#define CHECK(x)                                                                                                       \
    do {                                                                                                               \
        if (!(x)) abort();                                                                                             \
    } while (0)

#define MAX_ITERATIONS 7

struct guest {
    const uint8_t *answers;
    size_t n_answers;
    unsigned address_bytes;
    unsigned n_accesses, n_faults;
};

/* The next byte of input; zero when there is none left. */
static uint8_t answer(struct guest *g) {
    if (g->n_answers == 0) return 0;
    g->n_answers--;
    return *g->answers++;
}

/* Common to all callbacks: every 16th access faults, and none may follow a fault. */
static int any_access(struct guest *g, unsigned n_bytes, unsigned max_bytes) {
    CHECK(n_bytes == 1 || n_bytes == 2 || n_bytes == 4 || n_bytes == 8);
    CHECK(n_bytes <= max_bytes);
    CHECK(g->n_faults == 0);
    g->n_accesses++;
    if (answer(g) % 16 != 15) return 0;
    g->n_faults++;
    return 1;
}

static int memory_access(struct guest *g, enum vmm_seg seg, uint64_t offset, unsigned n_bytes) {
    CHECK(seg < VMM_N_SEGS);
    CHECK(g->address_bytes == 8 || offset >> (8 * g->address_bytes) == 0);
    return any_access(g, n_bytes, 8);
}

static int on_read(void *ctx, enum vmm_seg seg, uint64_t offset, unsigned n_bytes, uint64_t *out) {
    *out = answer(ctx) * UINT64_C(0x0101010101010101);
    return memory_access(ctx, seg, offset, n_bytes);
}

static int on_write(void *ctx, enum vmm_seg seg, uint64_t offset, unsigned n_bytes, uint64_t value) {
    CHECK(n_bytes == 8 || value >> (8 * n_bytes) == 0);
    return memory_access(ctx, seg, offset, n_bytes);
}

static int on_check_write(void *ctx, enum vmm_seg seg, uint64_t offset, unsigned n_bytes) {
    return memory_access(ctx, seg, offset, n_bytes);
}

static int on_in(void *ctx, uint16_t port, unsigned n_bytes, uint64_t *out) {
    *out = port * UINT64_C(0x0101010101010101);
    return any_access(ctx, n_bytes, 4);
}

static int on_out(void *ctx, uint16_t port, unsigned n_bytes, uint64_t value) {
    CHECK(port <= 0xffff && value >> (8 * n_bytes) == 0);
    return any_access(ctx, n_bytes, 4);
}

static void check_decoded(const uint8_t *bytes, size_t n_bytes, enum vmm_insn_mode mode, const struct vmm_insn *insn) {
    struct vmm_insn again;
    CHECK(insn->n_bytes >= 1 && insn->n_bytes <= VMM_INSN_MAX_BYTES && insn->n_bytes <= n_bytes);
    CHECK(insn->address_bytes == 8 || mode != VMM_INSN_64 || insn->address_bytes == 4);
    CHECK(insn->dst.kind != VMM_INSN_MEM || insn->src.kind != VMM_INSN_MEM);
    /* The same from exactly its bytes, and too short from one less. */
    CHECK(vmm_insn_decode(bytes, insn->n_bytes, mode, &again) == 0);
    CHECK(memcmp(insn, &again, sizeof again) == 0);
    CHECK(vmm_insn_decode(bytes, insn->n_bytes - 1u, mode, &again) == VMM_INSN_E_SHORT);
}

static void emulate(const struct vmm_insn *insn, enum vmm_insn_mode mode, struct guest *g) {
    uint64_t gpr[16], old_gpr[16], rip = 0xfffffff8, flags = 0x202 | (answer(g) & UINT64_C(1)) << 10;
    for (unsigned i = 0; i < 16; i++) gpr[i] = answer(g) * UINT64_C(0x0123456789abcdef);
    gpr[1] = answer(g) % 12;
    memcpy(old_gpr, gpr, sizeof gpr);
    uint64_t old_flags = flags;
    struct vmm_insn_env env = {.ctx = g,
                               .gpr = gpr,
                               .rip = &rip,
                               .rflags = &flags,
                               .mode = mode,
                               .read = on_read,
                               .write = on_write,
                               .check_write = on_check_write,
                               .in = on_in,
                               .out = on_out};
    switch (vmm_insn_emulate(insn, &env, MAX_ITERATIONS)) {
    case VMM_INSN_DONE:
        CHECK(g->n_faults == 0);
        CHECK(rip == ((0xfffffff8 + (uint64_t)insn->n_bytes) & (mode == VMM_INSN_64 ? UINT64_MAX : UINT32_MAX)));
        break;
    case VMM_INSN_AGAIN:
        CHECK(insn->rep != VMM_INSN_REP_NONE && gpr[1] == old_gpr[1] - MAX_ITERATIONS && gpr[1] != 0);
        CHECK(rip == 0xfffffff8 && flags == old_flags && g->n_faults == 0);
        break;
    case VMM_INSN_FAULT:
        CHECK(rip == 0xfffffff8 && flags == old_flags && g->n_faults == 1);
        CHECK(insn->rep != VMM_INSN_REP_NONE || memcmp(gpr, old_gpr, sizeof gpr) == 0);
        break;
    case VMM_INSN_NOT_OURS:
        CHECK(insn->op > VMM_INSN_OP_SCAS && g->n_accesses == 0 && rip == 0xfffffff8);
        CHECK(memcmp(gpr, old_gpr, sizeof gpr) == 0);
        break;
    }
    CHECK(g->n_accesses <= 3 * MAX_ITERATIONS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    if (n_bytes < 2) return 0;
    enum vmm_insn_mode mode = (enum vmm_insn_mode)(data[0] % 3);
    size_t n_code = data[1] % 18u;
    data += 2;
    n_bytes -= 2;
    if (n_code > n_bytes) n_code = n_bytes;
    struct vmm_insn insn;
    uint8_t *copy = malloc(n_code ? n_code : 1); /* of exactly this size, so that a read past its end is seen */
    memcpy(copy, data, n_code);
    int result = vmm_insn_decode(copy, n_code, mode, &insn);
    CHECK(result <= 0 && result >= VMM_INSN_E_UNSUPPORTED);
    if (result == 0) {
        check_decoded(copy, n_code, mode, &insn);
        struct guest g = {.answers = data + n_code, .n_answers = n_bytes - n_code, .address_bytes = insn.address_bytes};
        emulate(&insn, mode, &g);
    }
    free(copy);
    return 0;
}
