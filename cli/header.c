/* see header.h */
#include "header.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <crypt/wipe.h>
#include "cli.h"
#include "file.h"

#define TRIES 3

const struct crypt_xts_kernel *header_kernel(void) {
    uint32_t features = crypt_cpu_features();
    const struct crypt_xts_kernel *kernel = crypt_xts_kernel_best(features);
    while (kernel != &crypt_xts_kernel_portable && !crypt_xts_kernel_works(kernel)) {
        features = crypt_xts_kernel_without(features, kernel);
        kernel = crypt_xts_kernel_best(features);
    }
    return kernel;
}

static bool refuse(const struct header *h, const char *why) { return cli_fail("%s: %s", h->path, why) == CLI_GOOD; }

bool header_open(struct header *h, const char *path, bool writable) {
    struct stat st;
    const char *why;
    *h = (struct header){.path = path, .fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC)};
    if (h->fd < 0 || fstat(h->fd, &st) != 0) return refuse(h, strerror(errno));
    if (!S_ISREG(st.st_mode)) return refuse(h, "it is no ordinary file: headers are files of their own here");
    if (flock(h->fd, (writable ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0) return refuse(h, "another command is using it");
    if (st.st_size < CRYPT_LUKS_SECTOR_BYTES) return refuse(h, "it is not a LUKS header");
    if (st.st_size > HEADER_BYTES_MAX) return refuse(h, "it is too long for a LUKS header");
    h->n_bytes = (size_t)st.st_size / CRYPT_LUKS_SECTOR_BYTES * CRYPT_LUKS_SECTOR_BYTES;
    h->image = malloc(h->n_bytes);
    if (!h->image) return refuse(h, "there is no memory for it");
    if (!file_read(h->fd, 0, h->image, h->n_bytes)) return refuse(h, strerror(errno));
    return crypt_luks_parse(h->image, h->n_bytes, &h->luks, &why) == 0 || refuse(h, why);
}

void header_close(struct header *h) {
    if (h->fd >= 0) close(h->fd);
    free(h->image);
}

static const char *outcome(enum crypt_luks_outcome o) {
    switch (o) {
    case CRYPT_LUKS_NO_SLOT: return "it has no such keyslot that could be opened";
    case CRYPT_LUKS_WRONG: return "the passphrase opens none of its keyslots";
    case CRYPT_LUKS_DAMAGED: return "the passphrase opens none of its keyslots, and the area of one is damaged";
    default: return "there is too little memory to open its keyslots";
    }
}

static enum crypt_luks_outcome try_once(const struct crypt_luks *l, const struct header *h, const struct secret *s,
                                        int slot, struct crypt_luks_opened *out) {
    size_t n_work = crypt_luks_work_bytes(l, slot);
    struct crypt_luks_try t = {.secret = s->p,
                               .secret_bytes = s->n_bytes,
                               .slot = slot,
                               .work = secret_alloc(n_work),
                               .work_bytes = n_work,
                               .kernel = header_kernel()};
    enum crypt_luks_outcome o = crypt_luks_open(l, h->image, &t, out);
    secret_free(t.work, n_work);
    return o;
}

bool header_unlock(const struct header *h, const struct header_unlock *how, struct crypt_luks_opened *out) {
    struct secret s = {NULL, 0};
    struct crypt_luks l = h->luks;
    enum crypt_luks_outcome o = CRYPT_LUKS_WRONG;
    if (how->slot >= (int)l.n_slots || how->except >= (int)l.n_slots) return refuse(h, outcome(CRYPT_LUKS_NO_SLOT));
    if (how->except >= 0) l.slot[how->except].state = CRYPT_LUKS_SLOT_FREE;
    for (int left = secret_is_typed(&how->source) ? TRIES : 1; left > 0 && o == CRYPT_LUKS_WRONG; left--) {
        if (!secret_get(&s, &how->source)) break;
        o = try_once(&l, h, &s, how->slot, out);
        if (o != CRYPT_LUKS_OPENED) (void)refuse(h, outcome(o));
    }
    secret_drop(&s);
    return o == CRYPT_LUKS_OPENED;
}

static int store_write(void *ctx, uint64_t offset, const void *src, size_t n_bytes) {
    return !file_write(((const struct header *)ctx)->fd, offset, src, n_bytes);
}

static int store_flush(void *ctx) { return fdatasync(((const struct header *)ctx)->fd); }

static bool seed(struct crypt_rng *rng) {
    uint8_t given[64];
    const struct crypt_rng_hw hw = crypt_rng_hw(crypt_cpu_features());
    crypt_rng_init(rng);
    crypt_rng_gather(rng, &hw);
    if (getrandom(given, sizeof given, 0) == (ssize_t)sizeof given)
        crypt_rng_add(rng, given, sizeof given, CRYPT_RNG_BITS_NEEDED);
    crypt_wipe(given, sizeof given);
    return crypt_rng_bits(rng) >= CRYPT_RNG_BITS_NEEDED;
}

bool header_change_begin(struct header_change *c, struct header *h, size_t work_bytes) {
    c->store = (struct crypt_luks_store){store_write, store_flush, h};
    c->edit = (struct crypt_luks_edit){.luks = &h->luks,
                                       .image = h->image,
                                       .image_bytes = h->n_bytes,
                                       .store = &c->store,
                                       .rng = &c->rng,
                                       .kernel = header_kernel(),
                                       .work = secret_alloc(work_bytes),
                                       .work_bytes = work_bytes};
    return seed(&c->rng) || refuse(h, crypt_luks_why(CRYPT_E_ENTROPY));
}

void header_change_end(struct header_change *c) {
    crypt_rng_wipe(&c->rng);
    secret_free(c->edit.work, c->edit.work_bytes);
}
