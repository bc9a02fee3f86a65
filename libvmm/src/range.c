/* see vmm/range.h */
#include <string.h>
#include <vmm/range.h>

static uint64_t end_of(struct vmm_range r) { return r.base + r.n_bytes; }

/* Those of [first, last) go, n_new come in their place; the new n. */
static uint32_t replace(struct vmm_range *out, uint32_t n, uint32_t first, uint32_t last, const struct vmm_range *with,
                        uint32_t n_new) {
    memmove(&out[first + n_new], &out[last], (n - last) * sizeof *out);
    memcpy(&out[first], with, n_new * sizeof *with);
    return n - (last - first) + n_new;
}

int vmm_range_add(struct vmm_range *out, uint32_t n, uint32_t max, struct vmm_range r) {
    uint32_t first = 0;
    uint64_t end = end_of(r);
    while (first < n && end_of(out[first]) < r.base) first++;
    uint32_t last = first; /* [first, last) touch or overlap r */
    for (; last < n && out[last].base <= end; last++) {
        if (out[last].base < r.base) r.base = out[last].base;
        if (end_of(out[last]) > end) end = end_of(out[last]);
    }
    r.n_bytes = end - r.base;
    if (last == first && n == max) return VMM_E_FULL;
    return (int)replace(out, n, first, last, &r, 1);
}

int vmm_range_remove(struct vmm_range *out, uint32_t n, uint32_t max, struct vmm_range r) {
    struct vmm_range rest[2];
    uint32_t first = 0, n_rest = 0;
    while (first < n && end_of(out[first]) <= r.base) first++;
    uint32_t last = first; /* [first, last) overlap r */
    for (; last < n && out[last].base < end_of(r); last++) {
        struct vmm_range o = out[last];
        if (o.base < r.base) rest[n_rest++] = (struct vmm_range){o.base, r.base - o.base};
        if (end_of(o) > end_of(r)) rest[n_rest++] = (struct vmm_range){end_of(r), end_of(o) - end_of(r)};
    }
    if (n - (last - first) + n_rest > max) return VMM_E_FULL;
    return (int)replace(out, n, first, last, rest, n_rest);
}
