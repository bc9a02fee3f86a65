/* Any bytes as a CD's boot catalog. */
#include <eltorito.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    static uint8_t sector[ELTORITO_SECTOR_BYTES];
    struct eltorito_image image;
    if (n_bytes < 32 || n_bytes > sizeof sector) return 0;
    memset(sector, 0, sizeof sector);
    memcpy(sector, data, n_bytes);
    (void)eltorito_catalog(sector);
    sector[0] = 1; /* a validation entry that is one */
    sector[1] = 0;
    sector[30] = 0x55;
    sector[31] = 0xaa;
    unsigned sum = 0;
    for (unsigned i = 0; i < 32; i += 2) sum += i == 28 ? 0u : sector[i] | (unsigned)sector[i + 1] << 8;
    sector[28] = (uint8_t)(0u - sum);
    sector[29] = (uint8_t)((0u - sum) >> 8);
    if (eltorito_parse(sector, &image) && (!image.n_sectors || !image.lba || !image.segment)) abort();
    return 0;
}
