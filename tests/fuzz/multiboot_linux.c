/* Any bytes as a kernel. */
#include <linux.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    static uint8_t params[LINUX_PARAMS_BYTES], more[LINUX_MORE_BYTES], file[4096];
    static struct memmap map;
    struct linux_image image;
    struct linux_start start = {0};
    const char *why;
    if (n_bytes < 1 || n_bytes > sizeof file - 0x200) return 0;
    memcpy(file + 0x1f1, data, n_bytes); /* from the header on */
    size_t n_file = 0x1f1 + n_bytes;
    if (data[0] & 1) memcpy(file + 0x202, "HdrS", 4);
    uint8_t *exact = malloc(n_file);
    memcpy(exact, file, n_file);
    if (!linux_parse(exact, n_file, &image, &why)) {
        if (image.code + image.code_bytes != n_file || image.init_bytes < image.code_bytes || !image.code_bytes ||
            image.preferred + image.init_bytes > UINT64_C(1) << 32)
            abort();
        const uint64_t mib = 0x100000, end = 256 * mib;
        struct vmm_range loaded = {24 * mib, 8 * mib};
        uint64_t at;
        map.n = 1;
        map.entry[0] = (struct memmap_entry){0, end, MEMMAP_USABLE, MEMMAP_NOT_IGNORED};
        if (linux_place(&image, &map, &loaded, 1, &at) &&
            (at < mib || at < image.preferred || at + image.init_bytes > end))
            abort();
        map.n = data[0] % (MEMMAP_MAX + 1);
        linux_params(exact, &start, &map, params, more);
    }
    free(exact);
    memset(file, 0, sizeof file);
    return 0;
}
