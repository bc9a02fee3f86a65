/* Use libcrypt below a guest: choose a kernel once, and bracket every use of vector registers. */
#include <crypt/xts.h>
#include <vmm/vmm.h>

static const struct crypt_xts_kernel *best_kernel(void) {
    struct vmm_vector guest;
    vmm_vector_begin(&guest, vmm_vector_widest()); /* wide registers count if enabled now */
    uint32_t features = crypt_cpu_features();
    const struct crypt_xts_kernel *best = crypt_xts_kernel_best(features);
    while (best != &crypt_xts_kernel_portable && !crypt_xts_kernel_works(best)) {
        features = crypt_xts_kernel_without(features, best);
        best = crypt_xts_kernel_best(features);
    }
    vmm_vector_end(&guest);
    return best;
}

int disk_key_init(struct crypt_xts *x, const uint8_t *key, size_t key_bytes);
void disk_key_use(const struct crypt_xts *x, uint64_t unit, const void *src, void *dst, size_t n_units);

int disk_key_init(struct crypt_xts *x, const uint8_t *key, size_t key_bytes) {
    struct vmm_vector guest;
    const struct crypt_xts_kernel *kernel = best_kernel();
    vmm_vector_begin(&guest, VMM_XMM);
    int r = crypt_xts_init(x, key, key_bytes, kernel);
    vmm_vector_end(&guest);
    return r;
}

void disk_key_use(const struct crypt_xts *x, uint64_t unit, const void *src, void *dst, size_t n_units) {
    static const enum vmm_vector_width width[] = {[CRYPT_XMM] = VMM_XMM, [CRYPT_YMM] = VMM_YMM, [CRYPT_ZMM] = VMM_ZMM};
    struct vmm_vector guest;
    vmm_vector_begin(&guest, width[x->kernel->clobbers]);
    crypt_xts_encrypt(x, unit, src, dst, n_units);
    vmm_vector_end(&guest);
}
