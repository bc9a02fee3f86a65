/* Run one instruction on the processor the tests run on, in 64-, 32- or 16-bit code, from user space (Linux).
 *
 * One mapping below 4 GiB holds the code and the scratch memory, so that every address size reaches both. 32- and
 * 16-bit code run in compatibility mode, 16-bit code in a segment of the LDT. In 16-bit mode DS, ES and SS are LDT
 * segments whose base is the scratch memory; GS has a base of its own in every mode. FS belongs to the C library:
 * usable as an override in 64-bit mode only. Not reentrant. */
#ifndef TEST_INSN_NATIVE_H
#define TEST_INSN_NATIVE_H

#include "machine.h"

/* Layout known to native_stub.S. */
struct native_state {
    uint64_t gpr[16];
    uint64_t rflags;
};

struct native {
    uint8_t *memory; /* [MACHINE_MEMORY_BYTES] below 4 GiB */
    uint64_t entry;  /* RIP of the instruction that runs */
    uint64_t seg_base[VMM_N_SEGS];
    uint16_t selectors[VMM_N_SEGS];
    enum vmm_insn_mode mode;
    uint8_t *code;
};

/* False: this kernel or machine does not allow it (no LDT, no low memory). Once per process. */
bool native_init(struct native *n, enum vmm_insn_mode mode);

/* Load *state, run the instruction, store the state after it. Returns 0 or the signal it raised. */
int native_run(struct native *n, const uint8_t *bytes, size_t n_bytes, struct native_state *state);

#endif
