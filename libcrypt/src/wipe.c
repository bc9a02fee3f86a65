/* see crypt/wipe.h */
#include <crypt/wipe.h>

#include <stdint.h>
#include <string.h>

void crypt_wipe(void *p, size_t n_bytes) {
    memset(p, 0, n_bytes);
    __asm__ volatile("" : : "r"(p) : "memory"); /* somebody may read it: the stores must happen */
}

/* Not inlined, so that its array lies where the frames of the caller's other callees lay. */
__attribute__((noinline)) void crypt_wipe_stack(void) {
    uint8_t dead[CRYPT_WIPE_STACK_BYTES];
    crypt_wipe(dead, sizeof dead);
}
