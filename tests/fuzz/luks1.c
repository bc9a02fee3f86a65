/* Any header of version 1 is refused with a sentence, or keeps every promise of crypt/luks.h and can be changed. */
#include <crypt/luks_write.h>
#include <stdlib.h>
#include <string.h>

#include "luks_promises.h"

#define IMAGE_BYTES (420u * 1024) /* one large area, or three small ones */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input is what the header begins with after its magic number, and in its first byte the length of the image. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct crypt_luks luks;
    if (size < 1 || size > 1024) return 0;
    size_t n_image = IMAGE_BYTES - data[0] * 512u;
    uint8_t *image = malloc(n_image);
    for (size_t i = 0; i < n_image; i++) image[i] = (uint8_t)(i * 2654435761u >> 24);
    memcpy(image, "LUKS\xba\xbe\0\1", 8);
    memcpy(image + 8, data + 1, size - 1);
    if (promise_parse(image, n_image, &luks)) {
        REQUIRE(luks.version == 1 && luks.n_slots == 8 && luks.key_bytes != 0);
        promise_open(image, &luks);
        promise_remove(image, n_image, &luks);
    }
    free(image);
    return 0;
}
