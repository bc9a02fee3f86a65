/* One decoded access of the guest to a trapped place (memory, port, configuration register), and a handler's answer.
 * Shared by libvmm's hooks and by mediators. Plain data, any context. */
#ifndef VMM_ACCESS_H
#define VMM_ACCESS_H

#include <vmm/types.h>

struct vmm_access {
    uint64_t addr;   /* guest-physical address, port number, or configuration offset, by the hook's kind */
    uint64_t value;  /* write: what the guest writes; read: the handler stores the answer here (low n_bytes count) */
    uint8_t n_bytes; /* 1, 2, 4 or 8; never crosses the hook's range */
    bool write;
};

enum vmm_verdict {
    VMM_PASS,    /* let the access happen on the machine as if nobody had looked */
    VMM_HANDLED, /* done: for a read, access->value is the answer; the instruction is complete */
    VMM_INJECT,  /* the handler has queued an event for the guest; the instruction is not complete */
    VMM_SKIP,    /* drop it: writes vanish, reads give all ones */
};

#endif
