/* Page walks over tables that are the input: the entry callback is only asked for aligned places, the path is never
 * longer than the mode has levels, a peek changes nothing, and a walk that succeeded succeeds again the same way. */
#include <stdlib.h>
#include <string.h>
#include "walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

#define CHECK(x)                                                                                                       \
    do {                                                                                                               \
        if (!(x)) abort();                                                                                             \
    } while (0)

#define TABLE_BYTES 4096u

static uint64_t tables[2 * TABLE_BYTES / 8], copy[2 * TABLE_BYTES / 8];

/* Two pages, whatever the address: every walk goes on as long as its entries say so. */
static void *entry(void *ctx, gpa_t at, size_t n_bytes) {
    (void)ctx;
    CHECK((n_bytes == 4 || n_bytes == 8) && (at.v & (n_bytes - 1)) == 0 && at.v >> 52 == 0);
    if (at.v & 0x2000) return NULL;
    return (uint8_t *)tables + at.v % sizeof tables;
}

static const struct walk_memory mem = {.entry = entry};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    struct walk_regs r;
    uint64_t linear;
    uint8_t how;
    if (n_bytes < sizeof r + sizeof linear + 1) return 0;
    memcpy(&r, data, sizeof r);
    r.reserved &= ~UINT64_C(0xfff); /* never the marks themselves */
    memcpy(&linear, data + sizeof r, sizeof linear);
    how = data[sizeof r + sizeof linear];
    data += sizeof r + sizeof linear + 1;
    n_bytes -= sizeof r + sizeof linear + 1;
    memset(tables, 0, sizeof tables);
    memcpy(tables, data, n_bytes < sizeof tables ? n_bytes : sizeof tables);
    for (size_t i = n_bytes; i && i < sizeof tables; i++) ((uint8_t *)tables)[i] = ((uint8_t *)tables)[i % n_bytes];
    memcpy(copy, tables, sizeof tables);

    struct walk_result a, b;
    int peek = walk(&r, &mem, linear, WALK_PEEK, &a);
    CHECK(memcmp(copy, tables, sizeof tables) == 0);
    enum walk_access access = (enum walk_access)(how % 3);
    int result = walk(&r, &mem, linear, access, &b);
    CHECK(result == 0 || result == 1);
    CHECK(b.n_tables <= 5);
    if (result) {
        CHECK((b.error & ~(PF_P | PF_W | PF_U | PF_RSVD | PF_I)) == 0);
        CHECK(((b.error & PF_W) != 0) == (access == WALK_WRITE) && ((b.error & PF_U) != 0) == (r.cpl == 3));
        return 0;
    }
    CHECK(peek == 0 && a.gpa.v == b.gpa.v && a.n_tables == b.n_tables && b.gpa.v >> 52 == 0);
    CHECK(((b.gpa.v ^ linear) & 0xfff) == 0);
    CHECK(walk(&r, &mem, linear, access, &a) == 0);
    CHECK(a.gpa.v == b.gpa.v && memcmp(a.entry, b.entry, a.n_tables * sizeof a.entry[0]) == 0);
    return 0;
}
