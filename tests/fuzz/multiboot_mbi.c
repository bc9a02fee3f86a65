/* Any bytes as a boot loader's information, of either version. What the parser accepts can be used. */
#include <mbi.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

#define CHECK(x)                                                                                                       \
    do {                                                                                                               \
        if (!(x)) abort();                                                                                             \
    } while (0)

#define BASE UINT64_C(0x1000)

static const uint8_t *memory;
static size_t n_memory;

static bool read_memory(uint64_t at, void *dst, size_t n) {
    if (at < BASE || at - BASE > n_memory || n > n_memory - (at - BASE)) return false;
    memcpy(dst, memory + (at - BASE), n);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    static struct mbi m;
    static const struct vmm_range own = {0x100000, 0x50000};
    const char *why = NULL;
    if (n_bytes < 1) return 0;
    memory = data + 1;
    n_memory = n_bytes - 1;
    int r = mbi_parse(data[0] & 1 ? 0x2badb002u : 0x36d76289u, (uint32_t)BASE, own, read_memory, &m, &why);
    CHECK((r != 0) == (why != NULL));
    CHECK(m.n_modules <= MBI_MAX_MODULES);
    CHECK(r || memchr(m.options, 0, sizeof m.options));
    for (uint32_t i = 0; i < m.n_modules; i++) {
        const struct mbi_module *a = &m.module[i];
        CHECK(memchr(a->line, 0, sizeof a->line));
        CHECK(a->base + a->n_bytes <= UINT64_C(1) << 32);
        for (uint32_t k = 0; k < i && a->n_bytes; k++) {
            const struct mbi_module *b = &m.module[k];
            CHECK(!b->n_bytes || a->base + a->n_bytes <= b->base || b->base + b->n_bytes <= a->base);
        }
    }
    const char *args;
    const struct mbi_module *k = mbi_find(&m, "k", &args);
    CHECK(!k || (args > k->line && args < k->line + sizeof k->line));
    return 0;
}
