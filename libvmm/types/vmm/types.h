/* The scalar types every part of Sekisho shares. No functions with side effects, no allocation, any context.
 *
 * Guest-physical and host-physical addresses are one-member structs, so that mixing them, or dereferencing
 * either, does not compile. */
#ifndef VMM_TYPES_H
#define VMM_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Address the guest's nested page tables translate from. */
typedef struct {
    uint64_t v;
} gpa_t;

/* Address on the machine's bus. RAM and device memory outside the hypervisor's region are mapped 1:1, so a gpa_t that
 * passed a check may be turned into the hpa_t of the same value, explicitly. */
typedef struct {
    uint64_t v;
} hpa_t;

static inline gpa_t gpa(uint64_t v) { return (gpa_t){v}; }
static inline hpa_t hpa(uint64_t v) { return (hpa_t){v}; }
static inline gpa_t gpa_add(gpa_t a, uint64_t n) { return (gpa_t){a.v + n}; }
static inline hpa_t hpa_add(hpa_t a, uint64_t n) { return (hpa_t){a.v + n}; }

#define VMM_PAGE_BYTES 4096u
#define VMM_PAGE_MASK  ((uint64_t)VMM_PAGE_BYTES - 1)

/* A result the caller must look at. */
#define VMM_MUST_CHECK __attribute__((warn_unused_result))

/* True if [a, a + n) and [b, b + m) share a byte. Ranges that would wrap count as reaching the end of the address
 * space. Empty ranges overlap nothing. */
static inline bool vmm_ranges_overlap(uint64_t a, uint64_t n, uint64_t b, uint64_t m) {
    if (n == 0 || m == 0) return false;
    uint64_t a_last = n - 1 > UINT64_MAX - a ? UINT64_MAX : a + (n - 1);
    uint64_t b_last = m - 1 > UINT64_MAX - b ? UINT64_MAX : b + (m - 1);
    return a <= b_last && b <= a_last;
}

#endif
