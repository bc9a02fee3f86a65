/* A guest to emulate on: sixteen registers, a window of memory at a linear address, ports that log. Everything outside
 * the window faults and is remembered. */
#ifndef TEST_INSN_MACHINE_H
#define TEST_INSN_MACHINE_H

#include <vmm/insn.h>

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

#define MACHINE_MEMORY_BYTES 1024
#define MACHINE_MAX_ACCESSES 64

enum machine_access_kind { MACHINE_READ, MACHINE_WRITE, MACHINE_CHECK, MACHINE_IN, MACHINE_OUT };

struct machine_access {
    enum machine_access_kind kind;
    enum vmm_seg seg;
    uint64_t offset; /* or port */
    unsigned n_bytes;
    uint64_t value;
};

struct machine {
    uint8_t memory[MACHINE_MEMORY_BYTES];
    uint64_t memory_base;          /* linear address of memory[0] */
    uint64_t seg_base[VMM_N_SEGS]; /* linear = base + offset */
    uint64_t gpr[16], rip, rflags;
    uint64_t read_only_from; /* linear; writes at or above fault; UINT64_MAX: none */
    uint64_t port_value;     /* what IN gives; counts up by one each time */
    unsigned faulty_accesses;
    unsigned n_accesses;
    struct machine_access accesses[MACHINE_MAX_ACCESSES]; /* the first ones */
    struct vmm_insn_env env;
};

/* All zero, memory at linear 0, segment bases zero, env filled in. */
void machine_init(struct machine *m, enum vmm_insn_mode mode);

/* Decode and emulate; asserts that decode accepts. */
enum vmm_insn_result machine_run(struct machine *m, const uint8_t *bytes, size_t n_bytes, unsigned max_iterations);

uint64_t machine_peek(const struct machine *m, uint64_t linear, unsigned n_bytes);
void machine_poke(struct machine *m, uint64_t linear, unsigned n_bytes, uint64_t value);

#endif
