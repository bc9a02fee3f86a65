/* What unlocking needs of a machine with a BIOS: see app.h and unlock.h. */
#include <crypt/wipe.h>
#include <string.h>
#include "app.h"
#include "unlock.h"

#define FIRST_MIB  UINT64_C(0x100000)
#define MAPPED_END (UINT64_C(1) << 32) /* by head.S */

struct machine {
    const struct mbi *mbi;
    const struct keys_memory *memory;
    uint64_t tsc_hz;
    struct vmm_vector vector; /* of the BIOS, and then of the guest */
};

static struct unlock unlock;

static void host_print(void *ctx, const char *text) {
    (void)ctx;
    con_print(text);
}

static int host_key(void *ctx) {
    (void)ctx;
    return con_key();
}

/* Not by the BIOS: the serial port's buffer would overflow in the least time it can wait. */
static void host_wait(void *ctx, unsigned ms) {
    const struct machine *m = ctx;
    uint64_t begin = __builtin_ia32_rdtsc(), n = m->tsc_hz / 1000 * ms;
    while (__builtin_ia32_rdtsc() - begin < n) __builtin_ia32_pause();
}

static bool host_read(void *ctx, const char *name, size_t max_bytes, const void **out, size_t *out_bytes,
                      const char **out_why) {
    const struct machine *m = ctx;
    const struct mbi_module *module = mbi_find(m->mbi, name, NULL);
    *out_why = module ? "is too long for what it should be" : "was not loaded as a module";
    if (!module || module->n_bytes > max_bytes) return false;
    *out = (const void *)(uintptr_t)module->base;
    *out_bytes = (size_t)module->n_bytes;
    return true;
}

/* Modules are wiped together, when all keys have been read. */
static void host_release(void *ctx, const void *data, size_t n_bytes) {
    (void)ctx;
    (void)data;
    (void)n_bytes;
}

static void *host_take(void *ctx, size_t n_bytes) {
    const struct keys_memory *m = ((struct machine *)ctx)->memory;
    uint64_t at;
    bool found = memmap_place(m->map, n_bytes, VMM_PAGE_BYTES, FIRST_MIB, MAPPED_END, m->avoid, m->n_avoid, &at);
    return found ? (void *)(uintptr_t)at : NULL;
}

static void host_give_back(void *ctx, void *p, size_t n_bytes) {
    (void)ctx;
    crypt_wipe(p, n_bytes);
}

static void host_crypto_begin(void *ctx) { vmm_vector_begin(&((struct machine *)ctx)->vector, VMM_XMM); }

static void host_crypto_end(void *ctx) { vmm_vector_end(&((struct machine *)ctx)->vector); }

bool keys_unlock(struct conf *conf, const struct mbi *mbi, const struct keys_memory *memory, uint64_t tsc_hz) {
    struct machine m = {.mbi = mbi, .memory = memory, .tsc_hz = tsc_hz};
    const struct unlock_host host = {.ctx = &m,
                                     .options = mbi->options,
                                     .print = host_print,
                                     .key = host_key,
                                     .wait = host_wait,
                                     .read = host_read,
                                     .release = host_release,
                                     .take = host_take,
                                     .give_back = host_give_back,
                                     .crypto_begin = host_crypto_begin,
                                     .crypto_end = host_crypto_end};
    bool good = unlock_keys(&unlock, &host, conf);
    bios_wipe_keys();
    return good;
}
