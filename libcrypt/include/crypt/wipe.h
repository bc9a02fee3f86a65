/* Removing secrets from memory. Any context, any CPU, no allocation. */
#ifndef CRYPT_WIPE_H
#define CRYPT_WIPE_H

#include <stddef.h>

/* Set p[0 .. n_bytes) to zero in a way no compiler removes, even where p is never read again. */
void crypt_wipe(void *p, size_t n_bytes);

/* Overwrite the part of the stack below the caller's own frame: what functions that have returned left there. For use
 * after code that is not ours and leaves its temporaries behind. */
#define CRYPT_WIPE_STACK_BYTES 2048u
void crypt_wipe_stack(void);

#endif
