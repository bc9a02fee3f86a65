#include "machine.h"

#include <criterion/criterion.h>
#include <string.h>

static void log_access(struct machine *m, enum machine_access_kind kind, enum vmm_seg seg, uint64_t offset,
                       unsigned n_bytes, uint64_t value) {
    if (m->n_accesses < MACHINE_MAX_ACCESSES)
        m->accesses[m->n_accesses] = (struct machine_access){kind, seg, offset, n_bytes, value};
    m->n_accesses++;
}

/* The byte at seg:offset, or NULL. */
static uint8_t *locate(struct machine *m, enum vmm_seg seg, uint64_t offset, unsigned n_bytes, bool write) {
    cr_assert_lt(seg, VMM_N_SEGS);
    cr_assert(n_bytes == 1 || n_bytes == 2 || n_bytes == 4 || n_bytes == 8);
    uint64_t linear = m->seg_base[seg] + offset, at = linear - m->memory_base;
    if (at > MACHINE_MEMORY_BYTES - n_bytes || (write && linear + n_bytes > m->read_only_from)) {
        m->faulty_accesses++;
        return NULL;
    }
    return &m->memory[at];
}

static int machine_read(void *ctx, enum vmm_seg seg, uint64_t offset, unsigned n_bytes, uint64_t *out) {
    const uint8_t *p = locate(ctx, seg, offset, n_bytes, false);
    log_access(ctx, MACHINE_READ, seg, offset, n_bytes, 0);
    if (!p) return -1;
    *out = 0xa5a5a5a5a5a5a5a5; /* the upper bytes must not matter */
    memcpy(out, p, n_bytes);
    return 0;
}

static int machine_write(void *ctx, enum vmm_seg seg, uint64_t offset, unsigned n_bytes, uint64_t value) {
    uint8_t *p = locate(ctx, seg, offset, n_bytes, true);
    log_access(ctx, MACHINE_WRITE, seg, offset, n_bytes, value);
    if (!p) return -1;
    memcpy(p, &value, n_bytes);
    return 0;
}

static int machine_check_write(void *ctx, enum vmm_seg seg, uint64_t offset, unsigned n_bytes) {
    log_access(ctx, MACHINE_CHECK, seg, offset, n_bytes, 0);
    return locate(ctx, seg, offset, n_bytes, true) ? 0 : -1;
}

static int machine_in(void *ctx, uint16_t port, unsigned n_bytes, uint64_t *out) {
    struct machine *m = ctx;
    *out = m->port_value++;
    log_access(m, MACHINE_IN, VMM_SEG_ES, port, n_bytes, *out);
    return port == 0xdead ? -1 : 0;
}

static int machine_out(void *ctx, uint16_t port, unsigned n_bytes, uint64_t value) {
    log_access(ctx, MACHINE_OUT, VMM_SEG_ES, port, n_bytes, value);
    return port == 0xdead ? -1 : 0;
}

void machine_init(struct machine *m, enum vmm_insn_mode mode) {
    memset(m, 0, sizeof *m);
    m->read_only_from = UINT64_MAX;
    m->env = (struct vmm_insn_env){
        .ctx = m,
        .gpr = m->gpr,
        .rip = &m->rip,
        .rflags = &m->rflags,
        .mode = mode,
        .read = machine_read,
        .write = machine_write,
        .check_write = machine_check_write,
        .in = machine_in,
        .out = machine_out,
    };
}

enum vmm_insn_result machine_run(struct machine *m, const uint8_t *bytes, size_t n_bytes, unsigned max_iterations) {
    struct vmm_insn insn;
    int error = vmm_insn_decode(bytes, n_bytes, m->env.mode, &insn);
    cr_assert_eq(error, 0, "decode of %02x %02x %02x: %d", bytes[0], bytes[1], bytes[2], error);
    cr_assert_eq(insn.n_bytes, n_bytes);
    return vmm_insn_emulate(&insn, &m->env, max_iterations);
}

uint64_t machine_peek(const struct machine *m, uint64_t linear, unsigned n_bytes) {
    uint64_t v = 0;
    cr_assert_leq(linear - m->memory_base, MACHINE_MEMORY_BYTES - n_bytes);
    memcpy(&v, &m->memory[linear - m->memory_base], n_bytes);
    return v;
}

void machine_poke(struct machine *m, uint64_t linear, unsigned n_bytes, uint64_t value) {
    cr_assert_leq(linear - m->memory_base, MACHINE_MEMORY_BYTES - n_bytes);
    memcpy(&m->memory[linear - m->memory_base], &value, n_bytes);
}
