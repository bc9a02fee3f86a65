/* Characters of the firmware's console as UTF-8. Pure.
 *
 * They are UCS-2. But a serial line that the firmware takes for an 8-bit terminal, as many do without being told
 * otherwise, gives each byte of a UTF-8 character as one of U+0080 to U+00FF. Such bytes come in one go, characters of
 * that range from a keyboard do not: so those that may begin one are kept back until it is clear what they are. */
#ifndef EFI_TYPED_H
#define EFI_TYPED_H

#include <stdint.h>

#define TYPED_IDLE 50u /* times nothing came, until what is kept back is taken for what it seems */

/* All zero bytes at first. */
struct typed {
    uint8_t kept[4], n_kept, n_wanted;
    uint8_t byte[16], n_bytes; /* UTF-8, to be taken */
    unsigned n_idle;
};

/* A character came. MUST: typed_get() has just found nothing. What is no character becomes FFh, which is no UTF-8. */
void typed_put(struct typed *t, uint16_t c);
void typed_idle(struct typed *t); /* none came */
int typed_get(struct typed *t);   /* the next byte, or -1 */

#endif
